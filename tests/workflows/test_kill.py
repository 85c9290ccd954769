"""Sweeps whose processes are killed: no trial is lost, and none is run twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import pytest
from mlflow.entities import Run

from ecomclf.search import study as studies
from ecomclf.search.storage import open_storage

pytestmark = pytest.mark.slow

TRIALS = 3


def start(config: Path, *options: str) -> "subprocess.Popen[str]":
    """Start a sweep as a user would, its output in a file beside the config."""
    command = [sys.executable, "-m", "ecomclf", "sweep", "--config", str(config)]
    with (config.parent / "output.txt").open("a") as output:
        return subprocess.Popen(
            [*command, "--trials", str(TRIALS), "--study", "s", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def printed(config: Path) -> str:
    """Return what all sweeps so far have printed."""
    return (config.parent / "output.txt").read_text()


def wait_for(config: Path, text: str, process: "subprocess.Popen[str]", count: int = 1) -> None:
    """Wait until a text was printed so many times."""
    limit = time.monotonic() + 90
    while printed(config).count(text) < count:
        assert process.poll() is None, printed(config)
        assert time.monotonic() < limit, printed(config)
        time.sleep(0.1)


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Return the process ids of a sweep's workers."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    except FileNotFoundError:
        return []
    return [pid for pid, command in commands.items() if b"spawn_main" in command]


def runs(role: str) -> list[Run]:
    """Return all runs of a role."""
    client = mlflow.MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`ecomclf.role` = '{role}'"))


def check_the_end() -> None:
    """Check that the study has its trials, each with one run, under the last parent."""
    storage = open_storage("s", None)
    trials = optuna.load_study(study_name="s", storage=storage).trials
    complete = {trial.number for trial in trials if trial.state.name == "COMPLETE"}
    assert len(complete) == TRIALS
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    assert len({str(trials[number].params) for number in complete}) == TRIALS
    # What was killed was tried again with the same parameters.
    tried_again = [trial.user_attrs.get(studies.RETRY_OF) for trial in trials]
    for trial in trials:
        if trial.state.name == "FAIL":
            (retry,) = [
                other for other, of in zip(trials, tried_again, strict=True) if of == trial.number
            ]
            assert trial.params.items() <= retry.params.items()

    finished = [run for run in runs("trial") if run.info.status == "FINISHED"]
    assert sorted(int(run.data.tags["ecomclf.trial"]) for run in finished) == sorted(complete)
    every = mlflow.MlflowClient().search_runs(
        [experiment.experiment_id for experiment in mlflow.MlflowClient().search_experiments()]
    )
    assert {run.info.status for run in every} <= {"FINISHED", "KILLED"}
    (parent,) = [run for run in runs("sweep") if run.info.status == "FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs("trial")} == {parent.info.run_id}
    for run in runs("sweep"):
        assert run.info.run_id == parent.info.run_id or run.data.tags["continued_by"]
    assert len(mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")) == 1


def test_a_kill_while_the_store_is_made_leaves_none(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing a first command does is to make MLflow's database, for some seconds."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = start(tiny)
    while not list(temporary.glob("*/mlflow.db")):
        assert process.poll() is None, printed(tiny)
    process.kill()
    process.wait()
    assert not (tiny.parent / "mlflow.db").exists()
    command = [sys.executable, "-m", "ecomclf", "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_three_kills_at_random_moments_lose_nothing(tiny: Path) -> None:
    """Parent or worker killed with SIGKILL, and the same command again: N trials in the end."""
    # In CI always the same moments; elsewhere others each time.
    chosen = 11 if "CI" in os.environ else random.SystemRandom().randrange(10_000)
    seed = int(os.environ.get("KILL_SEED", chosen))
    print(f"KILL_SEED={seed} repeats this test")
    generator = random.Random(seed)
    process = start(tiny)
    for _ in range(3):
        if process.poll() is not None:
            process = start(tiny)
        time.sleep(generator.uniform(2, 11))
        victims = [process.pid, *workers_of(process)]
        os.kill(generator.choice(victims), signal.SIGKILL)
        time.sleep(1)
    if process.poll() is not None:
        process = start(tiny)
    assert process.wait(timeout=180) == 0, printed(tiny)
    check_the_end()


def test_killed_workers_are_replaced_within_the_sweep(tiny: Path) -> None:
    """The sweep itself notices a worker's death, while it starts or trains, and tries again.

    The data are more than a pipe takes: the parent must not wait for a dead worker to read them.
    """
    process = start(tiny, "--set", "{data.sample_rows: 3000, train.epochs: 1}")
    limit = time.monotonic() + 60
    while not workers_of(process):
        assert time.monotonic() < limit, printed(tiny)
        time.sleep(0.01)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    wait_for(tiny, " finished ", process)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert process.wait(timeout=180) == 0, printed(tiny)
    check_the_end()


def test_an_interrupted_sweep_says_how_to_go_on(tiny: Path) -> None:
    """Ctrl-C or SIGTERM: exit 130, running trials KILLED, finished ones kept, then continued.

    As in a terminal every process gets the signal, and as under `mlflow run` more than once.
    """
    for count, number in enumerate((signal.SIGINT, signal.SIGTERM), start=1):
        before = printed(tiny).count(" finished ") if count > 1 else 0
        process = start(tiny)
        wait_for(tiny, " finished ", process, before + 1)
        for _ in range(3):
            os.killpg(process.pid, number)
            time.sleep(0.1)
        assert process.wait(timeout=30) == 130
        said = "trials done, all kept; run the same command again to go on"
        assert printed(tiny).count(said) == count
        assert "Traceback" not in printed(tiny)
        assert {run.info.status for run in runs("sweep")} == {"KILLED"}
        states = [run.info.status for run in runs("trial")]
        assert "RUNNING" not in states
        assert states.count("FINISHED") >= count
    assert start(tiny).wait(timeout=180) == 0, printed(tiny)
    check_the_end()


def test_an_interrupt_while_workers_start_is_quiet(tiny: Path) -> None:
    """Ctrl-C before any trial: exit 130, one line, no traceback of a worker that was starting."""
    process = start(tiny)
    wait_for(tiny, "study s", process)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    time.sleep(1)
    assert printed(tiny).splitlines()[-1].startswith("ecomclf: interrupted with 0 of 3 trials")
    assert "Traceback" not in printed(tiny)
    assert "Fatal" not in printed(tiny)
