"""Whole sweeps on a tiny sample: real workers, real MLflow, read back through the client."""

import functools
import io
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from rich.console import Console

from ecomclf.config.loading import Config, load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import split_dataset
from ecomclf.errors import (
    JobError,
    StudyError,
    SweepFailedError,
    SweepInterruptedError,
    TrainingDivergedError,
)
from ecomclf.reporting import page
from ecomclf.runtime.tensorflow_setup import warm_up
from ecomclf.search import linear_models
from ecomclf.search import study as studies
from ecomclf.search import sweep as sweeps
from ecomclf.search.plan import SweepPlan, plan_sweep
from ecomclf.search.process_pool import LocalWorkers
from ecomclf.search.scheduler import Workers, reconcile
from ecomclf.search.seed_repeats import repeat_with_seeds
from ecomclf.search.worker import TrialTask, WorkerContext, prepare_worker
from ecomclf.text.vectorizer import Vectorizer
from ecomclf.tracking import runs as runs_module
from ecomclf.tracking.connection import connect
from ecomclf.tracking.registry import Registry
from ecomclf.tracking.runs import MONITOR, SEARCHED, STUDY, STUDY_ID
from tests.conftest import TINY

pytestmark = pytest.mark.slow

ROLES = ("sweep", "trial", "baseline", "repeat")
FIGURES = {"accuracy", "f1_macro", "f1_weighted", "loss"}


def planned(
    config: Config, trials: int, study: str | None = None, repeats: int | None = None
) -> SweepPlan:
    """Load the data and plan a sweep with two workers."""
    dataset, report = load(config.data)
    split = split_dataset(dataset, config.data)
    return plan_sweep(
        config,
        split,
        report,
        trials=trials,
        workers=2,
        study=study,
        storage=None,
        repeats=repeats,
    )


def run(sweep: SweepPlan) -> str:
    """Run a sweep and give what it printed."""
    output = io.StringIO()
    warm = functools.partial(
        warm_up, "tensorflow", 1, ("ecomclf.search.training_run", "ecomclf.search.worker")
    )
    workers: Workers = LocalWorkers(warm, count=sweep.workers, tasks_per_worker=8)
    with workers:
        sweeps.run_sweep(sweep, workers, Console(file=output))
    return output.getvalue()


def runs(role: str) -> list[Run]:
    """Return all runs of a role, the oldest first."""
    client = mlflow.MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(
        client.search_runs(
            experiments, f"tags.`ecomclf.role` = '{role}'", order_by=["attributes.start_time"]
        )
    )


@pytest.fixture
def ended_before_baselines(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many trials had ended whenever a sweep began to fit its baselines."""
    ended = []
    fit = linear_models.fit_baselines

    def note_and_fit(*rest: Any) -> Any:
        ended.append(sum(run.info.status != "RUNNING" for run in runs("trial")))
        return fit(*rest)

    monkeypatch.setattr(linear_models, "fit_baselines", note_and_fit)
    return ended


def artifacts(run: Run) -> set[str]:
    """Return the names at the top of a run's artifacts."""
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}


def read_artifact(run: Run, name: str) -> Any:
    """Read a JSON artifact."""
    return json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{name}"))


def open_study(sweep: SweepPlan) -> optuna.Study:
    """Open the study of a sweep."""
    identity = studies.study_identity(sweep.config, sweep.split.fingerprint)
    return studies.open_study(sweep.study_name, identity, None)


def check_what_people_see(parent: Run, trials: list[Run]) -> None:
    """Check descriptions, datasets, the report and the pictures of a sweep."""
    described = parent.data.tags["mlflow.note.content"]
    assert described.startswith("**Version 1 of the model `ecomclf`")
    assert f"macro F1 {parent.data.metrics['test_f1_macro']:.4f}" in described
    report = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/report.html")
    assert "Version 1 of the model ecomclf reaches a macro F1 of" in report
    assert read_artifact(parent, "environment.json")["python"].startswith("3.")
    experiment = mlflow.MlflowClient().get_experiment(parent.info.experiment_id)
    assert "leak-free splits" in experiment.tags["mlflow.note.content"]
    for run in (parent, *trials):
        (data,) = run.inputs.dataset_inputs
        rows = json.loads(data.dataset.profile)
        read = "training, validation, test" if run is parent else "training, validation"
        assert [tag.value for tag in data.tags] == [read]
        assert rows["fingerprint"] == parent.data.params["data.fingerprint"]
    for trial in trials:
        assert trial.data.tags["mlflow.note.content"].startswith("**Finished:**")
        assert "architecture.svg" in artifacts(trial)


def check_judgement(parent: Run) -> None:
    """Check what a parent run says of its winner: intervals, confidence, mistakes."""
    metrics = parent.data.metrics
    difference = metrics["test_f1_macro"] - metrics["baseline/test_f1_macro"]
    assert metrics["baseline/difference"] == pytest.approx(difference)
    names = [f"test_{name}" for name in ("accuracy", "f1_macro", "f1_weighted")]
    for name in (*names, "baseline/difference", "tuned_baseline/difference"):
        bounds = f"intervals/{name.replace('/', '_')}"
        assert metrics[f"{bounds}_low"] <= metrics[name] <= metrics[f"{bounds}_high"]
    for side in ("val", "test"):
        assert 0 <= metrics[f"{side}_calibration_error"] <= 1
        assert 0 <= metrics[f"{side}_coverage"] <= 1
    # The threshold is the least from which on so many validation rows are right.
    assert metrics.get("val_covered_precision", 1.0) >= 0.99
    tables = {"validation_errors.json", "label_suspects.json", "winner.json"}
    pictures = {"val_reliability.png", "test_reliability.png"}
    assert tables | pictures <= artifacts(parent)
    assert "test_errors.json" not in artifacts(parent)
    errors = read_artifact(parent, "validation_errors.json")
    at = {name: number for number, name in enumerate(errors["columns"])}
    assert errors["data"]
    for row in errors["data"]:
        assert row[at["true"]] != row[at["predicted"]]
    confidences = [row[at["confidence"]] for row in errors["data"]]
    assert confidences == sorted(confidences, reverse=True)
    assert read_artifact(parent, "winner.json")["threshold"] <= 1


def test_a_sweep_records_its_trials_its_winner_and_one_version(
    tiny: Path, ended_before_baselines: list[int]
) -> None:
    """Runs, metrics, artifacts, winner and registered version are as the contract names them.

    The same command again changes nothing; a higher total continues the study.
    """
    sweep = planned(load_config(tiny, ["sweep.keep_models=1"]), trials=2)
    output = run(sweep)
    # A trial for each worker: there would be nothing left to do beside them.
    assert ended_before_baselines == [0]
    (parent,) = runs("sweep")
    trials = runs("trial")
    study = open_study(sweep)

    assert parent.info.status == "FINISHED"
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 2
    assert {trial.data.tags["mlflow.parentRunId"] for trial in trials} == {parent.info.run_id}
    assert {int(trial.data.tags["ecomclf.trial"]) for trial in trials} == {0, 1}
    for trial in trials:
        number = int(trial.data.tags["ecomclf.trial"])
        params = study.trials[number].params
        assert trial.data.params["model.units"] == str(params["model.units"])
        assert trial.data.params["model.dropout"] == str(params["model.dropout"])
        assert trial.data.params["model.embedding_dim"] == str(params["model.embedding_dim"])
        assert trial.data.params["data.fingerprint"] == sweep.split.fingerprint
        assert {f"{side}_{name}" for side in ("train", "val") for name in FIGURES} <= set(
            trial.data.metrics
        )
        assert not any(name.startswith(("test", "baseline")) for name in trial.data.metrics)
        files = {"config.yaml", "report.json", "confusion_matrix.png", "history.png", "tensorboard"}
        texts = {"architecture.txt", "classification_report.txt", "sample_predictions.json"}
        assert files | texts <= artifacts(trial)
        history = mlflow.MlflowClient().get_metric_history(trial.info.run_id, "val_f1_macro")
        *epochs, kept = sorted(history, key=lambda metric: metric.step)
        assert [metric.step for metric in epochs] == list(range(1, kept.step))
        assert kept.value == max(metric.value for metric in epochs)
        assert kept.value == pytest.approx(study.trials[number].value)
        assert read_artifact(trial, "report.json")["f1_macro"] == pytest.approx(
            kept.value, abs=1e-6
        )

    best = max(trials, key=lambda trial: float(trial.data.metrics["val_f1_macro"]))
    assert parent.data.tags["winner_run"] == best.info.run_id
    assert {f"test_{name}" for name in FIGURES} <= set(parent.data.metrics)
    assert {"baseline/val_f1_macro", "baseline/test_f1_weighted"} <= set(parent.data.metrics)
    assert {"leaderboard.json", "config.yaml", "data_report.json", "report.json"} <= artifacts(
        parent
    )
    check_judgement(parent)
    check_what_people_see(parent, trials)
    assert [baseline.data.tags["mlflow.runName"] for baseline in runs("baseline")] == [
        "baseline",
        "tuned baseline",
    ]
    assert read_artifact(parent, "data_report.json")["rows_read"] == 400
    assert [trial for trial in trials if "classifier" in artifacts(trial)] == [best]

    (version,) = mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")
    assert version.run_id == parent.info.run_id
    assert (version.current_stage, version.tags["gate"]) == ("Staging", "passed")
    assert version.description.startswith("**Gate:** passed: accuracy ")
    assert sweep.split.fingerprint in version.description
    answers = mlflow.pyfunc.load_model("models:/ecomclf/1").predict(list(sweep.split.test.texts))
    right = [
        sweep.split.classes[label] == answer
        for label, answer in zip(sweep.split.test.labels, answers["label"], strict=True)
    ]
    assert sum(right) / len(right) == pytest.approx(parent.data.metrics["test_accuracy"])
    assert output.count(" finished val_f1_macro ") == 2

    again = run(sweep)
    assert "nothing to do" in again
    assert len(runs("sweep")) == 1
    assert len(mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")) == 1

    run(planned(sweep.config, trials=3, repeats=2))
    first, second = runs("sweep")
    assert len(runs("trial")) == 3
    repeats = runs("repeat")
    assert [repeat.data.params["seed"] for repeat in repeats] == ["1", "2"]
    values = [repeat.data.metrics["repeat/test_f1_macro"] for repeat in repeats]
    assert second.data.metrics["repeat/test_f1_macro_mean"] == pytest.approx(sum(values) / 2)
    spread = abs(values[0] - values[1]) / 2**0.5
    assert second.data.metrics["repeat/test_f1_macro_std"] == pytest.approx(spread)
    assert {each.data.tags["split"] for role in ROLES for each in runs(role)} == {"groups"}
    assert second.info.status == "FINISHED"
    table = read_artifact(second, "leaderboard.json")
    assert len(table["data"]) == 3
    same_winner = first.data.tags["winner_trial"] == second.data.tags["winner_trial"]
    versions = mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")
    assert len(versions) == (1 if same_winner else 2)


def test_pruned_failed_and_finished_trials_are_told_apart(
    tiny: Path, ended_before_baselines: list[int]
) -> None:
    """A hopeless trial is KILLED with the reason, a diverging one FAILED; the sweep goes on.

    Baselines take no core from the first trial.
    """
    space = "sweep.space.train.learning_rate={type: choice, values: [0.02, 0.0000001, 1.0e+38]}"
    config = load_config(
        tiny,
        [space, "sweep.pruner=median", "sweep.startup_trials=1", "sweep.warmup_epochs=1",
         "train.epochs=4", "train.patience=4"],
    )  # fmt: skip
    sweep = planned(config, trials=3)
    study = open_study(sweep)
    for rate in (0.02, 0.0000001, 1e38):
        study.enqueue_trial({"train.learning_rate": rate})
    dataset_sweep = planned(config, trials=3)
    run(SweepPlan(**{**vars(dataset_sweep), "workers": 1}))

    assert ended_before_baselines in ([1], [2], [3])
    for trial in runs("trial"):
        assert "tensorboard" in artifacts(trial)
    finished, pruned, failed = sorted(
        runs("trial"), key=lambda trial: int(trial.data.tags["ecomclf.trial"])
    )
    assert (finished.info.status, pruned.info.status, failed.info.status) == (
        "FINISHED", "KILLED", "FAILED",
    )  # fmt: skip
    assert "median pruner" in pruned.data.tags["pruned"]
    assert pruned.info.run_name == "trial 1 (pruned)"
    assert failed.info.run_name == "trial 2 (failed)"
    assert failed.data.tags["mlflow.note.content"].startswith("**Failed:** TrainingDivergedError")
    assert "pruned" not in failed.data.tags
    error = mlflow.artifacts.load_text(f"{failed.info.artifact_uri}/error.txt")
    assert "Traceback" in error
    assert "TrainingDivergedError" in error
    states = [trial.state.name for trial in open_study(sweep).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL"]
    (parent,) = runs("sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["winner_run"] == finished.info.run_id
    assert "nothing to do" in run(sweep)


def test_a_sweep_without_a_completed_trial_fails(tiny: Path) -> None:
    """When every trial fails, so does the sweep, and nothing is registered.

    Here the trial fails because workers died with its parameters three times.
    """
    sweep = planned(load_config(tiny), trials=1)
    open_study(sweep).enqueue_trial({}, user_attrs={studies.ATTEMPT: 4})
    with pytest.raises(SweepFailedError, match=r"none of the 1 trials .* was completed"):
        run(sweep)
    (failed,), (parent,) = runs("trial"), runs("sweep")
    assert (failed.info.status, parent.info.status) == ("FAILED", "FAILED")
    error = mlflow.artifacts.load_text(f"{failed.info.artifact_uri}/error.txt")
    assert "the worker died 3 times with these parameters" in error
    report = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/report.html")
    assert "There is no result yet: 1 trial is done." in report
    assert "The sweep failed (its run has the traceback in error.txt)" in report
    assert parent.data.tags["mlflow.note.content"].startswith("**No result: ")
    assert not mlflow.MlflowClient().search_registered_models()


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep of one trial was run."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        (folder / "tiny.yaml").write_text(TINY)
        run(planned(load_config("tiny.yaml", ["train.epochs=1"]), trials=1))
    shutil.copytree(folder, folder.with_name("kept"))
    return folder


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPlan:
    """That sweep as it was left, worked on in its folder: artifacts are known by full path."""
    shutil.rmtree(finished_once)
    shutil.copytree(finished_once.with_name("kept"), finished_once)
    monkeypatch.chdir(finished_once)
    # MLflow keeps a database open: each test has its own copy.
    shutil.move("mlflow.db", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return planned(load_config("tiny.yaml", ["train.epochs=1"]), trials=1)


def test_a_study_of_a_name_that_was_there_before_is_its_own(finished: SweepPlan) -> None:
    """With the journal removed a study of the same name starts anew, and judges its own trials.

    Its winner is held against the version in Production.
    """
    (old,) = runs("trial")
    for journal in Path("mlruns/studies").iterdir():
        journal.unlink()
    registry = Registry(mlflow.get_tracking_uri(), "ecomclf")
    registry.promote("1", "Production")
    changed = {"sweep.seed": 5, "registry.min_common_rows": 10}
    run(planned(finished.config.with_values(changed), trials=1))
    _, parent = runs("sweep")
    (new,) = [trial for trial in runs("trial") if trial.info.run_id != old.info.run_id]
    assert parent.data.tags["winner_run"] == new.info.run_id
    assert len(read_artifact(parent, "leaderboard.json")["data"]) == 1
    assert old.data.tags["mlflow.parentRunId"] != parent.info.run_id
    # Both were judged on the same test rows, which neither has learned from.
    second, _ = registry.versions()
    rows = len(finished.split.test)
    assert f"of version 1 on {rows} test rows that neither has seen" in second.tags["champion"]
    assert (second.tags["gate"] == "passed") == (second.current_stage == "Staging")


def test_a_study_whose_runs_are_elsewhere_is_refused(
    finished: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another MLflow store holds none of the runs: one line that says so, and no new run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/other.db")
    for trials in (1, 2):
        with pytest.raises(StudyError, match=r"1 of its trials .* MLflow store sqlite:.*other\.db"):
            run(planned(finished.config, trials=trials))
    assert runs("sweep") == []


def test_a_study_shows_its_own_trials_whatever_others_are_called(finished: SweepPlan) -> None:
    """A newer sweep of the same name, from another folder on the same store, is not shown."""
    tags = {STUDY: finished.study_name, STUDY_ID: "other", SEARCHED: "", MONITOR: "val_f1_macro"}
    connect("ecomclf").start_run("sweep", finished.study_name, tags=tags)
    (trial,) = runs("trial")
    shown = run(finished)
    assert "nothing to do" in shown
    assert f"{trial.data.metrics['val_f1_macro']:.4f}" in shown


def test_a_parent_killed_at_the_very_end_is_not_left_running(finished: SweepPlan) -> None:
    """Killed after judging and before it was closed, the next sweep closes and continues it."""
    (first,) = runs("sweep")
    mlflow.MlflowClient().update_run(first.info.run_id, "RUNNING")
    assert "nothing to do" in run(finished)
    assert runs("sweep")[0].info.status == "KILLED"
    open_study(finished).set_user_attr(studies.JUDGED, "")
    run(finished)
    first, second = runs("sweep")
    assert (first.info.status, second.info.status) == ("KILLED", "FINISHED")
    assert first.data.tags["continued_by"] == second.info.run_id
    assert len(mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")) == 1


def test_a_winner_reads_texts_as_its_trials_did(finished: SweepPlan) -> None:
    """Texts that other code has encoded since have ids that its networks do not know."""
    (words,) = Path("data/cache").glob("texts-*/words.json")
    other = Vectorizer.fit(["of the with"], max_tokens=9, max_length=30)
    words.write_text(json.dumps(other.words))
    for side in ("train", "validation"):
        other.encode(getattr(finished.split, side).texts).save(words.parent, side)
    open_study(finished).set_user_attr(studies.JUDGED, "")
    run(finished)
    first, second = (each.data.metrics for each in runs("sweep"))
    figures = {f"{side}_{name}" for side in ("val", "test") for name in FIGURES}
    assert {name: first[name] for name in figures} == {name: second[name] for name in figures}


def test_a_version_is_not_held_against_itself(finished: SweepPlan) -> None:
    """Killed after it was promoted and before the gate was done, it is in Production itself."""
    sweep = planned(finished.config.with_values({"registry.stage": "Production"}), trials=1)
    run(sweep)
    version = Registry(mlflow.get_tracking_uri(), "ecomclf").resolve(stage="Production")
    mlflow.MlflowClient().delete_model_version_tag("ecomclf", version.version, "gate")
    open_study(sweep).set_user_attr(studies.JUDGED, "")
    run(sweep)
    again = Registry(mlflow.get_tracking_uri(), "ecomclf").resolve(stage="Production")
    assert again.version == version.version
    assert again.tags["gate"] == "passed"
    assert "champion" not in again.tags


def test_a_finished_study_is_judged_anew_when_its_winner_is_made_otherwise(
    finished: SweepPlan,
) -> None:
    """Another way to a winner is another version; the same one again has nothing to do."""
    values = {"winner.wide": False, "sweep.keep_models": 9}
    other = planned(finished.config.with_values(values), trials=1)
    assert "version 2" in run(other)
    assert "nothing to do" in run(other)
    assert "version 1" in run(finished)
    assert len(Registry(mlflow.get_tracking_uri(), "ecomclf").versions()) == 2
    assert len(runs("trial")) == 1


def test_a_sweep_ends_with_a_line_when_most_rows_need_a_review(finished: SweepPlan) -> None:
    """A network of one epoch is not sure enough for the highest precision."""
    values = {"winner.target_precision": 1.0, "winner.wide": False}
    output = run(planned(finished.config.with_values(values), trials=1))
    assert "of the validation rows need a review: winner.target_precision is 1," in output


def test_searched_class_weights_are_those_of_trials_only(tiny: Path) -> None:
    """The baselines have those that the config sets for all trials."""
    space = "sweep.space.train.class_weight={type: choice, values: [balanced]}"
    run(planned(load_config(tiny, ["train.epochs=1", space]), trials=1))
    (trial,) = runs("trial")
    assert trial.data.params["train.class_weight"] == "balanced"
    params = [baseline.data.params["baseline.class_weight"] for baseline in runs("baseline")]
    assert params == ["none", "none"]


def test_repeats_are_made_of_a_finished_study_too(finished: SweepPlan) -> None:
    """Once; their models are not kept, and their figures are not the winner's."""
    repeated = planned(finished.config, trials=1, repeats=1)
    assert "repeats: 1" in run(repeated)
    assert "nothing to do" in run(repeated)
    (only,) = runs("repeat")
    assert "classifier" not in artifacts(only)
    assert "test_f1_macro" not in only.data.metrics
    assert len(Registry(mlflow.get_tracking_uri(), "ecomclf").versions()) == 1


def test_models_that_are_gone_are_not_asked_for(tiny: Path) -> None:
    """Trials that lost their models to better ones are left out when more are to be kept."""
    config = load_config(tiny, ["train.epochs=1", "sweep.keep_models=1"])
    run(planned(config, trials=2))
    run(planned(config.with_values({"sweep.keep_models": 3}), trials=3))
    assert [parent.info.status for parent in runs("sweep")] == ["FINISHED"] * 2


def test_a_sweep_whose_models_are_gone_says_so(finished: SweepPlan) -> None:
    """One line and a remedy when no kept model is left in the artifact store."""
    tracking = connect("ecomclf")
    for trial in runs("trial"):
        assert tracking.delete_artifact(trial.info.run_id, "classifier")
    open_study(finished).set_user_attr(studies.JUDGED, "")
    with pytest.raises(JobError, match=r"none of the best trials \(0\) has its model left"):
        run(finished)


def test_a_failed_repeat_keeps_its_traceback(finished: SweepPlan) -> None:
    """A repeat that diverges is FAILED, with `error.txt`, as every other run is."""
    tracking = connect("ecomclf")
    parent = tracking.start_run("sweep", "s", tags={})
    diverging = finished.config.with_values({"train.learning_rate": 1e38})
    with pytest.raises(TrainingDivergedError):
        repeat_with_seeds(diverging, 1, finished.split, tracking, parent, {}, Console(quiet=True))
    (repeat,) = runs("repeat")
    assert repeat.info.status == "FAILED"
    error = mlflow.artifacts.load_text(f"{repeat.info.artifact_uri}/error.txt")
    assert "TrainingDivergedError" in error


def test_a_study_in_a_database_is_run_and_known_again(tiny: Path) -> None:
    """`--storage` keeps the study in a database of its own instead of the journal."""
    storage = f"sqlite:///{tiny.parent}/study.db"
    config = load_config(tiny, ["train.epochs=1", "sweep.seed=123456"])
    sweep = SweepPlan(**{**vars(planned(config, trials=1)), "storage": storage})
    assert "nothing to do" not in run(sweep)
    assert "nothing to do" in run(sweep)
    assert [trial.info.status for trial in runs("trial")] == ["FINISHED"]
    assert not list(Path("mlruns/studies").glob("*.journal"))


@dataclass(frozen=True)
class UnreachableRun(runs_module.Run):
    """A run whose store went away after it was begun."""

    error: Exception

    def log_params(self, params: object) -> None:
        """Fail as MLflow's client does after its last attempt, or as a disk does that is full."""
        raise self.error


@dataclass(frozen=True)
class Outage(runs_module.Tracking):
    """A store that goes away whenever a run was begun."""

    error: Exception = field(kw_only=True)

    def start_run(self, *given: Any, **named: Any) -> runs_module.Run:
        """Begin a run."""
        return UnreachableRun(self.uri, super().start_run(*given, **named).run_id, self.error)


@pytest.mark.parametrize("error", [MlflowException("no answer"), OSError(28, "no answer")])
def test_an_outage_of_the_store_is_no_error_of_the_trial(tiny: Path, error: Exception) -> None:
    """It does not count, and its parameters are tried again."""
    sweep = planned(load_config(tiny), trials=1)
    study, store = open_study(sweep), connect("ecomclf")
    outage = Outage(store.uri, store.experiment_id, error=error)
    context = WorkerContext(sweep.config, sweep.split, outage, sweep.study_name, None)
    with pytest.raises(type(error), match="no answer"):
        prepare_worker(context)(TrialTask(0, "p"), lambda _: None)
    reconcile(study, store, alive=())
    assert studies.counted(study) == 0
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert [trial.info.status for trial in runs("trial")] == ["KILLED"]


def test_a_named_study_with_other_settings_leaves_no_run(tiny: Path) -> None:
    """Asking for a study that was made otherwise is refused before anything starts."""
    config = load_config(tiny)
    open_study(planned(config, trials=2, study="mine"))
    with pytest.raises(StudyError, match=r"train\.epochs was 2, is 3"):
        run(planned(config.with_values({"train.epochs": 3}), trials=2, study="mine"))
    assert runs("sweep") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no figure")])
def test_a_finished_sweep_does_not_suffer_from_its_report(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Ctrl-C or a failure while the report is written: the sweep is done, and stays done."""

    def fail(*_: Any) -> str:
        raise error

    monkeypatch.setattr(page, "render_report", fail)
    sweep = planned(load_config(tiny), trials=1)
    assert "no report: " in run(sweep)
    (parent,) = runs("sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"].startswith("**Version 1")
    assert "nothing to do" in run(sweep)


def test_interrupted_repeats_leave_the_result(
    finished: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the repeats comes after the evaluation, which the description still tells."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "repeat_with_seeds", interrupt)
    with pytest.raises(SweepInterruptedError):
        run(replace(finished, repeats=1))
    parent = runs("sweep")[-1]
    assert parent.info.status == "KILLED"
    assert parent.data.tags["mlflow.note.content"].startswith("**Version 1")
    assert "reaches a macro F1" in mlflow.artifacts.load_text(
        f"{parent.info.artifact_uri}/report.html"
    )
