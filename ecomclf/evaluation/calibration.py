"""Confidence that means something: temperature, calibration error, threshold for a precision."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ecomclf.evaluation.report import SMALLEST_PROBABILITY, cross_entropy

# A threshold above every confidence.
OUT_OF_REACH = 2.0

_BINS = 15
# Temperatures outside are those of a model that knows nothing, or of a handful of rows.
_LOG_TEMPERATURE = (-5.0, 5.0)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Soften (above 1) or sharpen class probabilities; float [rows, classes] both."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))
    return np.asarray(softmax(logits / temperature, axis=1))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Find the temperature of least cross-entropy (Guo et al., 2017, arXiv:1706.04599).

    Where every row is right there is none: the lower, the better. Such rows say nothing of how sure
    to be, and it is 1.

    Args:
        labels: int32 [rows], of validation rows.
        probabilities: float [rows, classes].

    """
    from scipy.optimize import minimize_scalar

    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0
    found = minimize_scalar(
        lambda log: cross_entropy(labels, with_temperature(probabilities, np.exp(log))),
        bounds=_LOG_TEMPERATURE,
        method="bounded",
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Bin:
    """Rows of like confidence: how many, their mean confidence, the share that is right."""

    rows: int
    confidence: float
    accuracy: float


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> tuple[Bin, ...]:
    """Group rows by confidence in 15 bins of equal width; empty bins are left out."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    at = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(int(here.sum()), float(confidence[here].mean()), float(right[here].mean()))
        for here in (at == number for number in range(_BINS))
        if here.any()
    )


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """Give the mean distance of confidence and accuracy, bins weighted by their rows."""
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.confidence - each.accuracy) for each in bins) / rows


def threshold_for(labels: np.ndarray, probabilities: np.ndarray, precision: float) -> float:
    """Find the least confidence from which on predictions are right so often.

    Where there is none, it is `OUT_OF_REACH`, since confidences may be 1 and still be wrong.

    Args:
        labels: int32 [rows], of validation rows.
        probabilities: float [rows, classes].
        precision: share of right answers among those at or above the threshold.

    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    reached = np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= precision
    # Rows of equal confidence pass together, so only the last of them can be the end.
    ends = np.append(np.diff(confidence[order]) != 0, True)
    good = np.flatnonzero(reached & ends)
    return float(confidence[order[good[-1]]]) if len(good) else OUT_OF_REACH


def coverage(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float
) -> tuple[float, float | None]:
    """Give the share of rows at or above a threshold, and how many of these are right."""
    sure = probabilities.max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == labels
    return float(sure.mean()), float(right[sure].mean()) if sure.any() else None
