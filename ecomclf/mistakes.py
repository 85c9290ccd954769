"""What goes wrong: the errors of a model, and labels of training rows that may be wrong."""

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from ecomclf.split import Rows

# A table that people read.
_MOST_ROWS = 500
_FOLDS = 5


def error_table(rows: Rows, probabilities: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """List the rows that a model gets wrong, the most confident first, 500 at most.

    Args:
        rows: of one side of a split.
        probabilities: float [rows, classes].
        classes: names of the labels.

    Returns:
        `text`, `true`, `predicted`, `confidence`.

    """
    return _table(rows, probabilities, classes)


def label_suspects(rows: Rows, classes: tuple[str, ...]) -> pd.DataFrame:
    """List rows whose label a model that has not seen them, nor their like, contradicts.

    TF-IDF and a logistic regression, fitted on the other four fifths of the groups; the most
    confident contradictions first, 500 at most (confident learning: Northcutt et al., 2021,
    arXiv:1911.00068). Rows of a class with fewer than 5 groups count too, less reliably.

    Returns:
        `text`, `true` (the label as given), `predicted`, `confidence`.

    """
    probabilities = np.zeros((len(rows), len(classes)))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    texts = np.array(rows.texts, dtype=object)
    for others, held_out in folds.split(texts, rows.labels, rows.groups):
        # A weak penalty: at the default the probabilities of many classes are all alike.
        model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10))
        model.fit(texts[others], rows.labels[others])
        known = model[-1].classes_
        probabilities[np.ix_(held_out, known)] = model.predict_proba(texts[held_out])
    return _table(rows, probabilities, classes)


def _table(rows: Rows, probabilities: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != rows.labels)
    ranked = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST_ROWS]
    return pd.DataFrame(
        {
            "text": [rows.texts[row] for row in ranked],
            "true": [classes[rows.labels[row]] for row in ranked],
            "predicted": [classes[predicted[row]] for row in ranked],
            "confidence": confidence[ranked].round(4),
        }
    )
