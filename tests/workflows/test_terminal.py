"""A question in a terminal, which a pseudo-terminal stands for."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from ecomclf.config.loading import load_config


def test_init_asks_which_column_is_the_label(tmp_path: Path) -> None:
    """The answer of a person at a terminal is the label column of the config."""
    rows = [f"{n % 5},kind {n % 3},some text number {n} here" for n in range(60)]
    table = "\n".join(["rating,category,text", *rows])
    (tmp_path / "rows.csv").write_text(table, encoding="utf-8")
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ecomclf", "init", "rows.csv"],
        cwd=tmp_path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.write(person, b"category\n")
    assert process.wait(timeout=120) == 0
    shown = os.read(person, 100_000).decode()
    os.close(person)
    assert "Which column is the label?" in shown
    assert "[rating/category]" in shown
    assert load_config(tmp_path / "rows.yaml").data.label_column == "category"
