"""A winner and the baselines on the test rows: worked out once, and logged to the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecomclf.data.splitting import Subset
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
from ecomclf.search.blending import Winner
from ecomclf.tracking.evaluation_record import (
    CLASS_INTERVALS_FILE,
    CONFIDENCE_FILE,
)
from ecomclf.tracking.runs import Run

if TYPE_CHECKING:
    pass

from ecomclf.search.job import Job


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
    validation = validation_report(job, winner)
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


def validation_report(job: Job, winner: Winner) -> Report:
    """Return the winner's metrics on the validation rows, which chose it."""
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
