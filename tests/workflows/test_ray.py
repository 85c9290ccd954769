"""Sweeps on a Ray cluster of three nodes, with PostgreSQL and an MLflow server.

The nodes are on this machine, each with processes of its own, as Ray tests itself.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import optuna
import psutil
import pytest

from ecomclf.search import study as studies
from tests.workflows.servers import running

pytestmark = pytest.mark.slow

TRIALS = 4
NODES = Path(__file__).with_name("ray_nodes.py")


@dataclass
class Nodes:
    """A running cluster: its address, the process ids of its parts, and Ray's folder."""

    address: str
    raylets: list[int]
    control: int
    session: str

    def busy_workers(self, node: int) -> list[psutil.Process]:
        """Return the processes on a node that run a trial; Ray names them."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.raylets[node]).children():
                if process.cmdline()[:1] == ["ray::Worker.run"]:
                    found.append(process)
        return found


@contextlib.contextmanager
def started_nodes(count: int) -> Iterator[Nodes]:
    """Start a cluster, in a process group of its own; end all of it."""
    with subprocess.Popen(
        [sys.executable, str(NODES), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        nodes = Nodes(**json.loads(process.stdout.readline()))
        parts = psutil.Process(process.pid).children(recursive=True)
        try:
            yield nodes
        finally:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            for part in parts:
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()


@dataclass
class Site:
    """A database, a server, and the folder from which sweeps are started."""

    folder: Path
    storage: str
    tracking: str
    sweeps: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def start(self, nodes: Nodes, *options: str, **variables: str) -> "subprocess.Popen[str]":
        """Start the sweep as a user would, its output in a file."""
        command = [sys.executable, "-m", "ecomclf", "sweep", "--config", "tiny.yaml"]
        command += ["--engine", "ray", "--address", nodes.address, "--study", "s"]
        with (self.folder / "output.txt").open("a") as output:
            sweep = subprocess.Popen(
                [*command, "--trials", str(TRIALS), *options],
                cwd=self.folder,
                env=os.environ | {"MLFLOW_TRACKING_URI": self.tracking} | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.sweeps.append(sweep)
        return sweep

    def printed(self) -> str:
        """Return what all sweeps so far have printed."""
        return (self.folder / "output.txt").read_text()

    def wait_for(self, holds: Callable[[], Any], sweep: "subprocess.Popen[str]") -> None:
        """Wait until something holds while a sweep runs."""
        limit = time.monotonic() + 120
        while not holds():
            assert sweep.poll() is None, self.printed()
            assert time.monotonic() < limit, self.printed()
            time.sleep(0.1)

    def check_the_end(self) -> None:
        """Check that the study has its trials, each with one run, under the last parent."""
        study = optuna.load_study(study_name="s", storage=self.storage)
        complete = {trial.number for trial in study.trials if trial.state.name == "COMPLETE"}
        assert len(complete) == TRIALS
        assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
        assert len({str(study.trials[number].params) for number in complete}) == TRIALS
        client = mlflow.MlflowClient(self.tracking)
        every = client.search_runs([each.experiment_id for each in client.search_experiments()])
        assert {run.info.status for run in every} <= {"FINISHED", "KILLED"}
        of_trials = [run for run in every if run.data.tags["ecomclf.role"] == "trial"]
        finished = [run for run in of_trials if run.info.status == "FINISHED"]
        assert sorted(int(run.data.tags["ecomclf.trial"]) for run in finished) == sorted(complete)
        (parent,) = [
            run
            for run in every
            if run.data.tags["ecomclf.role"] == "sweep" and run.info.status == "FINISHED"
        ]
        parents = {run.data.tags["mlflow.parentRunId"] for run in of_trials}
        assert parents == {parent.info.run_id}
        assert len(client.search_model_versions("name = 'ecomclf'")) == 1


@pytest.fixture
def site(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty database, and a server with an empty store."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    tiny.write_text(tiny.read_text().replace("  workers: 2\n", ""))
    with running(tiny.parent) as (database, server):
        site = Site(tiny.parent, database.storage, server.address)
        yield site
        for sweep in site.sweeps:
            sweep.kill()
            sweep.wait()


@pytest.fixture
def nodes(site: Site) -> Iterator[Nodes]:
    """Three nodes of one CPU."""
    with started_nodes(3) as nodes:
        yield nodes


def test_a_sweep_survives_the_death_of_a_node(site: Site, nodes: Nodes) -> None:
    """Its trial is tried again elsewhere; files that other nodes cannot reach were refused."""
    refused = site.start(nodes)
    assert refused.wait() == 2
    assert "the Ray cluster has 3 nodes, and the study is in a file below" in site.printed()
    refused = site.start(
        nodes, "--storage", site.storage, MLFLOW_TRACKING_URI="sqlite:///mlflow.db"
    )
    assert refused.wait() == 2
    assert "start `mlflow server` where all can reach it" in site.printed()
    assert not (site.folder / "mlruns").exists()

    password = "s3cr3t-w0rd"
    # Trials that take longer than it does to begin one.
    options = ("--storage", site.storage, "--set", "{train.epochs: 100, train.patience: 100}")
    sweep = site.start(nodes, *options, MLFLOW_TRACKING_PASSWORD=password)
    site.wait_for(lambda: nodes.busy_workers(1), sweep)
    time.sleep(5)
    os.kill(nodes.raylets[1], signal.SIGKILL)
    assert sweep.wait(timeout=180) == 0, site.printed()
    site.check_the_end()
    # Only what the sweep's own machine keeps: other nodes got texts and vectors through Ray.
    assert {path.name for path in (site.folder / "mlruns" / "studies").iterdir()} == {"s.held"}
    # Workers get the user of the server, and Ray's log files do not.
    logs = [path for path in Path(nodes.session, "logs").rglob("*") if path.is_file()]
    assert len(logs) > 10
    assert not [path for path in logs if password.encode() in path.read_bytes()]
    study = optuna.load_study(study_name="s", storage=site.storage)
    retried = [trial.user_attrs.get(studies.RETRY_OF) for trial in study.trials]
    lost = [trial.number for trial in study.trials if trial.state.name == "FAIL"]
    assert lost
    assert {number for number in retried if number is not None} == set(lost)


@pytest.mark.long
def test_a_sweep_survives_the_death_of_a_worker_and_of_its_parent(site: Site, nodes: Nodes) -> None:
    """The worker is replaced at once; the killed sweep goes on with the same command."""
    options = ("--storage", site.storage, "--set", "{train.epochs: 40, train.patience: 40}")
    sweep = site.start(nodes, *options)
    site.wait_for(lambda: nodes.busy_workers(0), sweep)
    time.sleep(4)
    nodes.busy_workers(0)[0].kill()
    site.wait_for(lambda: " killed: its worker died" in site.printed(), sweep)
    site.wait_for(lambda: " finished " in site.printed(), sweep)
    sweep.kill()
    sweep.wait()
    # Its workers are gone within moments.
    limit = time.monotonic() + 20
    while any(nodes.busy_workers(node) for node in range(3)):
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert site.start(nodes, *options).wait(timeout=180) == 0, site.printed()
    site.check_the_end()


@pytest.mark.long
def test_a_sweep_that_is_cut_off_from_its_cluster_ends(site: Site, nodes: Nodes) -> None:
    """Ray's head process dies: the sweep ends, and the same command goes on elsewhere."""
    options = ("--storage", site.storage, "--set", "{train.epochs: 300, train.patience: 300}")
    sweep = site.start(nodes, *options)
    site.wait_for(lambda: " finished " in site.printed(), sweep)
    os.kill(nodes.control, signal.SIGKILL)
    assert sweep.wait(timeout=240) == 1, site.printed()
    with started_nodes(2) as others:
        assert site.start(others, *options).wait(timeout=240) == 0, site.printed()
    site.check_the_end()
