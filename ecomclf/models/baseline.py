"""Baselines: TF-IDF and a linear SVM, evaluated with the same metrics as the networks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecomclf.data.splitting import Split, Subset, draw_subset
from ecomclf.evaluation.report import Report, evaluate_labels
from ecomclf.models.linear_svm import fit_linear_svm
from ecomclf.text.vectorizer import token_pattern

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

# The grid that tuning searches: (ngrams, sublinear) and C. The first of each is scikit-learn's
# default.
_FEATURES = ((1, False), (1, True), (2, True))
_PENALTIES = (1.0, 0.1, 0.3, 3.0)
_MAX_TUNING_ROWS = 50_000
# An SVM has one weight per class and feature, and a large catalogue has tens of millions of word
# pairs; above these limits only the most frequent features are kept.
_MAX_FEATURES = 1_000_000
_MAX_WEIGHTS = 100_000_000


@dataclass(frozen=True)
class Baseline:
    """A fitted scikit-learn `TfidfVectorizer` and `LinearSVC`.

    A baseline reads raw texts, so that it does not depend on a trial's cleaning steps.

    Attributes:
        ngrams: features are sequences of 1 to `ngrams` words.
        sublinear: whether a term frequency tf is replaced by 1 + log(tf).
        c: inverse strength of the SVM's penalty.
        classes: class names, in the order of the labels.
        features: the fitted vectorizer.
        svm: the fitted classifier.

    Example:
        >>> texts = ("running shoe", "leather shoe", "straw hat", "wool hat")
        >>> labels, groups = np.array([0, 0, 1, 1]), np.arange(4)
        >>> baseline = fit_baseline(Subset(texts, labels, groups), ("Shoes", "Hats"))
        >>> baseline.predict(("red shoe", "old hat")).tolist()
        [0, 1]

    """

    ngrams: int
    sublinear: bool
    c: float
    classes: tuple[str, ...]
    features: "TfidfVectorizer"
    svm: "LinearSVC"

    def settings(self) -> dict[str, object]:
        """Return the settings under their parameter names, as logged to a run."""
        return {
            "baseline.ngrams": self.ngrams,
            "baseline.sublinear": self.sublinear,
            "baseline.c": self.c,
        }

    def predict(self, texts: tuple[str, ...]) -> np.ndarray:
        """Return the predicted labels of raw texts; int32 [texts]."""
        return np.asarray(self.svm.predict(self.features.transform(texts)), np.int32)

    def evaluate(self, rows: Subset) -> Report:
        """Return the metrics on some rows; without probabilities there is no loss."""
        return evaluate_labels(rows.labels, self.predict(rows.texts), self.classes)


def fit_baselines(split: Split, monitor: str) -> dict[str, Baseline]:
    """Fit one baseline with default settings and one tuned on the validation rows.

    Args:
        split: only its training and validation rows are used.
        monitor: the metric to tune for: `val_accuracy`, `val_f1_macro` or `val_f1_weighted`.

    Returns:
        The baselines by the prefix of their metrics: `baseline`, `tuned_baseline`.

    """
    metric = monitor.removeprefix("val_")
    return {
        "baseline": fit_baseline(split.train, split.classes),
        "tuned_baseline": tune_baseline(split.train, split.validation, split.classes, metric),
    }


def fit_baseline(train: Subset, classes: tuple[str, ...]) -> Baseline:
    """Fit the vectorizer and the SVM with scikit-learn's default settings."""
    (ngrams, sublinear), c = _FEATURES[0], _PENALTIES[0]
    return _fit(train, classes, ngrams, sublinear, c)


def tune_baseline(
    train: Subset, validation: Subset, classes: tuple[str, ...], metric: str
) -> Baseline:
    """Fit a small grid of settings and return the best on the validation rows.

    With more than 50,000 training rows, the settings are compared on a random 50,000 of them, and
    the best is refitted on all.

    Args:
        train: rows to fit on.
        validation: rows to compare the settings on.
        classes: class names, in the order of the labels.
        metric: `accuracy`, `f1_macro` or `f1_weighted`.

    """
    drawn = draw_subset(train, _MAX_TUNING_ROWS)
    scores = {}
    for ngrams, sublinear in _FEATURES:
        vectorizer = _vectorizer(drawn, len(classes), ngrams, sublinear)
        fitted = vectorizer.fit_transform(drawn.texts)
        held_out = vectorizer.transform(validation.texts)
        for c in _PENALTIES:
            svm = fit_linear_svm(fitted, drawn.labels, c)
            report = evaluate_labels(validation.labels, svm.predict(held_out), classes)
            scores[ngrams, sublinear, c] = getattr(report, metric)
    return _fit(train, classes, *max(scores, key=lambda settings: scores[settings]))


def _fit(
    train: Subset, classes: tuple[str, ...], ngrams: int, sublinear: bool, c: float
) -> Baseline:
    vectorizer = _vectorizer(train, len(classes), ngrams, sublinear)
    svm = fit_linear_svm(vectorizer.fit_transform(train.texts), train.labels, c)
    return Baseline(ngrams, sublinear, c, classes, vectorizer, svm)


def _vectorizer(train: Subset, classes: int, ngrams: int, sublinear: bool) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        token_pattern=token_pattern(train.texts),
        ngram_range=(1, ngrams),
        sublinear_tf=sublinear,
        max_features=min(_MAX_FEATURES, _MAX_WEIGHTS // classes),
    )
