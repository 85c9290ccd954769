"""Recorded studies: leaderboard, report, TensorBoard."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.errors import JobError, RequestError

if TYPE_CHECKING:
    import pandas as pd

    from ecomclf.tracking.runs import Tracking


def leaderboard(study: str | None = None) -> "tuple[str, pd.DataFrame]":
    """Return the name of a study, by default the newest, and its trials, the best first."""
    from ecomclf.tracking.leaderboard import leaderboard as read_leaderboard

    return read_leaderboard(_open_store(), study)


def report(study: str | None = None, output: Path | None = None) -> Path:
    """Write the report of a study's newest sweep, one HTML file that loads nothing from anywhere.

    A sweep writes it to its run too, as the artifact `report.html`; this makes it anew from what
    is recorded now, also while the sweep is running or after it was killed.

    Args:
        study: name of the study; by default the newest.
        output: path of the file; by default the name of the study with `.html`, in the working
            directory. An existing file is replaced.

    Returns:
        The path that was written.

    Raises:
        RequestError: there is no such study, or the file cannot be written.

    """
    from ecomclf.reporting.page import save_report
    from ecomclf.reporting.sweep_record import read_sweep

    return save_report(read_sweep(_open_store(), study), output)


@contextlib.contextmanager
def tensorboard(study: str | None = None, *, run: str | None = None) -> Iterator[tuple[str, str]]:
    """Show the logs of a study's trials, or of one run, in TensorBoard while the block runs.

    The server listens on the loopback address only, on port 6006 or the next free one. The logs are
    fetched into a temporary folder, which is removed at the end; the server's thread, without
    anything to show, ends with the process.

    Args:
        study: name of the study; by default the newest.
        run: id of a run, instead of a study.

    Yields:
        What is shown, and the address of the server.

    Raises:
        RequestError: there is no such study or run, or it has no logs.

    """
    from ecomclf.runtime.tensorflow_setup import start_tensorflow

    if study and run:
        raise RequestError("name either a study with --study, or a run with --run")
    tracking = _open_store()
    # TensorBoard would import TensorFlow itself, with pages of messages.
    start_tensorflow()
    from ecomclf.reporting.tensorboard_logs import collect_run, collect_study

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if run:
            shown = f"run {collect_run(tracking, run, folder)}"
        else:
            found, count = collect_study(tracking, study, folder)
            shown = f"{count} trials of the study {found}"
        yield shown, _launch(folder)


def _launch(folder: Path) -> str:
    """Start TensorBoard in a thread; return its address."""
    from tensorboard.program import TensorBoard, TensorBoardServerException

    server = TensorBoard()
    options = ["--logdir", str(folder), "--host", "127.0.0.1", "--load_fast=false"]
    server.configure(argv=["tensorboard", *options])
    try:
        return str(server.launch())
    except TensorBoardServerException as error:
        raise JobError(f"TensorBoard did not start: {error}") from error


def _open_store() -> "Tracking":
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow
    from ecomclf.tracking.connection import connect

    quiet_mlflow()
    return connect()
