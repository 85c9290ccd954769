"""`experiments/tour.ipynb`, run from its first cell to its last."""

import re
from pathlib import Path

import pytest

from experiments.tour import ROOT, execute, read_printed, render

pytestmark = pytest.mark.slow

# Tools and other tests write there meanwhile.
NOT_OURS = {".git", "__pycache__", ".venv", "site", "build", "dist"}


def list_files() -> set[Path]:
    """Return the files of the repository, ignored ones too, without caches of tools."""
    found = set()
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(each in NOT_OURS or each[0] == "." for each in parts):
            found.add(path)
    return found


def read_f1(printed: str, name: str) -> float:
    """Return the macro F1 on test rows that a sweep has printed for the winner or a baseline."""
    (score,) = re.findall(rf"^{name}: test accuracy [\d.]+, macro F1 ([\d.]+)", printed, re.M)
    return float(score)


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Every cell runs, the winner beats the baseline, and the repository is left as it was."""
    before = list_files()
    notebook = execute(tmp_path)
    assert list_files() == before
    cells = {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code"}
    counts = [cell["execution_count"] for cell in cells.values()]
    assert counts == list(range(1, len(cells) + 1))
    printed = read_printed(cells["sweep"])
    assert read_f1(printed, "winner") > read_f1(printed, "baseline")
    # The sweep's progress is one text: no display of its own for each line, no live view.
    assert {each["output_type"] for each in cells["sweep"]["outputs"]} == {"stream"}
    assert "\x1b" not in printed
    assert [path.name for path in tmp_path.glob("ecomclf-tour-*/tour.html")] == ["tour.html"]
    assert "images/tour/coverage.png" in render(notebook)
