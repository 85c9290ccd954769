"""Run tour.ipynb, and write it with its outputs as a page: `make tour`.

The notebook is committed without outputs. `docs/tour.md` has its prose and code, and the outputs of
a run; GitHub and the site show it like any other page. Tables become Markdown tables, and
figures become files in `docs/images/tour/`.
"""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "experiments" / "tour.ipynb"
PAGE = ROOT / "docs" / "tour.md"
PICTURES = PAGE.parent / "images" / "tour"

# Of a longer output, only the first and the last lines are shown.
_MOST_LINES = 30
_FIRST, _LAST = 8, 22
_ABOUT = (
    "Written by `make tour`, from a run of [experiments/tour.ipynb](../experiments/tour.ipynb): "
    "get that file to run it yourself."
)

Notebook = dict[str, Any]
Attributes = list[tuple[str, str | None]]


def execute(folder: Path) -> Notebook:
    """Return the notebook with its outputs, run by a kernel of this Python.

    Args:
        folder: gets every file that the run writes.

    Raises:
        subprocess.CalledProcessError: a cell raised an exception; it is on stderr.

    """
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"]
    options = ["--output-dir", str(folder), "--output", "executed", str(NOTEBOOK)]
    settings = {"TMPDIR": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    # The package of this checkout, wherever another one is installed.
    settings["PYTHONPATH"] = str(ROOT)
    # The store is the notebook's own.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **settings}
    subprocess.run([*command, *options], check=True, env=environment)
    return read(folder / "executed.ipynb")


def read(path: Path) -> Notebook:
    """Return a notebook's JSON."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def render(notebook: Notebook) -> str:
    """Return a notebook as Markdown: prose, code, and the outputs it has."""
    title, *cells = notebook["cells"]
    parts = [render_prose(title), _ABOUT]
    for cell in cells:
        is_code = cell["cell_type"] == "code"
        parts += [render_code(cell), *render_outputs(cell)] if is_code else [render_prose(cell)]
    return "\n\n".join(parts) + "\n"


def render_prose(cell: Notebook) -> str:
    r"""Return the text of a Markdown cell, its links as from a page in docs/.

    >>> render_prose({"source": ["All [keys](../docs/config.md)\n", "of a config"]})
    'All [keys](config.md)\nof a config'

    """
    return "".join(cell["source"]).replace("](../docs/", "](")


def render_code(cell: Notebook) -> str:
    """Return the source of a code cell as a fenced block."""
    return f"```python\n{''.join(cell['source'])}\n```"


def render_outputs(cell: Notebook) -> list[str]:
    """Return what a code cell printed and displayed, one Markdown block each."""
    printed = read_printed(cell)
    blocks = [fence(printed)] if printed else []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            blocks.append(f"![{cell['metadata']['alt']}](images/tour/{cell['id']}.png)")
        elif "text/html" in data:
            blocks.append(Table("".join(data["text/html"])).as_markdown())
        elif "text/plain" in data:
            blocks.append(fence("".join(data["text/plain"])))
    return blocks


def read_printed(cell: Notebook) -> str:
    """Return what a code cell printed to stdout; the kernel sends it in pieces."""
    pieces = [each["text"] for each in cell["outputs"] if each.get("name") == "stdout"]
    return "".join("".join(piece) for piece in pieces)


def fence(text: str) -> str:
    r"""Return printed text as a fenced block, shortened, without the name of a temporary folder.

    >>> print(fence("sqlite:////var/tmp/ecomclf-tour-x1_z/mlflow.db\n"))
    ```text
    sqlite:////tmp/ecomclf-tour/mlflow.db
    ```

    """
    lines = re.sub(r"(/[\w.-]+)+/ecomclf-tour-\w+", "/tmp/ecomclf-tour", text).rstrip().splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_FIRST], "…", *lines[-_LAST:]]
    return "\n".join(["```text", *lines, "```"])


class Table(HTMLParser):
    r"""The cells of the HTML table that pandas makes of a frame.

    >>> html = "<style>p {}</style><table><tr><th>a</th></tr><tr><td>x|y</td></tr></table>"
    >>> print(Table(html).as_markdown())
    | a |
    |---|
    | x\|y |

    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:  # noqa: ARG002 (of HTMLParser)
        """Begin a row or a cell."""
        self._is_cell = tag in ("th", "td")
        if tag == "tr":
            self.rows.append([])
        elif self._is_cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 (of HTMLParser)
        """End a cell: what is between two of them is white space."""
        self._is_cell = False

    def handle_data(self, data: str) -> None:
        """Add text to the current cell."""
        if self._is_cell:
            self.rows[-1][-1] += data.replace("|", "\\|")

    def as_markdown(self) -> str:
        """Return the table as Markdown; its first row is the head."""
        head, *body = [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([head, "|" + "---|" * len(self.rows[0]), *body])


def save_pictures(notebook: Notebook) -> None:
    """Write the figures of an executed notebook, and remove those of an earlier one."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in PICTURES.glob("*.png"):
        path.unlink()
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                (PICTURES / f"{cell['id']}.png").write_bytes(base64.b64decode(picture))


def main() -> None:
    """Execute the notebook, and write the page with its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(Path(folder))
    save_pictures(notebook)
    PAGE.write_text(render(notebook), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")


if __name__ == "__main__":
    main()
