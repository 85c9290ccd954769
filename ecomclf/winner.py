"""The winner of a sweep: chosen on validation rows, judged once on the test rows, registered once.

This is the one place of a sweep that reads test rows.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import optuna
from mlflow.entities.model_registry import ModelVersion
from optuna.trial import TrialState

from ecomclf import registry
from ecomclf.baseline import Baseline
from ecomclf.config import Config
from ecomclf.evaluate import Report, evaluate
from ecomclf.leaderboard import leaderboard
from ecomclf.plots import confusion_figure
from ecomclf.split import Split
from ecomclf.startup import start_tensorflow
from ecomclf.tracking import CLASSIFIER_FOLDER, Run, Tracking


@dataclass(frozen=True)
class Winner:
    """A trial, its figures on the test rows, and the version it was registered as."""

    trial: int
    test: Report
    version: ModelVersion


def judge_winner(
    config: Config,
    split: Split,
    study: optuna.Study,
    tracking: Tracking,
    parent: Run,
    baseline: Baseline,
) -> Winner:
    """Judge the best trial, write it to the parent run, register it unless it already is."""
    start_tensorflow()
    from ecomclf.classifier import Classifier

    number = study.best_trial.number
    run = tracking.trial_runs(study.study_name)[number]
    with tempfile.TemporaryDirectory() as folder:
        saved = tracking.download(run.info.run_id, CLASSIFIER_FOLDER, Path(folder))
        classifier = Classifier.load(saved)
    probabilities = classifier.predict_probabilities(split.test.texts)
    report = evaluate(split.test.labels, probabilities, split.classes)

    metrics = run.data.metrics
    validation = {name: metrics[name] for name in metrics if name.startswith("val_")}
    parent.log_metrics(validation | report.metrics("test") | baseline.test.metrics("baseline_test"))
    parent.tag(winner_trial=number, winner_run=run.info.run_id)
    parent.log_json(report.to_dict(), "report.json")
    parent.log_figure(confusion_figure(report, "test rows"), "confusion_matrix.png")
    parent.log_table(leaderboard(tracking, study.study_name)[1], "leaderboard.json")

    name = config.tracking.registered_model
    version = registry.find_version(tracking.uri, name, study=study.study_name, trial=number)
    if version is None:
        model = parent.log_model(classifier)
        version = registry.register(parent, model, name, study=study.study_name, trial=number)
    return Winner(number, report, version)


def keep_best_models(study: optuna.Study, tracking: Tracking, count: int) -> None:
    """Remove the saved classifiers of all but the best trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranked = sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
    kept = {trial.number for trial in ranked[:count]}
    for number, run in tracking.trial_runs(study.study_name).items():
        if number not in kept:
            tracking.delete_artifact(run, CLASSIFIER_FOLDER)
