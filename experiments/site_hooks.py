"""Hooks of `mkdocs build`: pages and files from outside of docs/, and the picture of the imports.

The pages are written for GitHub. There they link to files of the repository, and Mermaid draws the
imports between wings; on the site these files are copied, and the imports become a table, because
Mermaid would be loaded from another host.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# Pages outside of docs/; their path on the site is that in the repository.
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "experiments/README.md")
# Files that pages link to, beside the shipped configs.
FILES = ("experiments/tour.ipynb",)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!#|[a-z][a-z0-9+.-]*:)([^)#\s]+)")
_MERMAID = re.compile(r"^```mermaid\n(.+?)^```$", re.MULTILINE | re.DOTALL)
_ARROW = re.compile(r"^ +(\w+) --> (\w+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/, and the files that pages link to."""
    configs = [path for path in (ROOT / "configs").rglob("*.*") if path.is_file()]
    for path in [*(ROOT / name for name in PAGES + FILES), *configs]:
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 (names that MkDocs passes)
    """Return a page as the site shows it."""
    page_uri = page.file.src_uri
    markdown = _MERMAID.sub(lambda found: tabulate_imports(found[1]), markdown)
    return _outside_code(
        markdown,
        lambda text: _LINK.sub(lambda found: f"]({site_link(found[1], page_uri)}", text),
    )


def site_link(link: str, page_uri: str) -> str:
    """Return a link of a page in the repository as it is on the site, where docs/ is the root.

    Args:
        link: a relative link, as GitHub follows it.
        page_uri: path of the page on the site.

    Example:
        >>> site_link("../configs/sample.yaml", "config.md")
        'configs/sample.yaml'
        >>> site_link("../docs/scale.md", "experiments/README.md")
        '../scale.md'

    """
    in_repository = page_uri if page_uri in PAGES else f"docs/{page_uri}"
    target = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), link))
    folder = posixpath.dirname(page_uri)
    return posixpath.relpath(target.removeprefix("docs/"), folder or ".")


def tabulate_imports(graph: str) -> str:
    r"""Return the arrows of a Mermaid graph as a Markdown table, one row per importing wing.

    Example:
        >>> print(tabulate_imports("    text --> config\n    text --> data\n"))
        | wing | imports |
        |---|---|
        | `text` | `config`, `data` |

    """
    imports: dict[str, list[str]] = {}
    for wing, imported in _ARROW.findall(graph):
        imports.setdefault(wing, []).append(f"`{imported}`")
    rows = [f"| `{wing}` | {', '.join(names)} |" for wing, names in imports.items()]
    return "\n".join(["| wing | imports |", "|---|---|", *rows])


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Return a page with a change applied to everything but code."""
    codes = [found[0] for found in _CODE.finditer(markdown)]
    texts = [change(text) for text in _CODE.split(markdown)]
    return "".join(text + code for text, code in zip(texts, [*codes, ""], strict=True))
