"""What a person sees in a terminal of 80 and of 120 columns, which tmux stands for."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

Screen = Callable[[str, str], list[str]]

SWEEP = """
import time
from rich.console import Console
from ecomclf.search.progress import SweepDisplay

display = SweepDisplay(Console(), total=6, done=1, workers=2, monitor="val_f1_weighted")
display.best_so_far(0.5, 0)
values = {"model.embedding_dim": 64, "model.units": 48, "model.dropout": 0.1234567}
values |= {"model.seed": 1, "train.seed": 2, "train.learning_rate": 0.00123}
values |= {"text.max_tokens": 8000}
with display:
    for trial in (1, 2, 3, 4):
        display.started(trial, values, epochs=8)
        display.epoch(trial, 1, 0.6125)
        display.epoch(trial, 2, 0.7125 + trial / 100)
        if trial < 3:
            time.sleep(0.1)
            display.ended(trial, ["finished", "pruned"][trial - 1], 0.7125 + trial / 100, None)
    time.sleep(60)
"""

LEADERBOARD = """
import time
import pandas as pd
from rich.console import Console
from ecomclf.runtime.terminal import print_table

row = {"trial": 12, "state": "finished", "val_f1_macro": 0.94923, "val_f1_weighted": 0.9512}
row |= {"val_accuracy": 0.9513, "model.embedding_dim": 64, "model.units": 48}
row |= {"model.dropout": 0.1234567, "train.learning_rate": 0.0021345, "seconds": 16.1}
print_table(Console(), "study shop", pd.DataFrame([row, row | {"trial": 3, "state": "pruned"}]))
print("ready")
time.sleep(60)
"""


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80 columns", "120 columns"])
def screen(request: pytest.FixtureRequest) -> Iterator[Screen]:
    """Return a function that runs a program in a pane and captures what it shows."""
    width, height = request.param
    # A short path: that of a socket has about 100 characters at most.
    folder = tempfile.TemporaryDirectory(prefix="tmux-")
    tmux = ["tmux", "-u", "-S", f"{folder.name}/socket", "-f", os.devnull]
    root = Path(__file__).parents[2]
    environment = {key: text for key, text in os.environ.items() if key != "NO_COLOR"}
    environment |= {"PYTHONPATH": str(root), "PYTHONUTF8": "1"}

    def show(program: str, awaited: str) -> list[str]:
        pane = ["new-session", "-d", "-x", str(width), "-y", str(height)]
        command = [*tmux, *pane, sys.executable, "-c", program]
        subprocess.run(command, check=True, env=environment)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            captured = subprocess.run(
                [*tmux, "capture-pane", "-p"], check=True, capture_output=True, encoding="utf-8"
            ).stdout
            if awaited in captured:
                return [line.rstrip() for line in captured.splitlines()]
            time.sleep(0.05)
        pytest.fail(f"no {awaited!r} on the screen:\n{captured}")

    yield show
    subprocess.run([*tmux, "kill-server"], check=False)
    folder.cleanup()


def test_a_sweep_is_readable(screen: Screen) -> None:
    """Head, counts, time left and running trials are whole at both widths."""
    lines = screen(SWEEP, "0.7525")
    words = " ".join(" ".join(lines).split())
    # The line of an ended trial is wrapped between words only.
    for ended in ("trial 1 finished", "trial 2 pruned"):
        assert f"{ended} val_f1_weighted 0.7" in words
    assert (
        "model.embedding_dim=64 model.units=48 model.dropout=0.1235 model.seed=1 train.seed=2 "
        "train.learning_rate=0.00123 text.max_tokens=8000; 3 of 6 done best 0.7225 (trial 1)"
    ) in words
    begin = next(number for number, line in enumerate(lines) if line.startswith("sweep "))
    assert lines[begin].endswith(" 3/6")
    head = " ".join(lines[begin : begin + 3])
    assert "1 finished, 1 pruned, 0 failed, 1 before" in head
    assert "best val_f1_weighted 0.7225 (trial 1)" in head
    assert "time left about " in head
    table = next(line.split() for line in lines if line.startswith(" trial "))
    assert table == ["trial", "epoch", "f1_weighted", "seconds", "parameters"]
    shown = lines[lines.index(next(line for line in lines if line.startswith(" 3 "))) :]
    seen = " ".join(" ".join(shown).split())
    # Two searched keys share their last part, and keep the whole name.
    values = (
        "embedding_dim=64 units=48 dropout=0.1235 model.seed=1 train.seed=2 learning_rate=0.00123 "
        "max_tokens=8000"
    )
    assert f"3 2/8 0.7425 0 {values} 4 2/8 0.7525 0 {values}" in seen


def test_a_leaderboard_of_ten_columns_is_readable(screen: Screen) -> None:
    """A table with short heads where it fits, else a paragraph for each trial; no word is cut."""
    lines = screen(LEADERBOARD, "ready")
    words = " ".join(lines).split()
    assert words[:2] == ["study", "shop"]
    for whole in ("finished", "pruned", "0.9492", "0.9512", "0.1235", "0.002135", "16.1"):
        assert whole in words
    names = {word.rpartition(".")[2].removeprefix("val_").removesuffix(":") for word in words}
    assert {"trial", "state", "f1_macro", "f1_weighted", "accuracy", "embedding_dim"} <= names
    assert {"units", "dropout", "learning_rate", "seconds"} <= names
