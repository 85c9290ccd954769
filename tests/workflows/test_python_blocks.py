"""The Python blocks of the documentation, run for real: with few rows, small configs, one trial."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.snippets import ROOT, find_blocks

pytestmark = pytest.mark.slow

# Texts with labels for blocks that evaluate, or that train on a DataFrame.
PRELUDE = """
from ecomclf.data.sample import generate
frame = generate(rows=400, seed=1)
texts = list(frame["title"] + " " + frame["description"])
labels = list(frame["category"])
frame = frame.rename(columns={"description": "content", "category": "score"})
"""
# Stands for the config of the same name.
APP_REVIEWS = TINY.replace("trials: 3", "trials: 1").replace(
    "source: sample, sample_rows: 400", "text_columns: [content], label_column: score"
)


def run(code: str) -> str:
    """Run Python code in a process of its own, as a reader would; return what it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout


def blocks_of(name: str) -> list[str]:
    """Return the Python blocks of a page."""
    return [block.text for block in find_blocks([ROOT / name], ("python",))]


def test_the_blocks_run(workplace: Path) -> None:
    """Sweep, load, predict, evaluate; pyfunc and Keras without this package; a config's keys."""
    Path("configs").mkdir()
    Path("configs/sample.yaml").write_text(TINY, encoding="utf-8")
    Path("configs/app_reviews.yaml").write_text(APP_REVIEWS, encoding="utf-8")
    run(f"{PRELUDE}\nframe.to_csv('reviews.csv', index=False)")
    (read_me,) = blocks_of("README.md")
    assert "trials=6" in read_me
    printed = run(read_me.replace("trials=6", "trials=1"))
    # So few rows may leave it below the baseline, without a stage.
    assert re.search(r"^0\.\d+ 1 (Staging|None)$", printed, re.MULTILINE)
    run("from ecomclf import api; api.promote('1', 'Production')")
    pages = ("docs/api.md", "docs/config.md", "docs/registry.md")
    # In one process, because starting TensorFlow takes seconds.
    run("\n".join([PRELUDE, *(block for page in pages for block in blocks_of(page))]))
