"""Metrics of predicted labels or probabilities: `Report`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from ecomclf.data.class_names import list_names

# Metrics of a `Report` that predicted labels determine, without probabilities.
SCORES = ("accuracy", "f1_macro", "f1_weighted")
# What they are called in messages.
SCORE_NAMES = {"accuracy": "accuracy", "f1_macro": "macro F1", "f1_weighted": "weighted F1"}
# Probabilities are clipped here, so that the loss of a certain mistake stays finite: the smallest
# normal float32 above 0.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class, each 0 where undefined, and its number of rows."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Report:
    """Metrics of predictions on one subset of a split; `evaluate` computes them.

    Attributes:
        rows: number of rows.
        loss: mean cross-entropy in nats, or None if there are no probabilities.
        accuracy: fraction of rows that are classified correctly.
        f1_macro: unweighted mean F1 of the classes that occur among true or predicted labels.
        f1_weighted: mean F1, weighted by the number of rows of each class.
        mean_absolute_error: mean distance between true and predicted class where the classes are
            an order of numbers, such as stars (see `as_ordered`); else None.
        classes: metrics of each class by name.
        confusion: numbers of rows, `confusion[true][predicted]`.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
        >>> report = evaluate(labels, probabilities, ("hats", "shoes"))
        >>> report.accuracy, report.confusion
        (0.75, ((2, 0), (1, 1)))
        >>> report.classes["hats"].recall
        1.0
        >>> report.summary("test")
        'test accuracy 0.7500, macro F1 0.7333, weighted F1 0.7333'

    """

    rows: int
    loss: float | None
    accuracy: float
    f1_macro: float
    f1_weighted: float
    mean_absolute_error: float | None
    classes: dict[str, ClassMetrics] = field(repr=False)
    confusion: tuple[tuple[int, ...], ...] = field(repr=False)

    @property
    def never_predicted(self) -> tuple[str, ...]:
        """The classes that have rows, none of which, nor any other, got them as prediction."""
        predicted = np.sum(self.confusion, axis=0)
        return tuple(
            name
            for count, (name, each) in zip(predicted, self.classes.items(), strict=True)
            if each.support and not count
        )

    def as_ordered(self) -> Self:
        """Return the report with the mean absolute error; all class names must be numbers.

        >>> stars = ("1", "2", "5")
        >>> report = evaluate_labels(np.array([0, 2]), np.array([0, 1]), stars)
        >>> report.as_ordered().mean_absolute_error
        1.5

        """
        values = np.array([float(name) for name in self.classes])
        distances = np.abs(values[:, None] - values)
        error = float((distances * np.array(self.confusion)).sum() / self.rows)
        return replace(self, mean_absolute_error=error)

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return the overall metrics by the names that runs log, such as `test_f1_macro`."""
        names = ("loss", *SCORES, "mean_absolute_error")
        values = {name: getattr(self, name) for name in names}
        return {f"{prefix}_{name}": value for name, value in values.items() if value is not None}

    def summary(self, side: str) -> str:
        """Return the metrics in one line that starts with the name of the subset."""
        error = self.mean_absolute_error
        return (
            f"{side} accuracy {self.accuracy:.4f}, macro F1 {self.f1_macro:.4f}, "
            f"weighted F1 {self.f1_weighted:.4f}"
            + ("" if error is None else f", mean absolute error {error:.4f}")
        )

    def as_text(self) -> str:
        """Return a table of all metrics, like scikit-learn's `classification_report`.

        Classes that are never predicted are named below it.
        """
        width = max(len("weighted F1"), *map(len, self.classes))
        lines = [f"{'':{width}}  precision  recall      F1    rows"]
        for name, each in self.classes.items():
            values = f"{each.precision:9.4f}  {each.recall:6.4f}  {each.f1:6.4f}  {each.support:6}"
            lines.append(f"{name:{width}}  {values}")
        for name, value in (
            ("accuracy", self.accuracy),
            ("macro F1", self.f1_macro),
            ("weighted F1", self.f1_weighted),
        ):
            lines.append(f"{name:{width}}  {value:25.4f}  {self.rows:6}")
        if self.never_predicted:
            lines += ["", f"never predicted: {list_names(map(repr, self.never_predicted))}"]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that can be written as JSON."""
        return asdict(self) | {"never_predicted": list(self.never_predicted)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the report that `to_dict` was called on, also after a round trip through JSON."""
        classes = {name: ClassMetrics(**each) for name, each in values["classes"].items()}
        confusion = tuple(tuple(row) for row in values["confusion"])
        read = {**values, "classes": classes, "confusion": confusion}
        return cls(**{each.name: read[each.name] for each in fields(cls)})


def evaluate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    *,
    ordered: bool = False,
) -> Report:
    """Compare true labels with class probabilities; the most probable class is the prediction.

    Args:
        labels: int [rows], indices into `classes`.
        probabilities: float [rows, classes].
        classes: class names.
        ordered: the class names are numbers whose distance counts, see `Report.as_ordered`.

    Example:
        >>> probabilities = np.array([[0.75, 0.25], [0.5, 0.5]])
        >>> report = evaluate(np.array([0, 0]), probabilities, ("hats", "shoes"))
        >>> round(report.loss, 4)
        0.4904

    """
    loss = cross_entropy(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    return evaluate_labels(labels, predicted, classes, loss=loss, ordered=ordered)


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log probability of the true class, in nats."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def evaluate_labels(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    *,
    loss: float | None = None,
    ordered: bool = False,
) -> Report:
    """Compare true with predicted labels.

    Args:
        labels: int [rows], indices into `classes`.
        predicted: int [rows], indices into `classes`.
        classes: class names.
        loss: mean cross-entropy to include in the report, if known.
        ordered: the class names are numbers whose distance counts, see `Report.as_ordered`.

    Example:
        >>> stars = ("1", "2", "5")
        >>> report = evaluate_labels(np.array([0, 2]), np.array([0, 1]), stars, ordered=True)
        >>> report.accuracy, report.mean_absolute_error, report.never_predicted
        (0.5, 1.5, ('5',))

    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    every = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0.0
    )
    # A separate test file may lack a class; one that is not predicted either has no F1.
    present = (support > 0) | np.isin(every, predicted)
    report = Report(
        rows=len(labels),
        loss=loss,
        accuracy=float((labels == predicted).mean()),
        f1_macro=float(f1[present].mean()),
        f1_weighted=float(np.average(f1, weights=support)),
        mean_absolute_error=None,
        classes={
            name: ClassMetrics(
                float(precision[at]), float(recall[at]), float(f1[at]), int(support[at])
            )
            for at, name in enumerate(classes)
        },
        confusion=tuple(
            tuple(int(count) for count in row)
            for row in confusion_matrix(labels, predicted, labels=every)
        ),
    )
    return report.as_ordered() if ordered else report
