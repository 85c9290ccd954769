"""TensorBoard's logs of a study's trials, or of one run, in a folder that TensorBoard can show.

Each run gets a folder that is named after its trial and values, and its hyperparameters, so that
TensorBoard's tab HParams has a row per trial.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run as MlflowRun

from ecomclf.errors import RequestError
from ecomclf.runtime.terminal import short_text
from ecomclf.tracking.leaderboard import as_number, newest_sweep, trial_state
from ecomclf.tracking.runs import SEARCHED, STUDY, STUDY_ID, TRIAL, Tracking

_LOGS = "tensorboard"
# Keras' tags on validation rows, as columns of the tab HParams.
_METRICS = ("epoch_f1_macro", "epoch_f1_weighted", "epoch_accuracy", "epoch_loss")
_MAX_NAME = 120


def collect_study(tracking: Tracking, study: str | None, folder: Path) -> tuple[str, int]:
    """Copy the logs of a study's trials into a folder; by default of the newest study.

    Returns:
        The name of the study, and how many trials have logs.

    Raises:
        RequestError: there is no such study, or none of its trials has logs.

    """
    parent = newest_sweep(tracking, study)
    name, keys = parent.data.tags[STUDY], parent.data.tags[SEARCHED].split()
    runs = tracking.trial_runs(parent.data.tags[STUDY_ID])
    digits = len(str(max(runs, default=0)))
    shown: list[dict[str, Any]] = []
    for number, run in sorted(runs.items()):
        values = {key: _plain(run.data.params.get(key)) for key in keys}
        title = f"trial {number:0{digits}} {trial_state(run)} {_as_text(values)}"
        if _collect(tracking, run, values, folder / _folder_name(title)):
            shown.append(values)
    if not shown:
        raise RequestError(f"no trial of the study {name!r} has TensorBoard logs yet; wait for one")
    _describe_columns(folder, {key: [values[key] for values in shown] for key in keys})
    return name, len(shown)


def collect_run(tracking: Tracking, run_id: str, folder: Path) -> str:
    """Copy the logs of one run into a folder; return the run's name.

    Raises:
        RequestError: there is no such run, or it has no logs.

    """
    run = tracking.find_run(run_id)
    name = run.info.run_name or run_id
    searched = run.data.tags.get(TRIAL)
    if not _collect(tracking, run, {}, folder / _folder_name(name)):
        kind = "sweep" if searched is None else "trial"
        raise RequestError(
            f"the run {run_id} ({name}) has no TensorBoard logs; name a trial's run"
            + (", or the study with --study" if kind == "sweep" else "")
        )
    return name


def _collect(tracking: Tracking, run: MlflowRun, values: Mapping[str, Any], target: Path) -> bool:
    """Copy the logs of a run; return whether it has any."""
    run_id = run.info.run_id
    if _LOGS not in tracking.artifact_names(run_id):
        return False
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(tracking.download(run_id, _LOGS, Path(name)), target)
    if values:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        _write(target / "validation", hparams_pb(dict(values), trial_id=run_id))
    return True


def _describe_columns(folder: Path, values: Mapping[str, list[Any]]) -> None:
    """Tell the tab HParams which keys, with which values, and which metrics are its columns."""
    from tensorboard.plugins.hparams import summary_v2 as hparams

    metrics = [hparams.Metric(tag, display_name=tag.replace("epoch_", "val_")) for tag in _METRICS]
    keys = []
    for key, tried in values.items():
        if all(isinstance(value, int | float) for value in tried):
            domain = hparams.RealInterval(float(min(tried)), float(max(tried)))
        else:
            domain = hparams.Discrete(sorted({str(value) for value in tried}))
        keys.append(hparams.HParam(key, domain))
    _write(folder, hparams.hparams_config_pb(keys, metrics))


def _plain(text: str | None) -> int | float | str:
    """Return a parameter as one of the types that HParams takes."""
    value = as_number(text)
    return value if isinstance(value, int | float) else str(value)


def _write(folder: Path, summary: Any) -> None:
    """Write a summary as an event file."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    writer.add_event(Event(summary=summary))
    writer.close()


def _as_text(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key.rpartition('.')[2]}={short_text(value)}"
                    for key, value in values.items())  # fmt: skip


def _folder_name(title: str) -> str:
    """Return a title as the name of a folder."""
    return title.replace("/", "_").replace("\\", "_")[:_MAX_NAME].strip()
