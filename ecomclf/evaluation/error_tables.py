"""Tables of predictions, of errors, and of training labels that may be wrong."""

import warnings

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ecomclf.data.splitting import Subset, draw_subset
from ecomclf.text.vectorizer import token_pattern

# Limits that keep the tables readable.
_SAMPLES = 10
_MAX_ROWS = 500
_MAX_CHARACTERS = 1000
_FOLDS = 5
# Of larger training sets a sample of this size is checked: fitting a million rows would take hours.
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
    return _table(rows, probabilities, classes, _confident_errors(rows, probabilities))


def sample_predictions(
    rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Return the predictions of the first 10 rows; arguments and columns as in `error_table`."""
    return _table(rows, probabilities, classes, np.arange(min(len(rows), _SAMPLES)))


def label_suspects(rows: Subset, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return rows whose label is probably wrong: a cross-validated model contradicts it.

    The model is a logistic regression on TF-IDF features. Folds keep groups whole, so that it was
    trained neither on the row nor on its near-duplicates. This is the idea of confident learning
    (Northcutt et al., 2021, arXiv:1911.00068). Of more than 50,000 rows a random sample is checked.

    The table is empty if there are too few groups, classes or words to train the model in each
    fold.

    Args:
        rows: training rows.
        classes: class names.

    Returns:
        At most 500 rows, the most confident predictions first; columns as in `error_table`, where
        `true` is the label in the data.

    """
    rows = draw_subset(rows, _MAX_ROWS_CHECKED)
    probabilities = _cross_validate(rows, len(classes))
    if probabilities is None:
        # Agree with every label, so that no row is listed.
        probabilities = np.eye(len(classes))[rows.labels]
    return error_table(rows, probabilities, classes)


def _cross_validate(rows: Subset, classes: int) -> np.ndarray | None:
    """Return out-of-fold class probabilities, or None if a fold has nothing to learn from.

    Returns:
        float64 [rows, classes], 0 for a class that the fold's training part lacks.

    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    texts = np.array(rows.texts, dtype=object)
    groups = len(np.unique(rows.groups))
    if groups < 2:
        return None
    folds = GroupKFold(min(_FOLDS, groups), shuffle=True, random_state=0)
    training = [train for train, _ in folds.split(texts, rows.labels, rows.groups)]
    if not all(_is_trainable(texts[train], rows.labels[train]) for train in training):
        return None
    # All folds share one pattern: scikit-learn's default only if it finds words in each of them.
    patterns = {token_pattern(texts[train]) for train in training}
    pattern = patterns.pop() if len(patterns) == 1 else r"(?u)\S+"
    features = TfidfVectorizer(token_pattern=pattern, sublinear_tf=True)
    # With scikit-learn's default penalty, the probabilities of many classes are almost equal.
    model = make_pipeline(features, LogisticRegression(C=10))
    # More BLAS threads are no faster here, and would take cores from the trials.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Number of classes in training fold", category=RuntimeWarning
        )
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        found = cross_val_predict(
            model, texts, rows.labels, groups=rows.groups, cv=folds, method="predict_proba"
        )
    probabilities = np.zeros((len(rows), classes))
    # A column for each class that occurs in the labels; a sample may lack rare ones.
    probabilities[:, np.unique(rows.labels)] = found
    return probabilities


def _is_trainable(texts: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether there are two classes and any word to tell them apart."""
    return len(np.unique(labels)) > 1 and any(text.strip() for text in texts)


def _confident_errors(rows: Subset, probabilities: np.ndarray) -> np.ndarray:
    """Return the misclassified row numbers, the most confident first; int64 [at most 500]."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != rows.labels)
    confidence = probabilities.max(axis=1)[wrong]
    return wrong[np.argsort(-confidence, kind="stable")][:_MAX_ROWS]


def _table(
    rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...], chosen: np.ndarray
) -> pd.DataFrame:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return pd.DataFrame(
        {
            "text": [rows.texts[row][:_MAX_CHARACTERS] for row in chosen],
            "true": [classes[rows.labels[row]] for row in chosen],
            "predicted": [classes[predicted[row]] for row in chosen],
            "confidence": confidence[chosen].round(4),
        }
    )
