"""Confidence intervals of metrics, by a bootstrap that resamples groups of near-duplicates.

Near-duplicates tend to be right or wrong together. The bootstrap therefore draws whole groups
instead of rows (cluster bootstrap: Cameron, Gelbach & Miller, 2008, doi 10.1162/rest.90.3.414).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ecomclf.evaluation.report import SCORES

_DRAWS = 2000
# For each model: true, predicted and correctly predicted rows of each class, [draws, classes] each.
_Counts = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
# Draws computed together; for a million groups this many take 200 MB.
_DRAWS_AT_ONCE = 20


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval.

    Attributes:
        value: the metric, or the difference of two, on the rows as they are.
        low: 2.5 % quantile of its bootstrap distribution.
        high: 97.5 % quantile.

    Example:
        >>> Interval(0.0213, 0.0087, 0.0341).as_text()
        '+0.0213 [+0.0087, +0.0341]'

    """

    value: float
    low: float
    high: float

    def as_text(self) -> str:
        """Return the value and its bounds with signs, to four decimals."""
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def metric_intervals(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray
) -> dict[str, Interval]:
    """Return accuracy, macro F1 and weighted F1 with their confidence intervals.

    Args:
        labels: true labels, int [rows].
        predicted: predicted labels, int [rows].
        groups: group of near-duplicates of each row, int [rows].

    Returns:
        An interval for each name in `SCORES`.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> intervals = metric_intervals(labels, np.array([0, 0, 1, 0]), np.arange(4))
        >>> intervals["accuracy"]
        Interval(value=0.75, low=0.25, high=1.0)

    """
    found = _bootstrap(labels, groups, (predicted,), lambda counts: _scores(*counts[0]))
    return dict(zip(SCORES, found, strict=True))


def class_intervals(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, classes: Sequence[str]
) -> dict[str, Interval]:
    """Return the F1 of each class with its confidence interval.

    Args:
        labels: true labels, int [rows].
        predicted: predicted labels, int [rows].
        groups: group of near-duplicates of each row, int [rows].
        classes: class names.

    Returns:
        An interval per class, by its name; 0 to 0 for a class without rows and predictions. Draws
        without rows and predictions of a class tell nothing about it and are left out.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> found = class_intervals(labels, np.array([0, 0, 1, 0]), np.arange(4), ("a", "b"))
        >>> round(found["a"].value, 3), found["b"].low
        (0.8, 0.0)

    """
    found = _bootstrap(labels, groups, (predicted,), lambda counts: _class_f1(*counts[0]))
    # Classes above the highest number that occurs have no counts.
    missing = [Interval(0.0, 0.0, 0.0)] * (len(classes) - len(found))
    return dict(zip(classes, [*found, *missing], strict=True))


def difference_interval(
    labels: np.ndarray,
    predicted: np.ndarray,
    other: np.ndarray,
    groups: np.ndarray,
    *,
    score: str = "f1_weighted",
) -> Interval:
    """Return how much better one model is than another on the same rows.

    Args:
        labels: true labels, int [rows].
        predicted: labels predicted by the first model, int [rows].
        other: labels predicted by the other model, int [rows].
        groups: group of near-duplicates of each row, int [rows].
        score: the metric to compare, one of `SCORES`.

    Returns:
        The score of `predicted` minus that of `other`, with its paired confidence interval.

    Raises:
        ValueError: `score` is not one of `SCORES`.

    Example:
        >>> labels = np.array([0, 0, 1, 1])
        >>> predicted, other = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
        >>> difference_interval(labels, predicted, other, np.arange(4), score="accuracy")
        Interval(value=0.25, low=0.0, high=0.75)

    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)} but got {score!r}")

    def subtract(counts: _Counts) -> np.ndarray:
        return np.asarray(_scores(*counts[0]) - _scores(*counts[1]))

    found = _bootstrap(labels, groups, (predicted, other), subtract)
    return found[SCORES.index(score)]


def _bootstrap(
    labels: np.ndarray,
    groups: np.ndarray,
    predictions: Sequence[np.ndarray],
    score: Callable[[_Counts], np.ndarray],
) -> list[Interval]:
    """Return an interval for each of the values that `score` works out from row counts."""
    _, group_of = np.unique(groups, return_inverse=True)
    groups_count = int(group_of.max()) + 1
    classes = 1 + max(int(each.max()) for each in (labels, *predictions))

    def count_by_group(class_of: np.ndarray, counted: np.ndarray) -> csr_matrix:
        """Count rows; [groups, classes]."""
        return csr_matrix(
            (counted.astype(float), (group_of, class_of)), shape=(groups_count, classes)
        )

    every = np.ones(len(labels))
    true = count_by_group(labels, every)
    counts = [
        (count_by_group(each, every), count_by_group(labels, labels == each))
        for each in predictions
    ]

    def draw(times: np.ndarray) -> np.ndarray:
        """Return [draws, values], given [draws, groups] how often each group was drawn."""
        rows = times @ true
        return score([(rows, times @ predicted, times @ correct) for predicted, correct in counts])

    generator = np.random.default_rng(0)
    drawn = [draw(_draw_groups(generator, groups_count)) for _ in range(0, _DRAWS, _DRAWS_AT_ONCE)]
    values = draw(np.ones((1, groups_count)))[0]
    bounds = _quantiles(np.concatenate(drawn))
    values, bounds = np.nan_to_num(values), np.nan_to_num(bounds)
    return [
        Interval(float(value), float(low), float(high))
        for value, low, high in zip(values, *bounds, strict=True)
    ]


def _quantiles(drawn: np.ndarray) -> np.ndarray:
    """Return the 2.5 % and 97.5 % quantiles, [2, values], of what is defined of [draws, values].

    Those of a value without any defined draw are not a number.
    """
    if not np.isnan(drawn).any():
        return np.asarray(np.percentile(drawn, (2.5, 97.5), axis=0))
    bounds = np.full((2, drawn.shape[1]), np.nan)
    for column, values in enumerate(drawn.T):
        defined = values[~np.isnan(values)]
        if len(defined):
            bounds[:, column] = np.percentile(defined, (2.5, 97.5))
    return bounds


def _draw_groups(generator: np.random.Generator, count: int) -> np.ndarray:
    """Draw `count` groups with replacement; return how often each was drawn, [draws, groups]."""
    drawn = generator.integers(0, count, (_DRAWS_AT_ONCE, count))
    return np.stack([np.bincount(each, minlength=count) for each in drawn]).astype(float)


def _class_f1(true: np.ndarray, predicted: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return the F1 of each class, [draws, classes], not a number where it is undefined."""
    counted = true + predicted
    return np.where(counted > 0, 2 * correct / np.maximum(counted, 1), np.nan)


def _scores(true: np.ndarray, predicted: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return `SCORES` in their order, [draws, 3], from row counts [draws, classes]."""
    f1 = 2 * correct / np.maximum(true + predicted, 1)
    rows = true.sum(axis=1)
    # Macro F1 ignores a class that is neither true nor predicted, as `Report` does.
    present = (true + predicted > 0).sum(axis=1)
    return np.stack(
        [
            correct.sum(axis=1) / rows,
            f1.sum(axis=1) / present,
            (f1 * true).sum(axis=1) / rows,
        ],
        axis=1,
    )
