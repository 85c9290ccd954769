"""Stages, aliases, promotion and roll-back on a real registry; versions here hold no model."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from ecomclf.errors import RequestError
from ecomclf.tracking.registry import Registry
from ecomclf.tracking.version_table import version_table


@pytest.fixture
def registry(store: Path) -> Registry:
    """Three versions of `shop`, none in a stage."""
    client = mlflow.MlflowClient()
    client.create_registered_model("shop")
    for _ in range(3):
        client.create_model_version("shop", source=str(store))
    return Registry(mlflow.get_tracking_uri(), "shop")


def stages(registry: Registry) -> dict[str, str]:
    """Give the stage of each version that has one, and check that the aliases say the same."""
    held = {
        str(version.version): version.current_stage
        for version in registry.versions()
        if version.current_stage != "None"
    }
    current = {number: stage for number, stage in held.items() if stage != "Archived"}
    assert {number: stage for stage, number in registry.aliases().items()} == current
    return held


def test_promoting_moves_stage_and_alias_together(registry: Registry) -> None:
    """The version has stage and alias, the one before is archived, whatever the case is written."""
    registry.promote("1", "production")
    registry.promote("2", "Production")
    assert stages(registry) == {"1": "Archived", "2": "Production"}
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias("shop", "production").version == 2
    assert client.get_latest_versions("shop", ["Production"])[0].version == 2


def test_a_version_moves_from_staging_to_production(registry: Registry) -> None:
    """It leaves the one stage for the other: a version has one stage."""
    registry.promote("1", "Staging")
    registry.promote("1", "Production")
    registry.promote("2", "Staging")
    assert stages(registry) == {"1": "Production", "2": "Staging"}


def test_what_is_in_production_is_not_staged(registry: Registry) -> None:
    """It would leave Production; said, and nothing changed. Nor does a roll-back stage it."""
    registry.promote("1", "Staging")
    registry.promote("2", "Staging")
    registry.promote("1", "Production")
    before = stages(registry)
    with pytest.raises(RequestError, match="version 1 of shop is in Production"):
        registry.promote("1", "Staging")
    with pytest.raises(RequestError, match="promote one"):
        registry.rollback("Staging")
    assert stages(registry) == before
    assert len(registry.moves()) == 3


def test_rolling_back_leaps_over_what_is_deleted(registry: Registry) -> None:
    """There is nothing before it to go back to."""
    registry.promote("1", "Production")
    registry.promote("2", "Production")
    mlflow.MlflowClient().delete_model_version("shop", "1")
    with pytest.raises(RequestError, match="holds version 2"):
        registry.rollback("Production")


def test_a_name_that_is_none_is_refused(store: Path) -> None:
    """It would break MLflow's filter."""
    with pytest.raises(RequestError, match='but got "it\'s"'):
        Registry(mlflow.get_tracking_uri(), "it's")


def test_versions_are_listed_without_their_runs(registry: Registry) -> None:
    """A run may be removed, or never have been; there are no figures then."""
    table = version_table(registry)
    assert list(table["version"]) == [3, 2, 1]
    assert table["test_f1_macro"].isna().all()


def test_rolling_back_goes_back_step_by_step(registry: Registry) -> None:
    """Each roll-back brings back the version before, also the one before that."""
    for version in ("1", "2", "3"):
        registry.promote(version, "Production")
    assert registry.rollback("Production").version == "2"
    assert registry.rollback("production").version == "1"
    assert stages(registry) == {"1": "Production", "2": "Archived", "3": "Archived"}
    with pytest.raises(RequestError, match="holds version 1 and held none before"):
        registry.rollback("Production")
    with pytest.raises(RequestError, match="Staging of shop holds no version"):
        registry.rollback("Staging")


def test_each_move_is_kept(registry: Registry) -> None:
    """The registered model's tags tell what went where, from where, and why."""
    registry.promote("1", "Production")
    registry.promote("2", "Production", "passed the gate")
    registry.rollback("Production")
    told = [(move.version, move.before, move.reason) for move in registry.moves()]
    assert told == [
        ("1", None, "promoted"),
        ("2", "1", "passed the gate"),
        ("1", "2", "rollback"),
    ]


def test_the_alias_is_the_truth_where_stages_differ(registry: Registry) -> None:
    """A stage moved behind the alias's back is set right; one without an alias gets it."""
    registry.promote("1", "Production")
    client = mlflow.MlflowClient()
    client.transition_model_version_stage("shop", "2", "Production")
    client.transition_model_version_stage("shop", "3", "Staging")
    assert stages(registry) == {"1": "Production", "2": "Archived", "3": "Staging"}


def test_what_is_asked_for_is_found(registry: Registry) -> None:
    """By version, by stage, and without either Production before Staging."""
    registry.promote("2", "Staging")
    assert registry.resolve().version == 2
    registry.promote("3", "Production")
    assert registry.resolve().version == 3
    assert registry.resolve(stage="staging").version == 2
    assert registry.resolve(version="1").version == 1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"version": "7"}, "no version '7' of shop; there are 3, 2, 1"),
        ({"stage": "Canary"}, "no stage 'Canary'; there are Production, Staging"),
        ({"stage": "Staging"}, "no version of shop is in Staging; there are versions 3, 2, 1"),
        ({}, "no version of shop is in Production or Staging"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    registry: Registry, request_: dict[str, str], said: str
) -> None:
    """A wrong stage or version is an error that names those that exist."""
    with pytest.raises(RequestError, match=said):
        registry.resolve(**request_)


def test_an_empty_registry_says_so(store: Path) -> None:
    """Without any version the message says how to get one."""
    with pytest.raises(RequestError, match="run `ecomclf sweep` first"):
        Registry(mlflow.get_tracking_uri(), "shop").resolve()


@pytest.mark.slow
def test_two_promotions_at_once_leave_one_champion(registry: Registry) -> None:
    """Two processes promote different versions over and over; stage and alias agree in the end."""
    script = """if True:
        import sys, mlflow
        from ecomclf.tracking.registry import Registry
        registry = Registry(mlflow.get_tracking_uri(), "shop")
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(8):
            registry.promote(sys.argv[1], "Production")
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in ("1", "2")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    held = stages(registry)
    assert sorted(held.values()) == ["Archived", "Production"]
    client = mlflow.MlflowClient()
    tags = client.get_registered_model("shop").tags
    assert sum(key.startswith("move.") for key in tags) == 16
