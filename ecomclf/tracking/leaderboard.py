"""The leaderboard: the trials of a study as a table, read from their MLflow runs."""

from collections.abc import Iterable

import pandas as pd
from mlflow.entities import Run as MlflowRun
from rich.console import Console

from ecomclf.data.class_names import list_names
from ecomclf.errors import RequestError
from ecomclf.runtime.terminal import print_table
from ecomclf.tracking.connection import without_password
from ecomclf.tracking.runs import MONITOR, PRUNED, SEARCHED, STUDY, STUDY_ID, TRIAL, Tracking

METRICS = ("val_f1_macro", "val_f1_weighted", "val_accuracy")


def trial_state(run: MlflowRun) -> str:
    """Return the state of a trial's run: running, finished, pruned, killed or failed."""
    return "pruned" if PRUNED in run.data.tags else str(run.info.status).lower()


def leaderboard(
    tracking: Tracking, study: str | None = None, *, study_id: str | None = None
) -> tuple[str, pd.DataFrame]:
    """Return the trials of a study, by default the newest, the best finished trial first.

    Args:
        tracking: the tracking store.
        study: name of the study; of several with this name, the one with the newest sweep.
        study_id: id of the study.

    Returns:
        The study's name, and a row per trial: `trial`, `state`, the validation metrics of the kept
        epoch, the searched parameters, `seconds`, `run_id`. Trials that are not finished have the
        metrics of their latest epoch.

    Raises:
        RequestError: there is no such study, or no study at all.

    """
    parent = newest_sweep(tracking, study, study_id)
    runs = tracking.search("trial", study_id=parent.data.tags[STUDY_ID])
    return parent.data.tags[STUDY], rank_trials(parent, runs)


def rank_trials(parent: MlflowRun, runs: Iterable[MlflowRun]) -> pd.DataFrame:
    """Return the runs of a sweep's trials as the table that `leaderboard` describes."""
    searched = parent.data.tags[SEARCHED].split()
    rows = [_row(run, searched) for run in runs]
    table = pd.DataFrame(rows, columns=["trial", "state", *METRICS, *searched, "seconds", "run_id"])
    order = table["state"].map({"finished": 0, "pruned": 1, "running": 2}).fillna(3)
    ranked = table.assign(order=order).sort_values(
        ["order", parent.data.tags[MONITOR], "trial"], ascending=[True, False, True]
    )
    return ranked.drop(columns="order").reset_index(drop=True)


def print_leaderboard(
    tracking: Tracking, console: Console, study: str | None = None, *, study_id: str | None = None
) -> None:
    """Print the leaderboard of a study, by default the newest."""
    name, table = leaderboard(tracking, study, study_id=study_id)
    print_table(console, f"study {name}", table.drop(columns="run_id"))


def newest_sweep(
    tracking: Tracking, study: str | None = None, study_id: str | None = None
) -> MlflowRun:
    """Return the parent run of the newest sweep of a study, by default of the newest study.

    Raises:
        RequestError: there is no such study, or no study at all.

    """
    sweeps = list(tracking.search("sweep", study_id=study_id))
    for run in sweeps:
        if study in (None, run.data.tags[STUDY]):
            return run
    names = sorted({run.data.tags[STUDY] for run in sweeps})
    store = without_password(tracking.uri)
    if not names:
        raise RequestError(f"no sweep is recorded in {store}; run `ecomclf sweep` first")
    raise RequestError(f"no study {study!r} in {store}; there are {list_names(names)}")


def _row(run: MlflowRun, searched: list[str]) -> dict[str, object]:
    end = run.info.end_time or run.info.start_time
    return {
        "trial": int(run.data.tags[TRIAL]),
        "state": trial_state(run),
        **{name: run.data.metrics.get(name) for name in METRICS},
        **{key: as_number(run.data.params.get(key)) for key in searched},
        "seconds": round((end - run.info.start_time) / 1000, 1),
        "run_id": run.info.run_id,
    }


def as_number(text: str | None) -> object:
    """Return a parameter, which MLflow stores as text, as a number if it was one."""
    try:
        return text and (int(text) if text.isdecimal() else float(text))
    except ValueError:
        return text
