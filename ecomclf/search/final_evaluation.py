"""The winner judged: once on the test rows, registered once, sent to the gate.

This is the one place of a sweep that reads test rows, but for `repeats`, which chooses nothing.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from mlflow.entities.model_registry import ModelVersion

from ecomclf.config.loading import Config
from ecomclf.data.dataset import DataReport
from ecomclf.data.near_duplicates import group_keys
from ecomclf.data.splitting import Split, Subset
from ecomclf.evaluation.calibration import coverage, expected_calibration_error, reliability
from ecomclf.evaluation.error_tables import error_table
from ecomclf.evaluation.figures import confusion_figure, reliability_figure
from ecomclf.evaluation.intervals import Interval, difference_interval, metric_intervals
from ecomclf.evaluation.report import Report, evaluate, evaluate_labels
from ecomclf.models.baseline import Baseline
from ecomclf.runtime.disk_cache import digest_of
from ecomclf.search.blending import Winner
from ecomclf.search.study import ID
from ecomclf.tracking.leaderboard import leaderboard
from ecomclf.tracking.model_card import model_card
from ecomclf.tracking.promotion_gate import (
    Champion,
    Comparison,
    GateDecision,
    Label,
    compare,
    judge,
)
from ecomclf.tracking.registry import (
    CHAMPION,
    CONFIG_FILE,
    ENSEMBLE_FILE,
    GATE,
    GATE_REASON,
    REPORT_FILE,
    SAMPLES_FILE,
    Registry,
)
from ecomclf.tracking.runs import Run, Tracking

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

_SAMPLES = 10


@dataclass(frozen=True)
class FinalEvaluation:
    """The winner's figures on the test rows, against each baseline, and what became of it.

    `differences` are weighted F1 of the winner minus that of the baseline of this name.
    """

    test: Report
    baselines: dict[str, Report]
    differences: dict[str, Interval]
    version: ModelVersion
    verdict: str
    stage: str | None


def evaluate_winner(
    config: Config,
    data: DataReport,
    split: Split,
    study: optuna.Study,
    tracking: Tracking,
    parent: Run,
    winner: Winner,
    baselines: Mapping[str, Baseline],
) -> FinalEvaluation:
    """Judge a winner, write it to the parent run, register it unless it already is.

    `baselines` are known by the prefix of their figures; the first is the gate's yardstick.
    """
    classifier = winner.classifier
    probabilities = classifier.predict_proba(split.test.texts)
    test = evaluate(split.test.labels, probabilities, split.classes)
    validation = evaluate(split.validation.labels, winner.probabilities, split.classes)
    predicted = probabilities.argmax(axis=1)
    labels, groups = split.test.labels, split.test.groups
    others = {name: each.predict(split.test.texts) for name, each in baselines.items()}
    reports = {
        name: evaluate_labels(labels, other, split.classes) for name, other in others.items()
    }
    differences = {
        name: difference_interval(labels, predicted, other, groups)
        for name, other in others.items()
    }

    parent.log_metrics(validation.metrics("val") | test.metrics("test"))
    for side, rows, answers in (
        ("val", split.validation, winner.probabilities),
        ("test", split.test, probabilities),
    ):
        _log_confidence(parent, side, rows, answers, classifier.threshold)
    for name, interval in metric_intervals(labels, predicted, groups).items():
        parent.log_metrics(_bounds(f"test_{name}", interval))
    for name, report in reports.items():
        difference = {f"{name}_difference": differences[name].value}
        bounds = _bounds(f"{name}_difference", differences[name])
        parent.log_metrics(report.metrics(f"{name}_test") | difference | bounds)
    _log_winner(parent, study, tracking, winner, test)
    parent.log_table(
        error_table(split.validation, winner.probabilities, split.classes),
        "validation_errors.json",
    )
    if config.winner.test_errors:
        parent.log_table(error_table(split.test, probabilities, split.classes), "test_errors.json")

    registry = Registry(tracking.uri, config.registry.model)
    version = _register(registry, parent, study, split, winner, test, config)
    if GATE not in version.tags:
        comparison = _compare_with_champion(registry, version, classifier, split, config)
        first = next(iter(baselines))
        verdict = judge(
            test,
            config.registry,
            comparison,
            baseline=differences[first],
            honest=split.protocol == "groups",
        )
        card = model_card(winner, data, split, test, reports[first], verdict)
        _pass_gate(registry, version, verdict, config.registry.stage, card)
        version = registry.resolve(version=str(version.version))
    held = {held: stage for stage, held in registry.aliases().items()}
    return FinalEvaluation(
        test,
        reports,
        differences,
        version,
        version.tags[GATE_REASON],
        held.get(str(version.version)),
    )


def _log_confidence(
    run: Run, side: str, rows: Subset, probabilities: np.ndarray, threshold: float
) -> None:
    """Log what the confidence of answers is worth on one side."""
    bins = reliability(rows.labels, probabilities)
    covered, precision = coverage(rows.labels, probabilities, threshold)
    figures = {
        f"{side}_calibration_error": expected_calibration_error(bins),
        f"{side}_coverage": covered,
    }
    # With nothing covered there is no precision, and MLflow takes no figure for that.
    run.log_metrics(
        figures if precision is None else figures | {f"{side}_covered_precision": precision}
    )
    names = {"val": "validation", "test": "test"}
    run.log_figure(reliability_figure(bins, f"{names[side]} rows"), f"{side}_reliability.png")


def _bounds(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


def _log_winner(
    parent: Run, study: optuna.Study, tracking: Tracking, winner: Winner, test: Report
) -> None:
    runs = tracking.trial_runs(study.user_attrs[ID])
    best = winner.trials[0]
    parent.tag(
        winner_trial=best,
        winner_run=runs[best].info.run_id,
        winner_trials=" ".join(map(str, winner.trials)),
    )
    parent.log_json(
        {"trials": winner.trials, "threshold": winner.classifier.threshold, **asdict(winner.blend)},
        "winner.json",
    )
    parent.log_json(test.to_dict(), "report.json")
    parent.log_figure(confusion_figure(test, "test rows"), "confusion_matrix.png")
    table = leaderboard(tracking, study_id=study.user_attrs[ID])
    parent.log_table(table[1], "leaderboard.json")


def _register(
    registry: Registry,
    parent: Run,
    study: optuna.Study,
    split: Split,
    winner: Winner,
    test: Report,
    config: Config,
) -> ModelVersion:
    """Register the winner, or give the version that a command killed later than that has left."""
    from ecomclf.models.ensemble import describe

    networks = dict(zip(winner.trials, (each.model for each in winner.configs), strict=True))
    ensemble = describe(networks, winner.blend)
    # What the gate asks for belongs to it: with other floors the same winner is judged anew.
    floors = config.registry.model_dump_json()
    recipe = digest_of([ensemble, repr(winner.classifier.threshold), floors])
    version = registry.find(study_id=study.user_attrs[ID], recipe=recipe)
    if version is not None:
        return version
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    keys = {name: np.unique(group_keys(rows.texts)) for name, rows in sides.items()}
    files = {
        CONFIG_FILE: winner.configs[0].to_yaml(),
        ENSEMBLE_FILE: ensemble,
        REPORT_FILE: json.dumps(test.to_dict(), ensure_ascii=False, indent=2),
        SAMPLES_FILE: json.dumps(split.test.texts[:_SAMPLES], ensure_ascii=False, indent=2),
    }
    model = parent.log_model(winner.classifier, keys, files)
    return registry.register(
        parent,
        model,
        study=study.study_name,
        study_id=study.user_attrs[ID],
        trials=" ".join(map(str, winner.trials)),
        recipe=recipe,
    )


def _compare_with_champion(
    registry: Registry,
    version: ModelVersion,
    challenger: "Classifier",
    split: Split,
    config: Config,
) -> Comparison | None:
    """Hold a version's classifier against that in Production, where there is another."""
    from ecomclf.models.classifier import Classifier
    from ecomclf.tracking.mlflow_flavor import GROUP_KEYS_FILE

    number = registry.aliases().get("Production")
    # Killed after it was promoted, the version itself is there.
    if number is None or number == str(version.version):
        return None
    held = registry.resolve(version=number)
    with tempfile.TemporaryDirectory() as folder:
        files = registry.download(held, Path(folder))
        # A version that no sweep has made does not say what it has seen.
        if not (files / GROUP_KEYS_FILE).exists():
            return Comparison(number, 0)
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
        classifier.classes[at] for at in classifier.predict_proba(texts).argmax(axis=1)
    ]


def _pass_gate(
    registry: Registry, version: ModelVersion, verdict: GateDecision, stage: str, card: str
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
