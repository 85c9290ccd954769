"""Labels and probabilities → `Report`."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# Figures of a `Report` that labels alone decide.
SCORES = ("accuracy", "f1_macro", "f1_weighted")
# The smallest float32 above 0 keeps a certain mistake finite.
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
    """How good predictions are on one side of a split.

    `loss` is the mean cross-entropy in nats, None where there are no probabilities.
    `mean_absolute_error` is in the unit of the classes where all of them are numbers, as stars are,
    else None. `f1_macro` is
    the mean of the F1 of the classes that are true or predicted somewhere, `f1_weighted` the mean
    weighted by rows. `confusion` counts rows, [true class][predicted class].
    """

    rows: int
    loss: float | None
    accuracy: float
    f1_macro: float
    f1_weighted: float
    mean_absolute_error: float | None
    classes: dict[str, ClassMetrics]
    confusion: tuple[tuple[int, ...], ...]

    def metrics(self, prefix: str) -> dict[str, float]:
        """Give the figures under their logged names, such as `test_f1_macro`."""
        names = ("loss", *SCORES, "mean_absolute_error")
        figures = {name: getattr(self, name) for name in names}
        return {f"{prefix}_{name}": value for name, value in figures.items() if value is not None}

    def summary(self, side: str) -> str:
        """Say the figures of a side in one line."""
        error = self.mean_absolute_error
        return (
            f"{side} accuracy {self.accuracy:.4f}, macro F1 {self.f1_macro:.4f}, "
            f"weighted F1 {self.f1_weighted:.4f}"
            + ("" if error is None else f", mean absolute error {error:.4f}")
        )

    def as_text(self) -> str:
        """Give the classification report that scikit-learn prints, from the same figures."""
        width = max(len("weighted F1"), *map(len, self.classes))
        lines = [f"{'':{width}}  precision  recall      F1    rows"]
        for name, each in self.classes.items():
            figures = f"{each.precision:9.4f}  {each.recall:6.4f}  {each.f1:6.4f}  {each.support:6}"
            lines.append(f"{name:{width}}  {figures}")
        for name, value in (
            ("accuracy", self.accuracy),
            ("macro F1", self.f1_macro),
            ("weighted F1", self.f1_weighted),
        ):
            lines.append(f"{name:{width}}  {value:25.4f}  {self.rows:6}")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return asdict(self)


def evaluate(labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> Report:
    """Compare true labels with class probabilities.

    Args:
        labels: int32 [rows], indices into `classes`.
        probabilities: float32 [rows, classes].
        classes: names, for the report.

    """
    loss = cross_entropy(labels, probabilities)
    return evaluate_labels(labels, probabilities.argmax(axis=1), classes, loss=loss)


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the mean of -log of the true class's probability, in nats."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


def evaluate_labels(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    *,
    loss: float | None = None,
) -> Report:
    """Compare true with predicted labels, both int [rows]."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    every = np.arange(len(classes))
    figures = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0.0)
    precision, recall, f1, support = figures
    # Test rows of a file of their own may lack a class: nothing can be said of it.
    seen = (support > 0) | np.isin(every, predicted)
    return Report(
        rows=len(labels),
        loss=loss,
        accuracy=float((labels == predicted).mean()),
        f1_macro=float(f1[seen].mean()),
        f1_weighted=float(np.average(f1, weights=support)),
        mean_absolute_error=_mean_absolute_error(labels, predicted, classes),
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


def _mean_absolute_error(
    labels: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]
) -> float | None:
    """Give the mean distance between true and predicted class, where classes are numbers."""
    try:
        values = np.array([float(name) for name in classes])
    except ValueError:
        return None
    if not np.isfinite(values).all():
        return None
    return float(np.abs(values[labels] - values[predicted]).mean())
