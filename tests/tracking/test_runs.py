import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from ecomclf.evaluation.figures import confusion_figure
from ecomclf.evaluation.report import evaluate_labels
from ecomclf.tracking import runs as runs_module
from ecomclf.tracking.connection import connect


class UndeletableRepository:
    """An artifact store that cannot delete."""

    def __init__(self, uri: str) -> None:
        """Accept any address."""

    def delete_artifacts(self, path: str) -> None:
        """Raise what some of MLflow's artifact stores raise."""
        raise NotImplementedError(path)


def test_a_failed_deletion_of_artifacts_is_reported(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the returned value, not by an exception."""
    tracking = connect("mine")
    run = tracking.start_run("train", "one", tags={})
    run.log_text("x", "kept/file.txt")
    with monkeypatch.context() as patched:
        patched.setattr(runs_module, "get_artifact_repository", UndeletableRepository)
        assert not tracking.delete_artifact(run.run_id, "kept")
    assert tracking.has_artifact(run.run_id, "kept")
    assert tracking.delete_artifact(run.run_id, "kept")
    assert not tracking.has_artifact(run.run_id, "kept")
    assert tracking.delete_artifact(run.run_id, "kept")


def test_runs_are_found_among_more_experiments_than_a_page_has(store: Path) -> None:
    """MLflow returns a thousand at a time, the newest first."""
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
def test_characters_missing_in_the_font_cause_no_warning(store: Path) -> None:
    """They are drawn as boxes."""
    labels = np.array([0, 1])
    figure = confusion_figure(evaluate_labels(labels, labels, ("鞋子", "帽子")), "title")
    run = connect("mine").start_run("train", "one", tags={})
    run.log_figure(figure, "pictures/matrix.png")
    assert connect("mine").has_artifact(run.run_id, "pictures")


def test_only_long_json_is_not_indented() -> None:
    """Both read back; the confusion matrix of thousands of classes would have a line per number."""
    small, large = {"rows": [1, 2]}, {"rows": [[0] * 1000] * 1000}
    assert (runs_module.as_json(small).count("\n"), runs_module.as_json(large).count("\n")) == (
        5,
        0,
    )
    assert [json.loads(runs_module.as_json(value)) for value in (small, large)] == [small, large]
