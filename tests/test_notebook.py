"""`experiments/tour.ipynb` and its page `docs/tour.md`; the notebook is run in `workflows/`."""

import re
from typing import Any

import pytest

from experiments.tour import NOTEBOOK, PAGE, PICTURES, Notebook, fence, read, render, render_outputs
from tests.test_docs import anchors

TEXT = PAGE.read_text(encoding="utf-8")
# What `render` writes for an output. Prose has none of these.
OUTPUT = re.compile(r"^```text\n.*?^```\n|^(?:\||!\[)[^\n]*\n", re.MULTILINE | re.DOTALL)


@pytest.fixture
def notebook() -> Notebook:
    """The notebook as it is committed."""
    return read(NOTEBOOK)


def without_outputs(page: str) -> str:
    """Return a page's prose and code."""
    return re.sub(r"\n{3,}", "\n\n", OUTPUT.sub("", page))


def make_cell(*outputs: dict[str, Any]) -> Notebook:
    """Return a code cell with outputs."""
    return {"id": "chart", "metadata": {"alt": "A chart"}, "outputs": list(outputs)}


def test_the_notebook_has_no_outputs(notebook: Notebook) -> None:
    """Outputs, counts and times would change with every run; the page has the outputs."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 10
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]] == []
    assert [cell["id"] for cell in cells if cell["metadata"].keys() - {"alt"}] == []


def test_the_page_has_the_cells_of_the_notebook(notebook: Notebook) -> None:
    """Prose and code are the same: after a change of the notebook, `make tour` must be run."""
    expected = render(notebook)
    assert without_outputs(expected) == expected
    assert without_outputs(TEXT) == expected, "run `make tour`"


def test_the_page_shows_outputs() -> None:
    """The sweep's lines, tables and pictures; each picture has a file, and no other is there."""
    assert re.search(r"^winner: test accuracy 0\.\d+", TEXT, re.MULTILINE)
    assert TEXT.count("\n|---|") >= 8
    shown = re.findall(r"^!\[.{20,}\]\(images/tour/(.+)\)$", TEXT, re.MULTILINE)
    assert len(shown) == 2
    assert sorted(shown) == sorted(path.name for path in PICTURES.iterdir())
    assert all(path.stat().st_size < 100_000 for path in PICTURES.iterdir())


def test_the_page_does_not_depend_on_the_machine() -> None:
    """No paths but the made-up one, no HTML, no escape sequences, nothing over 60 lines."""
    assert set(re.findall(r"/tmp/[\w.-]+|/home/\w+", TEXT)) == {"/tmp/ecomclf-tour"}
    assert re.search(r"</?(div|table|pre|style)|\x1b|Traceback", TEXT) is None
    assert max(block.count("\n") for block in OUTPUT.findall(TEXT)) < 60


def test_the_page_has_a_heading_for_each_step() -> None:
    """The steps that other pages may link to."""
    wanted = {"1-a-small-sweep", "4-explore-the-errors", "5-calibration-and-a-threshold"}
    assert wanted <= anchors(TEXT)


def test_outputs_become_markdown() -> None:
    """Printed pieces are joined, tables and figures are not HTML, stderr is left out."""
    table = "<div><table><tr><th></th><th>a</th></tr>\n<tr><th>0</th><td>1 &lt; 2</td></tr></table>"
    cell = make_cell(
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
        {"output_type": "stream", "name": "stderr", "text": ["a warning\n"]},
        {"output_type": "stream", "name": "stdout", "text": ["c\n"]},
        {"output_type": "display_data", "data": {"text/html": [table], "text/plain": ["x"]}},
        {"output_type": "display_data", "data": {"image/png": "iVBO", "text/plain": ["<Figure>"]}},
        {"output_type": "execute_result", "data": {"text/plain": ["5"]}},
    )
    assert render_outputs(cell) == [
        "```text\na\nb\nc\n```",
        "|  | a |\n|---|---|\n| 0 | 1 < 2 |",
        "![A chart](images/tour/chart.png)",
        "```text\n5\n```",
    ]


def test_long_outputs_are_shortened() -> None:
    """The first and last lines stay."""
    lines = fence("\n".join(map(str, range(50)))).splitlines()
    assert lines[:3] == ["```text", "0", "1"]
    assert lines[-2:] == ["49", "```"]
    assert "…" in lines
    assert len(lines) < 35
