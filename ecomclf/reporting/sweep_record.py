"""`SweepRecord`: what a sweep's runs have recorded, read for its report.

Only MLflow is read, so that a report can be made on another machine than the sweep, of an
interrupted sweep, and while one is running.
"""

import contextlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from ecomclf.config.loading import Config, load_config
from ecomclf.errors import ConfigError
from ecomclf.evaluation.intervals import Interval
from ecomclf.tracking.evaluation_record import (
    CLASS_INTERVALS_FILE,
    CONFIDENCE_FILE,
    EVALUATION_FILE,
    FinalEvaluation,
)
from ecomclf.tracking.leaderboard import newest_sweep, rank_trials, trial_state
from ecomclf.tracking.runs import MONITOR, SEARCHED, STUDY, STUDY_ID, TRIAL, Tracking

# The learning curve of each trial takes a request of its own.
MAX_CURVES = 100
_SECONDS = "seconds/"


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: Optuna's number of it.
        state: running, finished, pruned, killed or failed.
        score: the monitored metric on validation rows; None before the first epoch.
        texts: parameters of its run, as text.
        begun: seconds since 1970 at which its run started.
        seconds: that it took, 0 while it is running.
        parts: seconds spent on each part, such as `fitting`.
        curve: epoch and monitored metric of each epoch; empty where it was not read.
        kept_epoch: the epoch whose weights were kept; None unless it is finished.

    """

    number: int
    state: str
    score: float | None
    texts: Mapping[str, str]
    begun: float
    seconds: float
    parts: Mapping[str, float]
    curve: tuple[tuple[int, float], ...]
    kept_epoch: int | None


@dataclass(frozen=True)
class SweepRecord:
    """A sweep: its parent run, its trials, and the artifacts that a report shows.

    Attributes:
        study: name of the study.
        run_id: the parent run.
        state: state of the parent run in lower case, such as `finished` or `running`.
        begun: seconds since 1970 at which the parent run started.
        monitor: the metric that chooses, such as `val_f1_macro`.
        searched: the searched config keys.
        config: None where the config is missing, or of a version that this one cannot read.
        trials: by number.
        leaderboard: the trials as a table, the best first.
        metrics: those of the parent run.
        tags: those of the parent run.
        evaluation: the final evaluation; None while there is none.
        artifacts: other JSON artifacts by file name; those that are missing are left out.
        architecture: the best trial's network as SVG; "" where it is missing.

    """

    study: str
    run_id: str
    state: str
    begun: float
    monitor: str
    searched: tuple[str, ...]
    config: Config | None
    trials: tuple[TrialRecord, ...]
    leaderboard: pd.DataFrame
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    evaluation: FinalEvaluation | None
    artifacts: Mapping[str, Any]
    architecture: str

    @property
    def counted(self) -> list[TrialRecord]:
        """The trials that count towards `--trials`."""
        return [each for each in self.trials if each.state in ("finished", "pruned", "failed")]

    @property
    def threshold(self) -> float | None:
        """The confidence below which a prediction needs a review; None where it is missing."""
        found = self.artifacts.get("winner.json", {}).get("threshold")
        return None if found is None else float(found)

    def trials_in(self, state: str) -> list[TrialRecord]:
        """Return the trials in a state."""
        return [trial for trial in self.trials if trial.state == state]

    @property
    def best(self) -> TrialRecord | None:
        """The finished trial with the highest score, if there is one."""
        finished = [trial for trial in self.trials_in("finished") if trial.score is not None]
        return max(finished, key=lambda trial: trial.score or 0.0, default=None)

    def table(self, file: str) -> pd.DataFrame:
        """Return a table that was logged as an artifact; empty where it is missing."""
        found = self.artifacts.get(file, {"columns": [], "data": []})
        return pd.DataFrame(found["data"], columns=found["columns"])

    def class_intervals(self) -> dict[str, Interval]:
        """Return the F1 of each class on the test rows; empty where it is missing."""
        found = self.artifacts.get(CLASS_INTERVALS_FILE, {})
        return {name: Interval(**each) for name, each in found.items()}


_JSON_FILES = (
    CLASS_INTERVALS_FILE,
    CONFIDENCE_FILE,
    EVALUATION_FILE,
    "data_report.json",
    "environment.json",
    "label_suspects.json",
    "validation_errors.json",
    "winner.json",
)


def read_sweep(
    tracking: Tracking, study: str | None = None, *, run_id: str | None = None
) -> SweepRecord:
    """Read the newest sweep of a study, by default of the newest study.

    Args:
        tracking: the tracking store.
        study: name of the study.
        run_id: parent run of a sweep, instead of a study.

    Raises:
        RequestError: there is no such study, or no study at all.

    """
    parent = tracking.find_run(run_id) if run_id else newest_sweep(tracking, study)
    runs = tracking.trial_runs(parent.data.tags[STUDY_ID])
    monitor = parent.data.tags[MONITOR]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there = tracking.artifact_names(parent.info.run_id)
        artifacts = _read_json_files(tracking, parent.info.run_id, there, folder)
        config = _read_config(tracking, parent.info.run_id, there, folder)
        architecture = _read_architecture(tracking, parent, folder)
    evaluation = artifacts.pop(EVALUATION_FILE, None)
    return SweepRecord(
        study=parent.data.tags[STUDY],
        run_id=parent.info.run_id,
        state=str(parent.info.status).lower(),
        begun=parent.info.start_time / 1000,
        monitor=monitor,
        searched=tuple(parent.data.tags[SEARCHED].split()),
        config=config,
        trials=_read_trials(tracking, runs, monitor),
        leaderboard=rank_trials(parent, runs.values()),
        metrics=parent.data.metrics,
        tags=parent.data.tags,
        evaluation=None if evaluation is None else FinalEvaluation.from_dict(evaluation),
        artifacts=artifacts,
        architecture=architecture,
    )


def _read_trials(
    tracking: Tracking, runs: Mapping[int, MlflowRun], monitor: str
) -> tuple[TrialRecord, ...]:
    scores = {number: run.data.metrics.get(monitor, -1.0) for number, run in runs.items()}
    with_curve = set(sorted(scores, key=lambda number: -scores[number])[:MAX_CURVES])
    return tuple(
        _read_trial(tracking, runs[number], monitor, with_curve=number in with_curve)
        for number in sorted(runs)
    )


def _read_trial(
    tracking: Tracking, run: MlflowRun, monitor: str, *, with_curve: bool
) -> TrialRecord:
    tags, metrics = run.data.tags, run.data.metrics
    kept = tags.get("kept_epoch")
    curve = tracking.metric_history(run.info.run_id, monitor) if with_curve else ()
    return TrialRecord(
        number=int(tags[TRIAL]),
        state=trial_state(run),
        score=metrics.get(monitor),
        texts=run.data.params,
        begun=run.info.start_time / 1000,
        seconds=_seconds(run),
        parts={
            name.removeprefix(_SECONDS): value
            for name, value in metrics.items()
            if name.startswith(_SECONDS)
        },
        # The kept epoch is logged once more, at a step after the last.
        curve=curve[:-1] if kept is not None else curve,
        kept_epoch=None if kept is None else int(kept),
    )


def _seconds(run: MlflowRun) -> float:
    """Return how long a run took; 0 while it is running."""
    end = run.info.end_time or run.info.start_time
    return max(0.0, float(end - run.info.start_time) / 1000)


def _read_json_files(
    tracking: Tracking, run_id: str, there: set[str], folder: Path
) -> dict[str, Any]:
    return {
        file: json.loads(tracking.download(run_id, file, folder).read_text(encoding="utf-8"))
        for file in _JSON_FILES
        if file in there
    }


def _read_config(tracking: Tracking, run_id: str, there: set[str], folder: Path) -> Config | None:
    if "config.yaml" not in there:
        return None
    try:
        return load_config(tracking.download(run_id, "config.yaml", folder))
    except ConfigError:
        return None


def _read_architecture(tracking: Tracking, parent: MlflowRun, folder: Path) -> str:
    run_id, file = parent.data.tags.get("winner_run", ""), "architecture.svg"
    # The trial's run may have been deleted, also for good.
    with contextlib.suppress(MlflowException):
        if run_id and file in tracking.artifact_names(run_id):
            return tracking.download(run_id, file, folder).read_text(encoding="utf-8")
    return ""
