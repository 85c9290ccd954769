"""How far a figure on test rows can be trusted: intervals by resampling groups of like texts.

Texts of one group rise and fall together, so whole groups are drawn, not rows (Cameron, Gelbach and
Miller, 2008, doi 10.1162/rest.90.3.414).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """A figure, and the bounds between which 95 % of its resampled values lie."""

    value: float
    low: float
    high: float

    def as_text(self) -> str:
        """Say it in a few words."""
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def weighted_f1_interval(labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> Interval:
    """Give weighted F1 with its interval; all int [rows]."""
    return _interval(labels, groups, lambda weights: _weighted_f1(labels, predicted, weights))


def difference_interval(
    labels: np.ndarray, predicted: np.ndarray, other: np.ndarray, groups: np.ndarray
) -> Interval:
    """Give weighted F1 of `predicted` minus that of `other` on the same rows; all int [rows]."""
    return _interval(
        labels,
        groups,
        lambda weights: (
            _weighted_f1(labels, predicted, weights) - _weighted_f1(labels, other, weights)
        ),
    )


def _interval(
    labels: np.ndarray, groups: np.ndarray, figure: Callable[[np.ndarray], float]
) -> Interval:
    generator = np.random.default_rng(0)
    _, group_of = np.unique(groups, return_inverse=True)
    count = int(group_of.max()) + 1
    drawn = [
        figure(np.bincount(generator.integers(0, count, count), minlength=count)[group_of])
        for _ in range(_DRAWS)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(figure(np.ones(len(labels))), float(low), float(high))


def _weighted_f1(labels: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Give the mean of the classes' F1, weighted by their rows, of rows that count so often."""
    size = int(max(labels.max(), predicted.max())) + 1
    true = np.bincount(labels, weights, size)
    said = np.bincount(predicted, weights, size)
    right = np.bincount(labels, weights * (labels == predicted), size)
    f1 = 2 * right / np.maximum(true + said, 1)
    return float((f1 * true).sum() / true.sum())
