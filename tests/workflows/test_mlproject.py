"""`mlflow run` as users start it, on a copy of the project's files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def mlflow_run(tiny: Path, *parameters: str) -> "subprocess.CompletedProcess[str]":
    """Run the main entry point in this environment."""
    for name in ("MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, tiny.parent)
    command = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager=local"]
    for parameter in (f"config={tiny.name}", *parameters):
        command += ["-P", parameter]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=tiny.parent,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def all_runs() -> list[Run]:
    """Return every run in the store."""
    client = mlflow.MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments))


def test_mlflows_own_run_becomes_the_parent(tiny: Path) -> None:
    """`mlflow run` gives one top run, with the winner's figures, trials and baselines under it."""
    done = mlflow_run(tiny, "trials=1", "overrides={train.epochs: 1, seed: 3}")
    assert done.returncode == 0, done.stderr
    (parent,) = [run for run in all_runs() if "mlflow.parentRunId" not in run.data.tags]
    under = [run for run in all_runs() if run.info.run_id != parent.info.run_id]
    roles = [run.data.tags["ecomclf.role"] for run in under]
    assert sorted(roles) == ["baseline", "baseline", "trial"]
    (trial,) = [run for run in under if run.data.tags["ecomclf.role"] == "trial"]
    assert trial.data.params["seed"] == "3"
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == parent.data.tags["ecomclf.study"]
    assert parent.data.params["train.epochs"] == "1"
    assert "test_f1_macro" in parent.data.metrics
    assert {run.data.tags["mlflow.parentRunId"] for run in under} == {parent.info.run_id}
    assert {run.info.experiment_id for run in under} == {parent.info.experiment_id}


def test_a_wrong_request_is_a_failed_run(tiny: Path) -> None:
    """Under `mlflow run` a wrong request fails MLflow's run, which is the only one."""
    done = mlflow_run(tiny, "trials=0")
    assert done.returncode == 1
    assert "--trials must be a whole number of at least 1 but got '0'" in done.stderr
    assert [run.info.status for run in all_runs()] == ["FAILED"]
