import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from ecomclf.errors import RequestError
from ecomclf.tracking.registry import GATE, GATE_REASON, Registry
from ecomclf.tracking.version_table import version_table

# MLflow's stages are deprecated, and still used.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture
def registry(store: Path) -> Registry:
    """Three versions of `shop` without a model, none in a stage."""
    client = mlflow.MlflowClient()
    client.create_registered_model("shop")
    for _ in range(3):
        client.create_model_version("shop", source=str(store))
    return Registry(mlflow.get_tracking_uri(), "shop")


def stages(registry: Registry) -> dict[str, str]:
    """Return the stage of each version that has one; check that the aliases and MLflow agree."""
    held = {number: stage for number, stage in registry.stages().items() if stage != "None"}
    assert registry.disagreements() == []
    current = {number: stage for number, stage in held.items() if stage != "Archived"}
    assert {number: stage for stage, number in registry.aliases().items()} == current
    return held


def test_promoting_moves_stage_and_alias_together(registry: Registry) -> None:
    """The version before is archived; the stage is written in any case."""
    registry.promote("1", "production")
    registry.promote("2", "Production")
    assert stages(registry) == {"1": "Archived", "2": "Production"}
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias("shop", "production").version == 2
    assert client.get_latest_versions("shop", ["Production"])[0].version == 2


def test_a_version_moves_from_staging_to_production(registry: Registry) -> None:
    """A version has one stage only, so it leaves Staging."""
    registry.promote("1", "Staging")
    registry.promote("1", "Production")
    registry.promote("2", "Staging")
    assert stages(registry) == {"1": "Production", "2": "Staging"}


def test_the_version_in_production_cannot_be_staged(registry: Registry) -> None:
    """It would leave Production; neither promotion nor rollback changes anything."""
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


def test_rollback_skips_deleted_versions(registry: Registry) -> None:
    """Without another one before it, there is nothing to go back to."""
    registry.promote("1", "Production")
    registry.promote("2", "Production")
    mlflow.MlflowClient().delete_model_version("shop", "1")
    with pytest.raises(RequestError, match="holds version 2"):
        registry.rollback("Production")


def test_an_invalid_model_name_is_refused(store: Path) -> None:
    """It would break the filter of MLflow's search."""
    with pytest.raises(RequestError, match='but got "it\'s"'):
        Registry(mlflow.get_tracking_uri(), "it's")


def test_versions_without_runs_are_listed(registry: Registry) -> None:
    """They have no metrics."""
    table = version_table(registry)
    assert list(table["version"]) == [3, 2, 1]
    assert table["test_f1_macro"].isna().all()


def test_each_rollback_goes_back_one_version(registry: Registry) -> None:
    """Until there is none before."""
    for version in ("1", "2", "3"):
        registry.promote(version, "Production")
    assert registry.rollback("Production").version == "2"
    assert registry.rollback("production").version == "1"
    assert stages(registry) == {"1": "Production", "2": "Archived", "3": "Archived"}
    with pytest.raises(RequestError, match="holds version 1 and held none before"):
        registry.rollback("Production")
    with pytest.raises(RequestError, match="Staging of shop holds no version"):
        registry.rollback("Staging")


def test_every_move_is_recorded(registry: Registry) -> None:
    """In tags of the registered model: version, the one before, reason."""
    registry.promote("1", "Production")
    registry.promote("2", "Production", "passed the gate")
    registry.rollback("Production")
    told = [(move.version, move.before, move.reason) for move in registry.moves()]
    assert told == [
        ("1", None, "promoted"),
        ("2", "1", "passed the gate"),
        ("1", "2", "rollback"),
    ]


def move_alias(stage: str, version: str) -> None:
    """Move an alias as MLflow's UI does."""
    mlflow.MlflowClient().set_registered_model_alias("shop", stage.lower(), version)


def set_stage(version: str, stage: str) -> None:
    """Set a version's stage as MLflow's UI does."""
    mlflow.MlflowClient().transition_model_version_stage("shop", version, stage)


def content_of(store: Path) -> list[str]:
    """Return all that is in a store, as SQL."""
    with sqlite3.connect(store / "mlflow.db") as database:
        return list(database.iterdump())


def test_the_alias_decides_where_the_stage_differs(registry: Registry) -> None:
    """A stage that was set without an alias counts where nothing contradicts it."""
    registry.promote("1", "Production")
    set_stage("2", "Production")
    set_stage("3", "Staging")
    assert registry.stages() == {"3": "Staging", "2": "Archived", "1": "Production"}
    assert registry.resolve(stage="Production").version == 1
    assert registry.resolve(stage="Staging").version == 3
    assert list(version_table(registry)["stage"]) == ["Staging", "Archived", "Production"]


def test_reading_changes_nothing(
    registry: Registry, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs what differs and the remedy, once; promoting repairs it."""
    registry.promote("1", "Production")
    set_stage("2", "Production")
    set_stage("3", "Staging")
    before = content_of(store)
    caplog.clear()
    for _ in range(2):
        registry.versions()
        registry.resolve(stage="Staging")
        version_table(registry)
    remedy = "run `ecomclf promote {0} {1}` or `ecomclf rollback {1}` to repair"
    expected = [
        "version 3 of shop: MLflow shows the stage Staging, but no version has the alias "
        "'staging'; " + remedy.format(3, "--stage Staging --model shop"),
        "version 2 of shop: MLflow shows the stage Production, but it holds none, since version 1 "
        "has its alias; " + remedy.format(1, "--stage Production --model shop"),
    ]
    assert registry.disagreements() == expected
    assert [each.getMessage() for each in caplog.records if each.name == "ecomclf"] == expected
    assert content_of(store) == before
    registry.promote("1", "Production")
    assert stages(registry) == {"1": "Production", "2": "Archived", "3": "Staging"}


def test_a_moved_alias_is_reported_at_both_versions(registry: Registry) -> None:
    """The one that it left and the one that it went to."""
    registry.promote("1", "Production")
    move_alias("Production", "2")
    said = [line.split(";")[0] for line in registry.disagreements()]
    assert said == [
        "version 2 of shop: MLflow shows the stage None, but its alias gives Production",
        "version 1 of shop: MLflow shows the stage Production, but it holds none, since version 2 "
        "has its alias",
    ]


def test_a_version_with_both_aliases_is_in_production(registry: Registry) -> None:
    """The other alias is reported, and deleted by the next move."""
    registry.promote("1", "Production")
    move_alias("Staging", "1")
    assert registry.holders() == {"Production": "1"}
    assert "has the alias 'staging' too" in registry.disagreements()[0]
    registry.promote("2", "Production")
    assert stages(registry) == {"1": "Archived", "2": "Production"}


def test_rollback_undoes_a_move_in_mlflows_ui(registry: Registry) -> None:
    """It gives the stage back to the version of the last recorded move, then to the one before."""
    registry.promote("1", "Production")
    registry.promote("2", "Production")
    move_alias("Production", "3")
    assert registry.rollback("Production").version == "2"
    assert stages(registry) == {"1": "Archived", "2": "Production", "3": "Archived"}
    assert registry.rollback("Production").version == "1"
    with pytest.raises(RequestError, match="held none before"):
        registry.rollback("Production")


def test_rollback_without_a_record_goes_by_mlflows_stage(registry: Registry) -> None:
    """When the stage was set and its alias moved in MLflow's UI, the stage stays behind."""
    set_stage("1", "Production")
    move_alias("Production", "2")
    assert registry.rollback("Production").version == "1"
    assert stages(registry) == {"1": "Production", "2": "Archived"}
    with pytest.raises(RequestError, match="held none before"):
        registry.rollback("Production")


def test_promoting_the_holder_is_noted(registry: Registry) -> None:
    """And repairs what was changed in MLflow's UI."""
    assert registry.promote("1", "Production").note == ""
    set_stage("1", "Archived")
    assert registry.promote("1", "Production").note == "it held Production already"
    assert stages(registry) == {"1": "Production"}
    assert [move.note for move in registry.moves()] == ["", ""]


def test_promoting_a_refused_version_is_noted(registry: Registry) -> None:
    """With the gate's reason; it is promoted."""
    version = registry.resolve(version="2")
    tags = {GATE: "refused", GATE_REASON: "refused: accuracy 0.3 is below 0.5"}
    registry.describe(version, "card", tags)
    note = registry.promote("2", "Staging").note
    assert note == "the promotion gate had refused it: accuracy 0.3 is below 0.5"
    assert stages(registry) == {"2": "Staging"}


@pytest.mark.slow
def test_the_command_line_reports_disagreements(registry: Registry) -> None:
    """On stderr, in plain lines; notes of a promotion are printed with it."""
    registry.promote("1", "Production")
    set_stage("1", "Archived")

    def run(*arguments: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "ecomclf", *arguments, "--model", "shop"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    table, error = run("models")
    assert error == registry.disagreements()[0] + "\n"
    assert "Production" in table
    assert "Archived" not in table
    moved, error = run("promote", "1", "--stage", "Production")
    assert error == ""
    assert moved.endswith("(promoted); it held Production already\n")


def test_versions_are_resolved_by_number_or_stage(registry: Registry) -> None:
    """Without either, Production comes before Staging."""
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
def test_an_unknown_stage_or_version_is_reported_with_those_that_exist(
    registry: Registry, request_: dict[str, str], said: str
) -> None:
    """One line names what was asked for and the alternatives."""
    with pytest.raises(RequestError, match=said):
        registry.resolve(**request_)


def test_an_empty_registry_is_reported_with_the_remedy(store: Path) -> None:
    """The message says how to register a version."""
    with pytest.raises(RequestError, match="run `ecomclf sweep` first"):
        Registry(mlflow.get_tracking_uri(), "shop").resolve()


@pytest.mark.slow
def test_two_promotions_at_once_leave_one_champion(registry: Registry) -> None:
    """Two processes promote different versions repeatedly; stages and aliases agree in the end."""
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


def test_a_clock_that_is_set_back_does_not_reorder_moves(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest move is the one that was made last, so a rollback takes back that one."""
    registry.promote("1", "Production")
    registry.promote("2", "Production")
    an_hour_ago = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)
    registry.promote("3", "Production")
    assert [move.version for move in registry.moves()] == ["1", "2", "3"]
    assert registry.rollback("Production").version == "2"
