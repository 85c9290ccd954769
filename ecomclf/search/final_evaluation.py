"""The winner on the test rows: read once, recorded, registered once, sent through the gate.

The test rows choose nothing. Only `seed_repeats` reads them again, which chooses nothing either.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.entities.model_registry import ModelVersion

from ecomclf.config.loading import Config
from ecomclf.data.data_report import DataReport
from ecomclf.data.near_duplicates import group_keys
from ecomclf.data.splitting import Split, Subset
from ecomclf.evaluation.calibration import (
    coverage,
    coverage_curve,
    expected_calibration_error,
    reliability,
)
from ecomclf.evaluation.error_tables import error_table
from ecomclf.evaluation.figures import confusion_figure, reliability_figure
from ecomclf.evaluation.intervals import (
    Interval,
    class_intervals,
    difference_interval,
    metric_intervals,
)
from ecomclf.evaluation.report import Report, evaluate, evaluate_labels
from ecomclf.models.baseline import Evaluated
from ecomclf.runtime.disk_cache import digest_of
from ecomclf.search.blending import Winner
from ecomclf.tracking.descriptions import describe_result
from ecomclf.tracking.evaluation_record import (
    CLASS_INTERVALS_FILE,
    CONFIDENCE_FILE,
    EVALUATION_FILE,
    FinalEvaluation,
)
from ecomclf.tracking.model_card import model_card
from ecomclf.tracking.promotion_gate import Champion, Comparison, compare, decide
from ecomclf.tracking.registry import CHAMPION, GATE, GATE_REASON, Registry
from ecomclf.tracking.runs import Run, as_json
from ecomclf.tracking.version_files import CONFIG_FILE, ENSEMBLE_FILE, REPORT_FILE, SAMPLES_FILE

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

_SAMPLES = 10


@dataclass(frozen=True)
class Job:
    """What a winner comes from: the config, the data and its split, and the run it belongs to.

    `study` and `study_id` name the study; of a single training they name its run.
    """

    config: Config
    data: DataReport
    split: Split
    run: Run
    study: str
    study_id: str

    @property
    def metric(self) -> str:
        """Return the metric of `Report` that `train.monitor` names."""
        return self.config.train.monitor.removeprefix("val_")


@dataclass(frozen=True)
class HeldOutScores:
    """A winner and the baselines on the test rows.

    Attributes:
        report: metrics of the winner.
        probabilities: float32 [test rows, classes].
        needs_review: bool [test rows].
        intervals: of the winner's metrics, by name.
        classes: of the winner's F1 of each class, by its name.
        baselines: metrics of each baseline, by its name.
        differences: metric of the winner minus that of each baseline, by its name.

    """

    report: Report
    probabilities: np.ndarray
    needs_review: np.ndarray
    intervals: dict[str, Interval]
    classes: dict[str, Interval]
    baselines: dict[str, Report]
    differences: dict[str, Interval]


def evaluate_winner(
    job: Job, winner: Winner, baselines: Mapping[str, Evaluated]
) -> FinalEvaluation:
    """Score a winner on the test rows, record it in the job's run, register it unless it is.

    Args:
        job: what it comes from.
        winner: chosen on validation rows.
        baselines: by name; the gate compares with the best of them.

    """
    scores = score_on_test_rows(job, winner, baselines)
    log_scores(job, winner, scores)
    registry = Registry(job.run.uri, job.config.registry.model)
    version = register(registry, job, winner, scores.report)
    champion = None
    if GATE not in version.tags:
        champion = pass_gate(registry, version, job, winner, scores)
        version = registry.resolve(version=str(version.version))
    stages = {number: stage for stage, number in registry.holders().items()}
    evaluation = FinalEvaluation(
        test=scores.report,
        baselines=scores.baselines,
        differences=scores.differences,
        metric=job.metric,
        model=registry.name,
        version=str(version.version),
        gate=version.tags[GATE_REASON],
        stage=stages.get(str(version.version)),
        intervals=scores.intervals,
        champion=champion,
    )
    job.run.log_json(evaluation.to_dict(), EVALUATION_FILE)
    job.run.describe(describe_result(evaluation, winner.made_of(), job.data, job.split))
    return evaluation


def score_on_test_rows(
    job: Job, winner: Winner, baselines: Mapping[str, Evaluated]
) -> HeldOutScores:
    """Predict the test rows with the winner and with each baseline."""
    test, classes, ordered = job.split.test, job.split.classes, job.split.ordered
    ids = winner.classifier.encode(test.texts)
    probabilities = winner.classifier.predict_encoded(ids)
    predicted = probabilities.argmax(axis=1)
    others = {name: each.baseline.predict(test.texts) for name, each in baselines.items()}
    return HeldOutScores(
        report=evaluate(test.labels, probabilities, classes, ordered=ordered),
        probabilities=probabilities,
        needs_review=winner.classifier.needs_review(ids, probabilities),
        intervals=metric_intervals(test.labels, predicted, test.groups),
        classes=class_intervals(test.labels, predicted, test.groups, classes),
        baselines={
            name: evaluate_labels(test.labels, other, classes, ordered=ordered)
            for name, other in others.items()
        },
        differences={
            name: difference_interval(test.labels, predicted, other, test.groups, score=job.metric)
            for name, other in others.items()
        },
    )


def log_scores(job: Job, winner: Winner, scores: HeldOutScores) -> None:
    """Log metrics, intervals, confidence, errors and the winner's make-up to the job's run."""
    run, split, classes = job.run, job.split, job.split.classes
    validation = _validation_report(job, winner)
    run.log_metrics(validation.metrics("val") | scores.report.metrics("test"))
    for name, interval in scores.intervals.items():
        run.log_metrics(_bounds(f"test_{name}", interval))
    for name, report in scores.baselines.items():
        difference = scores.differences[name]
        run.log_metrics(
            report.metrics(f"{name}/test")
            | {f"{name}/difference": difference.value}
            | _bounds(f"{name}_difference", difference)
        )
    sides = {
        "val": _log_confidence(
            run, "val", split.validation, winner.probabilities, winner.needs_review
        ),
        "test": _log_confidence(run, "test", split.test, scores.probabilities, scores.needs_review),
    }
    run.log_json({"threshold": winner.classifier.threshold, **sides}, CONFIDENCE_FILE)
    run.log_table(
        error_table(split.validation, winner.probabilities, classes), "validation_errors.json"
    )
    if job.config.winner.test_errors:
        run.log_table(error_table(split.test, scores.probabilities, classes), "test_errors.json")
    made_of = {
        "trials": winner.trials,
        "threshold": winner.classifier.threshold,
        **asdict(winner.blend),
    }
    run.log_json(made_of, "winner.json")
    run.log_json(scores.report.to_dict(), "report.json")
    run.log_json(
        {name: asdict(each) for name, each in scores.classes.items()}, CLASS_INTERVALS_FILE
    )
    run.log_figure(confusion_figure(scores.report, "test rows"), "confusion_matrix.png")


def _validation_report(job: Job, winner: Winner) -> Report:
    split = job.split
    return evaluate(
        split.validation.labels, winner.probabilities, split.classes, ordered=split.ordered
    )


def _log_confidence(
    run: Run, side: str, rows: Subset, probabilities: np.ndarray, needs_review: np.ndarray
) -> dict[str, Any]:
    """Log how far confidences can be trusted on one side of the split; return it as plain values.

    The bins of the reliability diagram, and the curve of coverage and precision by threshold.
    """
    bins = reliability(rows.labels, probabilities)
    covered, precision = coverage(rows.labels, probabilities, needs_review)
    metrics = {
        f"{side}_calibration_error": expected_calibration_error(bins),
        f"{side}_coverage": covered,
    }
    # Undefined when nothing is covered; MLflow has no value for that.
    if precision is not None:
        metrics[f"{side}_covered_precision"] = precision
    run.log_metrics(metrics)
    names = {"val": "validation", "test": "test"}
    run.log_figure(reliability_figure(bins, f"{names[side]} rows"), f"{side}_reliability.png")
    curve = coverage_curve(rows.labels, probabilities)
    return {"bins": [asdict(each) for each in bins], "curve": [asdict(each) for each in curve]}


def _bounds(name: str, interval: Interval) -> dict[str, float]:
    return {f"intervals/{name}_low": interval.low, f"intervals/{name}_high": interval.high}


def register(registry: Registry, job: Job, winner: Winner, test: Report) -> ModelVersion:
    """Register the winner, or return the version that an interrupted command registered."""
    from ecomclf.models.ensemble import describe

    networks = dict(zip(winner.trials, (each.model for each in winner.configs), strict=True))
    ensemble = describe(networks, winner.blend)
    # With other minimum metrics the same winner goes through the gate again, as a new version.
    rules = job.config.registry.model_dump_json()
    recipe = digest_of([ensemble, repr(winner.classifier.threshold), rules])
    version = registry.find(study_id=job.study_id, recipe=recipe)
    if version is not None:
        return version
    split = job.split
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    keys = {name: np.unique(group_keys(rows.texts)) for name, rows in sides.items()}
    files = {
        CONFIG_FILE: winner.configs[0].to_yaml(),
        ENSEMBLE_FILE: ensemble,
        REPORT_FILE: as_json(test.to_dict()),
        SAMPLES_FILE: as_json(split.test.texts[:_SAMPLES]),
    }
    return registry.register(
        job.run,
        job.run.log_model(winner.classifier, keys, files),
        study=job.study,
        study_id=job.study_id,
        trials=" ".join(map(str, winner.trials)),
        recipe=recipe,
    )


def pass_gate(
    registry: Registry, version: ModelVersion, job: Job, winner: Winner, scores: HeldOutScores
) -> Comparison | None:
    """Send a version through the promotion gate; if it passes, it gets its stage.

    Returns:
        The comparison with the champion, where there is one.

    The tag `gate` is written last: a command that is killed before that is repeated by the next.

    """
    config, number = job.config.registry, str(version.version)
    baseline = min(scores.differences, key=lambda name: scores.differences[name].value)
    decision = decide(
        scores.report,
        config,
        _compare_with_champion(registry, number, winner.classifier, job),
        baseline=scores.differences[baseline],
        leak_free=job.split.protocol == "groups",
        metric=job.metric,
    )
    card = model_card(
        winner.description(),
        winner.classifier.threshold,
        job.data,
        job.split,
        job.config.data.split_seed,
        scores.report,
        scores.baselines[baseline],
        decision,
        never_predicted=_validation_report(job, winner).never_predicted,
    )
    comparison = decision.comparison
    tags = {GATE_REASON: decision.as_text()}
    if comparison is not None:
        tags[CHAMPION] = comparison.as_text()
    registry.describe(version, card, tags)
    if decision.passed:
        compared = comparison is None or comparison.comparable
        registry.promote(number, config.stage if compared else "Staging", "passed the gate")
    registry.describe(version, card, {GATE: "passed" if decision.passed else "refused"})
    return comparison


def _compare_with_champion(
    registry: Registry, version: str, challenger: "Classifier", job: Job
) -> Comparison | None:
    """Compare a version's classifier with the champion; None where there is no other one."""
    from ecomclf.models.classifier import Classifier
    from ecomclf.tracking.mlflow_flavor import GROUP_KEYS_FILE

    number = registry.holders().get("Production")
    # A command that was killed after the promotion finds the version itself there.
    if number is None or number == version:
        return None
    held = registry.resolve(version=number)
    with tempfile.TemporaryDirectory() as folder:
        files = registry.download(held, Path(folder))
        # A version that was registered in another way does not say which texts it has seen.
        if not (files / GROUP_KEYS_FILE).exists():
            return Comparison(number, 0)
        with np.load(files / GROUP_KEYS_FILE, allow_pickle=False) as keys:
            seen = np.union1d(keys["train"], keys["validation"])
        champion = Classifier.load(files)
    return compare(
        lambda texts: challenger.predict(texts)["label"].tolist(),
        Champion(number, lambda texts: champion.predict(texts)["label"].tolist(), seen),
        job.split.test,
        job.split.classes,
        min_rows=job.config.registry.min_common_rows,
        metric=job.metric,
    )
