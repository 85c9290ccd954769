"""Measure what limits the number of trials a second: the study's storage and MLflow's store.

    python experiments/scale_stores.py [--trials 30]

Prints a line of JSON for each store, from this process alone: milliseconds of one operation, and
for MLflow, what one trial of `sleeping_trial` costs: calls, seconds, bytes.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mlflow
import optuna
import requests
from scale_sweep import stores, wide_space
from sleeping_trial import EPOCHS, NoRows, SleepingTrial

from ecomclf.config.optuna_space import distributions
from ecomclf.data.splitting import Split
from ecomclf.runtime.tensorflow_setup import quiet_mlflow
from ecomclf.search import study as studies
from ecomclf.search.worker import TrialTask, WorkerContext
from ecomclf.tracking.connection import connect

# Trials that the study has before its operations are timed.
SIZES = (0, 1000, 10_000)


def main() -> None:
    """Measure each store in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--port", type=int, default=5081)
    options = parser.parse_args()
    quiet_mlflow()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        with stores(Path(name), options.port, 1) as database:
            for kind, storage in (("journal", None), ("PostgreSQL", database)):
                for size in SIZES:
                    print(json.dumps({"study in": kind} | time_storage(storage, size)), flush=True)
            runs = database.replace("/postgres?", "/runs?")
            for kind, uri in (
                ("SQLite", f"sqlite:///{name}/mlflow.db"),
                ("PostgreSQL", runs),
                ("server on PostgreSQL", f"http://127.0.0.1:{options.port}"),
            ):
                figures = time_tracking(uri, options.trials)
                print(json.dumps({"runs in": kind} | figures), flush=True)


def time_storage(storage: str | None, size: int) -> dict[str, Any]:
    """Return milliseconds of what a trial does in a study of a size."""
    config = wide_space()
    study = studies.open_study(f"study{size}", {}, storage)
    space = distributions(config.sweep.space)
    random = optuna.samplers.RandomSampler(seed=0)
    values = [
        {key: random.sample_independent(study, NO_TRIAL, key, each) for key, each in space.items()}
        for _ in range(size)
    ]
    study.add_trials(
        optuna.trial.create_trial(params=each, distributions=space, value=each["model.dropout"])
        for each in values
    )
    timed: dict[str, list[float]] = {}

    def measure(name: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        timed.setdefault(name, []).append(time.perf_counter() - begun)
        return result

    from ecomclf.search.drawing import draw_trial

    for number in range(20):
        trial = measure("draw", lambda at=number: draw_trial(study, config.sweep, at))
        for epoch in range(6):
            measure("report", lambda at=epoch, of=trial: of.report(0.5, at))
        measure("list", lambda: study.get_trials(deepcopy=False))
        measure("tell", lambda of=trial: study.tell(of, 0.5))
    return {"trials before": size} | {
        f"{name} ms": round(1000 * statistics.median(each), 1) for name, each in timed.items()
    }


# Independent sampling at random looks at no trial.
NO_TRIAL = cast(optuna.trial.FrozenTrial, None)


def time_tracking(uri: str, trials: int) -> dict[str, Any]:
    """Return what trials that do not sleep cost, with the study in a journal."""
    mlflow.set_tracking_uri(uri)
    config = wide_space()
    # An experiment keeps the place for artifacts of the store that created it.
    tracking = connect(f"scale through {uri.partition(':')[0]}")
    studies.open_study("runs", {}, None)
    study = studies.load_worker_study("runs", None, config.sweep, EPOCHS)
    parent = tracking.start_run("sweep", "scale", tags=studies.run_tags(study))
    context = WorkerContext(config, cast(Split, NoRows()), tracking, "runs", None)
    SleepingTrial.seconds = 0.0
    calls = 0
    send = requests.Session.send

    def counted(self: requests.Session, *rest: Any, **more: Any) -> requests.Response:
        nonlocal calls
        calls += 1
        return send(self, *rest, **more)

    requests.Session.send = counted  # type: ignore[method-assign]
    seconds = []
    before = _bytes_below(Path.cwd())
    try:
        for number in range(trials):
            begun = time.perf_counter()
            trial = SleepingTrial(context, study, {}, ignore)
            trial.run(TrialTask(number, parent.run_id))
            seconds.append(time.perf_counter() - begun)
    finally:
        requests.Session.send = send  # type: ignore[method-assign]
    found = {"trials": trials, "seconds a trial": round(statistics.median(seconds), 3)}
    if calls:
        found["HTTP calls a trial"] = round(calls / trials, 1)
    found["kilobytes a trial"] = round((_bytes_below(Path.cwd()) - before) / trials / 1000)
    return found


def ignore(_: Any) -> None:
    """Take a message of a trial."""


def _bytes_below(folder: Path) -> int:
    """Return the size of the files of a folder, those that other processes remove left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


if __name__ == "__main__":
    main()
