"""The store: runs are found wherever they are."""

import sqlite3
from pathlib import Path

from ecomclf.tracking import connect


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
