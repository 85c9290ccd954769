"""`make docs`: the site builds without warnings, and its pages load nothing from another host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.site_docstrings import fence
from experiments.site_hooks import site_link, tabulate_imports

ROOT = Path(__file__).parent.parent
# Attributes that a browser loads by itself; it follows `a href` only when someone clicks.
SOURCES = {"src", "srcset", "poster", "data"}
LOADED_LINKS = {"stylesheet", "icon", "manifest", "preload", "modulepreload", "prefetch"}
LOADED_LINKS |= {"preconnect", "dns-prefetch", "apple-touch-icon"}
CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
# What Material's script may load: Mermaid where a page has a diagram, a substitute in browsers
# from before 2020, and figures of a repository on GitHub where the site names one.
DYNAMIC = {"unpkg.com/mermaid", "unpkg.com/resize-observer-polyfill", "api.github.com"}


class Loaded(HTMLParser):
    """Collect what a page loads, and the classes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of one element."""
        given = {name: value or "" for name, value in attrs}
        self.classes |= set(given.get("class", "").split())
        self.addresses += [value for name, value in given.items() if name in SOURCES]
        if tag == "link" and LOADED_LINKS & set(given.get("rel", "").split()):
            self.addresses.append(given.get("href", ""))
        self.addresses += css_addresses(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Note the addresses in a style sheet within the page."""
        if self.lasttag == "style":
            self.addresses += css_addresses(data)


def css_addresses(style: str) -> list[str]:
    """Return the addresses that a style sheet loads."""
    return [first or second for first, second in CSS_ADDRESS.findall(style)]


def is_elsewhere(address: str) -> bool:
    """Return whether an address is on another host; `data:` is part of the page."""
    return re.match(r"(?:[a-z][a-z0-9+.-]*:)?//", address.strip(), re.IGNORECASE) is not None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    """Each page of docs/ is built, and those beside it."""
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").glob("*.md")]
    pages += [Path("CHANGELOG.md"), Path("CONTRIBUTING.md"), Path("experiments/index.md")]
    assert [page for page in pages if not (site / page.with_suffix(".html")).is_file()] == []


def test_pages_load_nothing_from_another_host(site: Path) -> None:
    """Scripts, style sheets, icons, images and fonts are files of the site."""
    found = {}
    for page in site.rglob("*.html"):
        loaded = Loaded(page.read_text(encoding="utf-8"))
        assert loaded.addresses
        found[page.name] = [each for each in loaded.addresses if is_elsewhere(each)]
        # Material would load Mermaid from a content delivery network.
        assert "mermaid" not in loaded.classes, page.name
    assert {name: addresses for name, addresses in found.items() if addresses} == {}


def test_style_sheets_load_nothing_from_another_host(site: Path) -> None:
    """No font or image in a style sheet is on another host."""
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        addresses = css_addresses(sheet.read_text(encoding="utf-8"))
        assert [each for each in addresses if is_elsewhere(each)] == []


def test_scripts_name_no_other_host_to_load_from(site: Path) -> None:
    """The theme's script knows no address to load from but those that these pages never need."""
    script = "".join(path.read_text(encoding="utf-8") for path in site.rglob("bundle*.js"))
    hosts = re.findall(r"[\"'`]https?://((?:unpkg|cdn|api|fonts)[^\"'`$]*)", script)
    assert hosts
    assert [host for host in hosts if not any(host.startswith(each) for each in DYNAMIC)] == []
    assert "repo_url" not in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_other_hosts_are_found() -> None:
    """The check itself: elements that load are found, links that are followed are not."""
    loaded = Loaded(
        '<link rel="preconnect" href="https://fonts.gstatic.com"><a href="https://a.org">a</a>'
        '<link rel="canonical" href="https://b.org"><script src="//c.org/x.js"></script>'
        '<img src="data:image/png;base64,x"><p class="mermaid" style="background: url(\'e.png\')">'
        "<style>@import 'https://d.org/x.css';</style>"
    )
    assert [each for each in loaded.addresses if is_elsewhere(each)] == [
        "https://fonts.gstatic.com",
        "//c.org/x.js",
        "https://d.org/x.css",
    ]
    assert "e.png" in loaded.addresses
    assert "mermaid" in loaded.classes


@pytest.mark.parametrize(
    ("link", "page", "expected"),
    [
        ("scale.md", "config.md", "scale.md"),
        ("../configs/sample.yaml", "config.md", "configs/sample.yaml"),
        ("../CHANGELOG.md", "index.md", "CHANGELOG.md"),
        ("docs/scale.md", "CONTRIBUTING.md", "scale.md"),
        ("../docs/scale.md", "experiments/README.md", "../scale.md"),
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(
    link: str, page: str, expected: str
) -> None:
    """A link that GitHub follows within the repository is a link within the site."""
    assert site_link(link, page) == expected


def test_the_picture_becomes_a_table(site: Path) -> None:
    """Each arrow of the picture is in the table of the site."""
    assert tabulate_imports("    text --> config\n    text --> data\n").endswith(
        "| `text` | `config`, `data` |"
    )
    page = (site / "architecture.html").read_text(encoding="utf-8")
    assert "--&gt;" not in page
    assert re.search(r"<td><code>evaluation</code></td>\s*<td><code>runtime</code>, ", page)


def test_examples_in_docstrings_become_code() -> None:
    """Doctests and plain code are fenced; prose is left alone."""
    assert fence("Example:\n    x = 1\n") == "Example:\n    ```python\n    x = 1\n    ```\n\n"
    assert "```pycon\n    >>> 1 + 1" in fence("Example:\n    >>> 1 + 1\n    2\n")
    prose = "Example:\n    For the ids it returns others.\n"
    assert fence(prose) == prose
