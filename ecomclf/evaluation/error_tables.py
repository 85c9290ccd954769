"""What a model says of some rows, what it gets wrong, and labels that may be wrong themselves."""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ecomclf.data.splitting import Subset, draw_subset
from ecomclf.text.vectorizer import token_pattern

# Tables that people read.
_SAMPLES = 10
_MOST_ROWS = 500
_MOST_LETTERS = 1000
_FOLDS = 5
# Of more training rows, so many are looked at: the fits of a million would take hours.
_MOST_SUSPECTED = 50_000


def error_table(rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """List the rows that a model gets wrong, the most confident first, 500 at most.

    Of longer texts the first 1,000 letters are given.

    Args:
        rows: of one side of a split.
        probabilities: float [rows, classes].
        classes: names of the labels.

    Returns:
        `text`, `true`, `predicted`, `confidence`.

    """
    return _table(rows, probabilities, classes, _confident_errors(rows, probabilities))


def sample_predictions(
    rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    """List what a model says of the first 10 rows, right or wrong; columns as in `error_table`."""
    return _table(rows, probabilities, classes, np.arange(min(len(rows), _SAMPLES)))


def label_suspects(rows: Subset, classes: tuple[str, ...]) -> pd.DataFrame:
    """List rows whose label a model that has not seen them, nor their like, contradicts.

    TF-IDF and a logistic regression, fitted on the other four fifths of the groups; the most
    confident contradictions first, 500 at most (confident learning: Northcutt et al., 2021,
    arXiv:1911.00068). Of more than 50,000 rows, so many are drawn and looked at.

    Returns:
        `text`, `true` (the label as given), `predicted`, `confidence`.

    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline

    rows = draw_subset(rows, _MOST_SUSPECTED)
    texts = np.array(rows.texts, dtype=object)
    # Rows that no fold could say anything of agree with their labels.
    probabilities = np.eye(len(classes))[rows.labels]
    count = min(_FOLDS, len(np.unique(rows.groups)))
    folds = GroupKFold(count, shuffle=True, random_state=0)
    for others, held_out in folds.split(texts, rows.labels, rows.groups):
        if len(np.unique(rows.labels[others])) < 2:
            continue
        # A weak penalty: at the default the probabilities of many classes are all alike.
        pattern = token_pattern(texts[others])
        features = TfidfVectorizer(token_pattern=pattern, sublinear_tf=True)
        model = make_pipeline(features, LogisticRegression(C=10))
        # More threads only wait for each other here, and take the cores from the trials.
        with threadpool_limits(1):
            model.fit(texts[others], rows.labels[others])
        known = model[-1].classes_
        probabilities[held_out] = 0
        probabilities[np.ix_(held_out, known)] = model.predict_proba(texts[held_out])
    return _table(rows, probabilities, classes, _confident_errors(rows, probabilities))


def _confident_errors(rows: Subset, probabilities: np.ndarray) -> np.ndarray:
    """Give the rows that are wrong, the most confident first; int64 [at most 500]."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != rows.labels)
    confidence = probabilities.max(axis=1)[wrong]
    return wrong[np.argsort(-confidence, kind="stable")][:_MOST_ROWS]


def _table(
    rows: Subset, probabilities: np.ndarray, classes: tuple[str, ...], chosen: np.ndarray
) -> pd.DataFrame:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return pd.DataFrame(
        {
            "text": [rows.texts[row][:_MOST_LETTERS] for row in chosen],
            "true": [classes[rows.labels[row]] for row in chosen],
            "predicted": [classes[predicted[row]] for row in chosen],
            "confidence": confidence[chosen].round(4),
        }
    )
