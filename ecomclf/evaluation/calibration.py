"""Calibration: temperature scaling, calibration error, and a threshold that reaches a precision."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ecomclf.evaluation.report import SMALLEST_PROBABILITY, cross_entropy

# Threshold that no confidence reaches: every prediction needs review.
OUT_OF_REACH = 2.0

_BINS = 15
# Bounds of the search. Temperatures outside of them only fit a useless model or a handful of rows.
_LOG_TEMPERATURE_BOUNDS = (-5.0, 5.0)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return class probabilities softened (temperature above 1) or sharpened (below 1).

    Args:
        probabilities: float [rows, classes].
        temperature: divides the logits.

    Returns:
        float64 [rows, classes].

    Example:
        >>> with_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
        [[0.667, 0.333]]

    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
    return np.asarray(softmax(logits / temperature, axis=1))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature of least cross-entropy (Guo et al., 2017, arXiv:1706.04599).

    If all rows are classified correctly, it is 1: any lower temperature would reduce the loss, so
    such rows do not determine how confident to be.

    Args:
        labels: int [rows], of validation rows.
        probabilities: float [rows, classes].

    """
    from scipy.optimize import minimize_scalar

    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0
    found = minimize_scalar(
        lambda log: cross_entropy(labels, with_temperature(probabilities, np.exp(log))),
        bounds=_LOG_TEMPERATURE_BOUNDS,
        method="bounded",
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Bin:
    """Rows of similar confidence: their number, mean confidence, and accuracy."""

    rows: int
    confidence: float
    accuracy: float


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> tuple[Bin, ...]:
    """Group rows by confidence into 15 bins of equal width; empty bins are left out.

    Args:
        labels: int [rows].
        probabilities: float [rows, classes].

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
        >>> reliability(np.array([0, 1, 1]), probabilities)
        (Bin(rows=1, confidence=0.6, accuracy=1.0), Bin(rows=2, confidence=0.9, accuracy=0.5))

    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(int(inside.sum()), float(confidence[inside].mean()), float(correct[inside].mean()))
        for inside in (bin_of == number for number in range(_BINS))
        if inside.any()
    )


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean distance between confidence and accuracy, bins weighted by their rows.

    Example:
        >>> round(expected_calibration_error((Bin(30, 0.9, 0.8), Bin(10, 0.6, 0.6))), 3)
        0.075

    """
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.confidence - each.accuracy) for each in bins) / rows


def threshold_for(labels: np.ndarray, probabilities: np.ndarray, precision: float) -> float:
    """Return the lowest confidence threshold at which predictions reach a precision.

    If there is none, it is `OUT_OF_REACH`; 1 would not do, since a confidence of exactly 1 may
    still be wrong.

    Args:
        labels: int [rows], of validation rows.
        probabilities: float [rows, classes].
        precision: required fraction of correct predictions among those at or above the threshold.

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
        >>> threshold_for(np.array([0, 0, 1]), probabilities, precision=0.9)
        0.8

    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    reached = np.cumsum(correct[order]) / np.arange(1, len(order) + 1) >= precision
    # Rows of equal confidence pass together, so only the last of them can set the threshold.
    is_last = np.append(np.diff(confidence[order]) != 0, True)
    candidates = np.flatnonzero(reached & is_last)
    return float(confidence[order[candidates[-1]]]) if len(candidates) else OUT_OF_REACH


@dataclass(frozen=True)
class CurvePoint:
    """What a confidence threshold would give: the rows at or above it, and their accuracy."""

    threshold: float
    coverage: float
    precision: float


def coverage_curve(
    labels: np.ndarray, probabilities: np.ndarray, *, most: int = 200
) -> tuple[CurvePoint, ...]:
    """Return coverage and precision by threshold, from the highest confidence to all rows.

    Args:
        labels: int [rows].
        probabilities: float [rows, classes].
        most: number of points at most; of more, some are left out evenly.

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
        >>> [point.precision for point in coverage_curve(np.array([0, 1, 0]), probabilities)]
        [1.0, 0.5, 0.6666666666666666]

    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    passed = np.arange(1, len(order) + 1)
    precision = np.cumsum(correct[order]) / passed
    # Rows of equal confidence pass together.
    last = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
    if len(last) > most:
        last = last[np.unique(np.linspace(0, len(last) - 1, most).round().astype(int))]
    return tuple(
        CurvePoint(
            float(confidence[order[at]]), float(passed[at] / len(order)), float(precision[at])
        )
        for at in last
    )


def coverage(
    labels: np.ndarray, probabilities: np.ndarray, needs_review: np.ndarray
) -> tuple[float, float | None]:
    """Return the fraction of rows that need no review, and their accuracy.

    Args:
        labels: int [rows].
        probabilities: float [rows, classes].
        needs_review: bool [rows].

    Returns:
        The fraction, and the accuracy of these rows, None if there are none.

    """
    passes = ~needs_review
    correct = probabilities.argmax(axis=1) == labels
    return float(passes.mean()), float(correct[passes].mean()) if passes.any() else None
