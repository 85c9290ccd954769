import re
from pathlib import Path

import pytest

from tests.test_wings import MODULES, PACKAGE, WINGS, find_imports

ROOT = Path(__file__).parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def find_arrows() -> list[str]:
    """Return the imports between wings as lines of a Mermaid graph, importing wing first.

    Every wing may import `errors`, so arrows to it are left out.
    """
    pairs = {(module[0], imported[0]) for module in MODULES for imported in find_imports(module)}
    drawn = [wing for wing in WINGS if wing != "errors"]
    return [f"    {wing} --> {other}" for wing in drawn for other in drawn
            if wing != other and (wing, other) in pairs]  # fmt: skip


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a Markdown page."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page)):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = sum(each == words or re.fullmatch(rf"{words}-\d+", each) is not None
                     for each in found)  # fmt: skip
        found.add(f"{words}-{number}" if number else words)
    return found


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page whose file or heading does not exist."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    return broken


def test_the_picture_shows_the_imports_between_wings() -> None:
    """The arrows of docs/architecture.md are the imports of the code, no more and no fewer."""
    drawn = re.findall(r"^    \w+ --> \w+$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    expected = find_arrows()
    assert drawn == expected, "the arrows must be:\n" + "\n".join(expected)


def test_the_picture_names_every_wing_in_the_table() -> None:
    """The table of docs/architecture.md lists the wings in their order."""
    rows = re.findall(r"^\| `(\w+)` \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == WINGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page points to a file and a heading that exist."""
    assert broken_links(page) == []


def test_files_named_in_contributing_exist() -> None:
    """Where to change what: each file in code type is there, below the project or the package."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+/[\w.]+\.\w+)`", page))
    assert len(named) > 30
    assert [name for name in sorted(named)
            if not (ROOT / name).exists() and not (PACKAGE / name).exists()] == []  # fmt: skip


def test_broken_links_are_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are reported; addresses and code blocks are not."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, with `code`\n[here](#a-heading-with-code) [web](https://example.org/x)\n"
        "[lost](lost.md) [gone](#gone) [self](page.md#gone)\n```\n# no-heading\n[x](y.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["lost.md", "#gone", "page.md#gone"]
