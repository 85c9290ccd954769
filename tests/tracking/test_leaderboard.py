import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from ecomclf.errors import RequestError
from ecomclf.tracking.connection import connect
from ecomclf.tracking.leaderboard import leaderboard, print_leaderboard
from ecomclf.tracking.runs import MONITOR, PRUNED, SEARCHED, STUDY, STUDY_ID, TRIAL, State, Tracking


def start_sweep(tracking: Tracking, study: str, study_id: str) -> str:
    """Make the parent run of a study that searches two keys; return its id."""
    tags = {
        STUDY: study,
        STUDY_ID: study_id,
        SEARCHED: "model.units model.embeddings",
        MONITOR: "val_f1_macro",
    }
    return tracking.start_run("sweep", study, tags=tags).run_id


def add_trial(
    tracking: Tracking,
    parent: str,
    study_id: str,
    number: int,
    score: float | None,
    state: State | None,
    **tags: object,
) -> None:
    """Make a trial's run in a state; None leaves it running."""
    own = {STUDY_ID: study_id, TRIAL: number, **tags}
    run = tracking.start_run("trial", f"trial {number}", parent=parent, tags=own)
    run.log_params({"model.units": 16 * number, "model.embeddings": "word2vec"})
    if score is not None:
        run.log_metrics({"val_f1_macro": score, "val_accuracy": score})
    if state is not None:
        run.finish(state)


@pytest.fixture
def tracking(store: Path) -> Tracking:
    """A store with the study `shop`: trials in every state."""
    tracking = connect("ecomclf")
    parent = start_sweep(tracking, "shop", "a")
    add_trial(tracking, parent, "a", 0, 0.5, "FINISHED")
    add_trial(tracking, parent, "a", 1, 0.9, "KILLED", **{PRUNED: "by a test"})
    add_trial(tracking, parent, "a", 2, 0.7, "FINISHED")
    add_trial(tracking, parent, "a", 3, None, "FAILED")
    add_trial(tracking, parent, "a", 4, 0.8, None)
    add_trial(tracking, parent, "a", 5, 0.1, "KILLED")
    return tracking


def test_finished_trials_come_first_by_the_monitored_metric(tracking: Tracking) -> None:
    """Then pruned, running, and the others; each state has its name."""
    name, table = leaderboard(tracking)
    assert name == "shop"
    assert table["trial"].tolist() == [2, 0, 1, 4, 5, 3]
    states = ["finished", "finished", "pruned", "running", "killed", "failed"]
    assert table["state"].tolist() == states
    assert table["val_f1_macro"].tolist()[:5] == [0.7, 0.5, 0.9, 0.8, 0.1]
    assert pd.isna(table["val_f1_macro"].tolist()[5])


def test_searched_values_are_numbers_where_they_were(tracking: Tracking) -> None:
    """MLflow keeps parameters as text."""
    _, table = leaderboard(tracking)
    assert table.loc[0, "model.units"] == 32
    assert table.loc[0, "model.embeddings"] == "word2vec"
    assert set(table.columns) >= {"seconds", "run_id"}


def test_the_newest_study_is_shown_unless_one_is_named(tracking: Tracking) -> None:
    """Of two studies with one name, the one whose sweep is newest."""
    parent = start_sweep(tracking, "books", "b")
    add_trial(tracking, parent, "b", 0, 0.6, "FINISHED")
    assert leaderboard(tracking)[0] == "books"
    assert len(leaderboard(tracking, "shop")[1]) == 6
    start_sweep(tracking, "shop", "c")
    assert len(leaderboard(tracking, "shop")[1]) == 0
    assert len(leaderboard(tracking, study_id="a")[1]) == 6


def test_a_study_that_is_not_there_is_named_with_those_that_are(tracking: Tracking) -> None:
    """The remedy for a typo."""
    with pytest.raises(RequestError, match=r"no study 'shoes' .*shop"):
        leaderboard(tracking, "shoes")


def test_without_any_sweep_the_remedy_is_to_run_one(store: Path) -> None:
    """One line instead of an empty table."""
    with pytest.raises(RequestError, match="ecomclf sweep"):
        leaderboard(connect("ecomclf"))


def test_the_table_is_printed_with_the_studys_name(tracking: Tracking) -> None:
    """Run ids are left out: they are for programs."""
    output = io.StringIO()
    print_leaderboard(tracking, Console(file=output, width=200))
    assert "study shop" in output.getvalue()
    assert "run_id" not in output.getvalue()
    assert output.getvalue().count("finished") == 2
