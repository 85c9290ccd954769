"""Tables of predictions, of errors, and of training labels that may be wrong."""

import numpy as np
import pandas as pd

from ecomclf.data.splitting import Subset, draw_subset
from ecomclf.evaluation.cross_validation import (
    OutOfFold,
    predict_out_of_fold,
    uses_logistic_regression,
)

# Limits that keep the tables readable.
_SAMPLES = 10
_MAX_ROWS = 500
_MAX_CHARACTERS = 1000
# Of larger training sets a sample of this size is checked: reading a million takes minutes.
_MAX_ROWS_CHECKED = 50_000


def error_table(rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return the misclassified rows, the most confident first, at most 500.

    Args:
        rows: one subset of a split.
        probabilities: float [rows, classes].
        classes: class names.

    Returns:
        Columns `text` (its first 1,000 characters), `true`, `predicted`, `confidence`.

    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != rows.labels)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MAX_ROWS]
    return _table(rows, predicted, confidence, classes, chosen)


def sample_predictions(
    rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Return the predictions of the first 10 rows; arguments and columns as in `error_table`."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return _table(rows, predicted, confidence, classes, np.arange(min(len(rows), _SAMPLES)))


def label_suspects(rows: Subset, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return rows whose label is probably wrong: out-of-fold predictions contradict it.

    See `predict_out_of_fold` for the models. Of more than 50,000 rows a random sample is checked;
    `describe_label_check` says so.

    The table is empty if there are too few groups, classes or words to train models.

    Args:
        rows: training rows.
        classes: class names.

    Returns:
        At most 500 rows, those with the least probable label first; columns as in `error_table`,
        where `true` is the label in the data, and `label_probability`, the probability of that
        label.

    """
    rows = draw_subset(rows, _MAX_ROWS_CHECKED)
    found = predict_out_of_fold(rows, len(classes))
    if found is None:
        # Agree with every label, so that no row is listed.
        ones = np.ones(len(rows), np.float32)
        found = OutOfFold(rows.labels, ones, ones, ones)
    wrong = np.flatnonzero(found.predicted != rows.labels)
    order = np.lexsort((-found.confidence[wrong], found.of_label[wrong]))
    chosen = wrong[order][:_MAX_ROWS]
    table = _table(rows, found.predicted, found.confidence, classes, chosen)
    # Four significant digits: most of these probabilities are small.
    return table.assign(label_probability=[float(f"{p:.4g}") for p in found.of_label[chosen]])


def describe_label_check(rows: Subset, classes: tuple[str, ...]) -> str | None:
    """Return one line on how `label_suspects` saves time, or None if it does not have to.

    >>> rows = Subset(("red shoe",) * 60_000, np.zeros(60_000, np.int32), np.arange(60_000))
    >>> describe_label_check(rows, ("Hats", "Shoes"))
    'labels checked: a random 50,000 of 60,000 training rows'
    >>> describe_label_check(rows, tuple(map(str, range(2000))))
    'labels checked: a random 50,000 of 60,000 training rows, by naive Bayes for 2,000 classes'

    """
    checked = draw_subset(rows, _MAX_ROWS_CHECKED)
    linear = uses_logistic_regression(checked.texts, len(classes))
    if linear and len(checked) == len(rows):
        return None
    drawn = "all" if len(checked) == len(rows) else f"a random {len(checked):,} of"
    model = "" if linear else f", by naive Bayes for {len(classes):,} classes"
    return f"labels checked: {drawn} {len(rows):,} training rows{model}"


def _table(
    rows: Subset,
    predicted: np.ndarray,
    confidence: np.ndarray,
    classes: tuple[str, ...],
    chosen: np.ndarray,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": [rows.texts[row][:_MAX_CHARACTERS] for row in chosen],
            "true": [classes[rows.labels[row]] for row in chosen],
            "predicted": [classes[predicted[row]] for row in chosen],
            "confidence": confidence[chosen].round(4),
        }
    )
