"""TensorBoard and Optuna's dashboard on what a study has left, as real processes."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from ecomclf.config.optuna_space import distributions
from ecomclf.errors import RequestError
from ecomclf.reporting.tensorboard_logs import collect_run, collect_study
from ecomclf.search import study as studies
from ecomclf.tracking.runs import Run, Tracking
from tests.reporting.recorded import CONFIG, record_sweep

pytestmark = pytest.mark.slow

PATIENCE = 60.0


def log_curve(run: Run, folder: Path) -> None:
    """Log a validation curve as Keras does."""
    writer = EventFileWriter(str(folder / "validation"))
    for step, value in enumerate((0.5, 0.7)):
        scalar = Summary.Value(tag="epoch_f1_macro", simple_value=value)
        writer.add_event(Event(step=step, wall_time=step, summary=Summary(value=[scalar])))
    writer.close()
    run.log_folder(folder, "tensorboard")


@pytest.fixture
def recorded(store: Path, tmp_path: Path) -> Tracking:
    """A sweep of three trials, two of which have TensorBoard logs."""
    tracking, _ = record_sweep(states=("finished", "pruned", "running"))
    for number, run in sorted(tracking.trial_runs("id of shop-1").items())[:2]:
        log_curve(Run(tracking.uri, run.info.run_id), tmp_path / f"logs {number}")
    return tracking


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in the background; end it as Ctrl-C does."""
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                running.kill()


def line_with(running: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Return the match in the first line of the output that has one."""
    assert running.stdout is not None
    deadline = time.monotonic() + PATIENCE
    said = []
    while time.monotonic() < deadline:
        if select.select([running.stdout], [], [], 1)[0]:
            line = running.stdout.readline()
            said.append(line)
            if found := re.search(pattern, line):
                return found
            if not line:
                break
    raise AssertionError(f"no {pattern} in {said}")


def read_json(address: str, asked: object = None) -> object:
    """Return what a server answers, which may not be up yet."""
    deadline = time.monotonic() + PATIENCE
    body = None if asked is None else json.dumps(asked).encode()
    request = urllib.request.Request(address, body, {"content-type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_the_logs_of_a_study_are_named_by_trial_and_values(
    recorded: Tracking, tmp_path: Path
) -> None:
    """Each folder says number, state and values; hyperparameters are beside the curves."""
    name, count = collect_study(recorded, None, tmp_path / "shown")
    assert (name, count) == ("shop-1", 2)
    folders = sorted(path.name for path in (tmp_path / "shown").iterdir() if path.is_dir())
    assert folders == [
        "trial 0 finished units=8 dropout=0 steps=['lowercase']",
        "trial 1 pruned units=9 dropout=0.03 steps=[]",
    ]
    events = EventAccumulator(str(tmp_path / "shown" / folders[1] / "validation")).Reload()
    assert [each.value for each in events.Scalars("epoch_f1_macro")] == pytest.approx([0.5, 0.7])
    assert (
        "hparams" in events.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name
    )


def test_a_run_without_logs_is_refused(recorded: Tracking, tmp_path: Path) -> None:
    """The message names the run; an unknown id is a wrong request too."""
    runs = recorded.trial_runs("id of shop-1")
    with pytest.raises(RequestError, match=r"trial 2\) has no TensorBoard logs"):
        collect_run(recorded, runs[2].info.run_id, tmp_path / "none")
    with pytest.raises(RequestError, match="no run 'bogus'"):
        collect_run(recorded, "bogus", tmp_path / "none")
    assert collect_run(recorded, runs[0].info.run_id, tmp_path / "one") == "trial 0"


def test_tensorboard_shows_a_row_per_trial(recorded: Tracking) -> None:
    """The command serves on loopback, and HParams has the values and metrics of each trial."""
    with process(sys.executable, "-m", "ecomclf", "tensorboard") as running:
        address = line_with(running, r"2 trials of the study shop-1: (http://127\.0\.0\.1:\d+/)")[1]
        rows = []
        # TensorBoard reads the logs after it has begun to serve.
        deadline = time.monotonic() + PATIENCE
        while len(rows) < 2 and time.monotonic() < deadline:
            asked = {
                "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING", "STATUS_SUCCESS"],
                "colParams": [],
                "startIndex": 0,
                "sliceSize": 10,
            }
            found = read_json(f"{address}data/plugin/hparams/session_groups", asked)
            assert isinstance(found, dict)
            rows = found.get("sessionGroups", [])
            time.sleep(0.3)
    assert {row["hparams"]["model.units"] for row in rows} == {8.0, 9.0}
    for row in rows:
        values = {each["name"]["tag"]: each["value"] for each in row["metricValues"]}
        assert values["epoch_f1_macro"] == pytest.approx(0.7)
    assert running.returncode == 0


def test_optunas_dashboard_opens_the_study_file(workplace: Path) -> None:
    """The command in docs/sweep.md: the dashboard reads a study's file and lists its trials."""
    study = studies.open_study("shop-1", {"data.fingerprint": "x"}, None)
    trial = study.ask(distributions(CONFIG.sweep.space))
    study.tell(trial, 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    dashboard = str(Path(sys.executable).parent / "optuna-dashboard")
    with process(dashboard, "mlruns/studies/shop-1.journal", "--port", port):
        listed = read_json(f"http://127.0.0.1:{port}/api/studies")
        shown = read_json(f"http://127.0.0.1:{port}/api/studies/0")
    assert isinstance(listed, dict)
    assert isinstance(shown, dict)
    assert listed["study_summaries"][0]["study_name"] == "shop-1"
    assert [each["state"] for each in shown["trials"]] == ["Complete"]
