"""The winner of a sweep: chosen on validation rows, judged once on the test rows, registered once.

This is the one place of a sweep that reads test rows.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from mlflow.entities.model_registry import ModelVersion

from ecomclf.baseline import Baseline
from ecomclf.card import model_card
from ecomclf.config import Config
from ecomclf.data import DataReport
from ecomclf.evaluate import Report, evaluate
from ecomclf.gate import Champion, Comparison, Label, Verdict, compare, judge
from ecomclf.groups import group_keys
from ecomclf.leaderboard import leaderboard
from ecomclf.plots import confusion_figure
from ecomclf.registry import (
    CHAMPION,
    CONFIG_FILE,
    GATE,
    GATE_REASON,
    REPORT_FILE,
    SAMPLES_FILE,
    Registry,
)
from ecomclf.split import Split
from ecomclf.startup import start_tensorflow
from ecomclf.study import ID, chosen_values, complete
from ecomclf.tracking import CLASSIFIER_FOLDER, Run, Tracking

if TYPE_CHECKING:
    from ecomclf.classifier import Classifier

_SAMPLES = 10


@dataclass(frozen=True)
class Winner:
    """A trial, its and the baseline's figures on the test rows, its version, verdict and stage."""

    trial: int
    test: Report
    baseline_test: Report
    version: ModelVersion
    verdict: str
    stage: str | None


def judge_winner(
    config: Config,
    data: DataReport,
    split: Split,
    study: optuna.Study,
    tracking: Tracking,
    parent: Run,
    baseline: Baseline,
) -> Winner:
    """Judge the best trial, write it to the parent run, register it unless it already is."""
    start_tensorflow()
    from ecomclf.classifier import Classifier

    best = study.best_trial
    number = best.number
    study_id = study.user_attrs[ID]
    run = tracking.trial_runs(study_id)[number]
    with tempfile.TemporaryDirectory() as folder:
        saved = tracking.download(run.info.run_id, CLASSIFIER_FOLDER, Path(folder))
        classifier = Classifier.load(saved)
    probabilities = classifier.predict_probabilities(split.test.texts)
    report = evaluate(split.test.labels, probabilities, split.classes)

    metrics = run.data.metrics
    validation = {name: metrics[name] for name in metrics if name.startswith("val_")}
    yardstick = baseline.evaluate(split.test)
    parent.log_metrics(validation | report.metrics("test") | yardstick.metrics("baseline_test"))
    parent.tag(winner_trial=number, winner_run=run.info.run_id)
    parent.log_json(report.to_dict(), "report.json")
    parent.log_figure(confusion_figure(report, "test rows"), "confusion_matrix.png")
    parent.log_table(leaderboard(tracking, study.study_name)[1], "leaderboard.json")

    winning = config.with_values(chosen_values(config.sweep.space, best.params))
    registry = Registry(tracking.uri, config.registry.model)
    version = registry.find(study_id=study_id, trial=number)
    if version is None:
        sides = {"train": split.train, "validation": split.validation, "test": split.test}
        keys = {name: np.unique(group_keys(rows.texts)) for name, rows in sides.items()}
        files = {
            CONFIG_FILE: winning.as_yaml(),
            REPORT_FILE: json.dumps(report.to_dict(), ensure_ascii=False, indent=2),
            SAMPLES_FILE: json.dumps(split.test.texts[:_SAMPLES], ensure_ascii=False, indent=2),
        }
        model = parent.log_model(classifier, keys, files)
        version = registry.register(
            parent, model, study=study.study_name, study_id=study_id, trial=number
        )
    if GATE not in version.tags:
        comparison = _compare_with_champion(registry, classifier, split, config)
        verdict = judge(report, config.registry, comparison)
        card = model_card(winning, data, split, report, yardstick, verdict)
        _pass_gate(registry, version, verdict, config.registry.stage, card)
        version = registry.resolve(version=str(version.version))
    held = {held: stage for stage, held in registry.aliases().items()}
    return Winner(
        number,
        report,
        yardstick,
        version,
        version.tags[GATE_REASON],
        held.get(str(version.version)),
    )


def _compare_with_champion(
    registry: Registry, challenger: "Classifier", split: Split, config: Config
) -> Comparison | None:
    """Hold the challenger against the version in Production, where there is one."""
    from ecomclf.classifier import Classifier
    from ecomclf.flavor import GROUP_KEYS_FILE

    number = registry.aliases().get("Production")
    if number is None:
        return None
    version = registry.resolve(version=number)
    with tempfile.TemporaryDirectory() as folder:
        files = registry.download(version, Path(folder))
        with np.load(files / GROUP_KEYS_FILE, allow_pickle=False) as keys:
            seen = np.union1d(keys["train"], keys["validation"])
        champion = Champion(number, _labelling(Classifier.load(files)), seen)
    return compare(
        _labelling(challenger),
        champion,
        split.test,
        split.classes,
        least_rows=config.registry.min_common_rows,
    )


def _labelling(classifier: "Classifier") -> Label:
    return lambda texts: [
        classifier.classes[at] for at in classifier.predict_probabilities(texts).argmax(axis=1)
    ]


def _pass_gate(
    registry: Registry, version: ModelVersion, verdict: Verdict, stage: str, card: str
) -> None:
    """Write the verdict on the version, then let it have its stage; the tag says it is done."""
    number = str(version.version)
    comparison = verdict.comparison
    tags = {GATE_REASON: verdict.as_text()}
    if comparison is not None:
        tags[CHAMPION] = comparison.as_text()
    registry.describe(version, card, tags)
    if verdict.passed:
        compared = comparison is None or comparison.comparable
        registry.promote(number, stage if compared else "Staging", "passed the gate")
    registry.describe(version, card, {GATE: "passed" if verdict.passed else "refused"})


def keep_best_models(study: optuna.Study, tracking: Tracking, count: int) -> None:
    """Remove the saved classifiers of all but the best trials."""
    ranked = sorted(complete(study), key=lambda trial: (-(trial.value or 0.0), trial.number))
    kept = {trial.number for trial in ranked[:count]}
    for number, run in tracking.trial_runs(study.user_attrs[ID]).items():
        if number not in kept:
            tracking.delete_artifact(run, CLASSIFIER_FOLDER)
