"""The commands of docs/tutorial.md, run in their order."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.snippets import ROOT, SHELLS, Block, find_blocks

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "tutorial.md"
# These are about the clone and its environment: `make sweep` has tests of its own.
SKIPPED = ("git clone", "cd ecomclf", "make sweep", "source ")


def merge(values: dict[str, Any], others: Mapping[str, Any]) -> None:
    """Set values in nested mappings, as someone who edits the lines of a file does."""
    for key, value in others.items():
        if isinstance(value, Mapping):
            merge(values.setdefault(key, {}), value)
        else:
            values[key] = value


def edit(block: Block, folder: Path) -> None:
    """Edit the config that a block names, then make the sweep shorter still."""
    path = folder / block.title
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = [config["train"]["epochs"], config["model"]["subwords"], config["sweep"]["trials"]]
    merge(config, yaml.safe_load(block.text))
    after = [config["train"]["epochs"], config["model"]["subwords"], config["sweep"]["trials"]]
    assert before != after, "the page says that these lines are there"
    merge(config, {"train": {"epochs": 2}, "sweep": {"trials": 1, "workers": 1}})
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def run(block: Block, folder: Path) -> str:
    """Run the commands of a block that are not skipped; return what they print."""
    lines = [line for line in block.text.splitlines() if not line.startswith(SKIPPED)]
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def shown(text: str) -> set[str]:
    """Return the lines of an output that do not depend on the training or the machine."""
    plain = re.sub(r"about \d+ min", "about N min", text)
    changing = ("trial ", "winner", "baseline", "tuned ", "gate", "labelled.csv", "T0", "{", "…")
    return {line for line in plain.splitlines() if line and not line.startswith(changing)}


def test_the_tutorial_works(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command ends well and prints the lines that the page shows, but for scores."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    folder, clone, printed = workplace / "tickets", workplace / "ecomclf", ""
    clone.mkdir()
    # The clone and its first sweep are skipped, and so is their output.
    first, _, *blocks = find_blocks([PAGE])
    assert "make sweep" in first.text
    for block in blocks:
        if block.language == "python":
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "yaml":
            edit(block, folder)
        elif block.language in SHELLS:
            printed += run(block, folder if folder.exists() else clone)
        else:
            assert shown(block.text) <= shown(printed), block
    labelled = (folder / "labelled.csv").read_text(encoding="utf-8").splitlines()
    assert labelled[0] == "number;message;label;confidence;needs_review"
    assert len(labelled) == 51
    answers = [line for line in printed.splitlines() if line.startswith('{"label": ')]
    assert ['"needs_review": true' in answer for answer in answers[-1:]] == [True]
    assert len(answers) == 2
