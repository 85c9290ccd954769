"""The store: runs are found wherever they are."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from ecomclf.evaluation.figures import confusion_figure
from ecomclf.evaluation.report import evaluate_labels
from ecomclf.tracking import runs as runs_module
from ecomclf.tracking.runs import connect, without_password


class KeepingRepository:
    """An artifact store that lets nothing be removed."""

    def __init__(self, uri: str) -> None:
        """Take any address."""

    def delete_artifacts(self, path: str) -> None:
        """Say so, as some of MLflow's do."""
        raise NotImplementedError(path)


def test_an_artifact_that_cannot_be_removed_stays(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tidying up is no reason to fail."""
    tracking = connect("mine")
    run = tracking.start_run("train", "one", tags={})
    run.log_text("x", "kept/file.txt")
    with monkeypatch.context() as patched:
        patched.setattr(runs_module, "get_artifact_repository", KeepingRepository)
        assert not tracking.delete_artifact(run.run_id, "kept")
    assert tracking.has_artifact(run.run_id, "kept")
    assert tracking.delete_artifact(run.run_id, "kept")
    assert not tracking.has_artifact(run.run_id, "kept")
    assert tracking.delete_artifact(run.run_id, "kept")


@pytest.mark.parametrize(
    "address", ["postgresql://u:secret@db/x", "http://u:secret@db:5000", "postgresql:/u:secret@db"]
)
def test_no_address_shows_its_password(address: str) -> None:
    """Whether it can be parsed or not."""
    assert "secret" not in without_password(address)


def test_runs_are_found_among_many_experiments(store: Path) -> None:
    """MLflow lists a thousand at a time, the newest first."""
    tracking = connect("mine")
    run = tracking.start_run("train", "one", tags={})
    with sqlite3.connect(store / "mlflow.db") as database:
        database.executemany(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time,"
            " last_update_time) VALUES (?, ?, 'active', 9e12, 9e12)",
            [(f"other {number}", str(store)) for number in range(1_000)],
        )
    assert [found.info.run_id for found in tracking.search("train")] == [run.run_id]


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_no_matter(store: Path) -> None:
    """They are drawn as boxes, and nothing is said of each."""
    labels = np.array([0, 1])
    figure = confusion_figure(evaluate_labels(labels, labels, ("鞋子", "帽子")), "title")
    run = connect("mine").start_run("train", "one", tags={})
    run.log_figure(figure, "pictures/matrix.png")
    assert connect("mine").has_artifact(run.run_id, "pictures")
