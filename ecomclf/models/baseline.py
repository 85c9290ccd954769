"""TF-IDF + linear model: the yardstick, giving the same `Report`.

It sees the texts as they are, so that it stays the same whatever a trial's cleaning.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecomclf.data.splitting import Split, Subset, draw_subset
from ecomclf.evaluation.report import Report, evaluate_labels
from ecomclf.text.vectorizer import token_pattern

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

# What tuning tries; the first of each is scikit-learn's default.
_FEATURES = ((1, False), (1, True), (2, True))
_PENALTIES = (1.0, 0.1, 0.3, 3.0)
_MOST_TUNED_ON = 50_000
# An SVM has a number for each class and feature, and pairs of words come by tens of millions in a
# large catalogue; of more features than these the rarest are left out.
_MOST_FEATURES = 1_000_000
_MOST_WEIGHTS = 100_000_000


@dataclass(frozen=True)
class Baseline:
    """A fitted `TfidfVectorizer` and `LinearSVC`.

    `ngrams` is the longest row of words that counts as a feature, `sublinear` whether a word counts
    by the logarithm of its number, `c` the SVM's inverse penalty.
    """

    ngrams: int
    sublinear: bool
    c: float
    classes: tuple[str, ...]
    features: "TfidfVectorizer"
    svm: "LinearSVC"

    def settings(self) -> dict[str, object]:
        """Give the settings as parameters of a run."""
        return {
            "baseline.ngrams": self.ngrams,
            "baseline.sublinear": self.sublinear,
            "baseline.c": self.c,
        }

    def predict(self, texts: tuple[str, ...]) -> np.ndarray:
        """Label texts; int32 [texts]."""
        return np.asarray(self.svm.predict(self.features.transform(texts)), np.int32)

    def evaluate(self, rows: Subset) -> Report:
        """Judge it on other rows."""
        return evaluate_labels(rows.labels, self.predict(rows.texts), self.classes)


def fit_baselines(split: Split, monitor: str) -> dict[str, Baseline]:
    """Fit it at its defaults and tuned, by the prefix of its figures; `monitor` is `val_…`."""
    figure = monitor.removeprefix("val_")
    return {
        "baseline": fit_baseline(split.train, split.classes),
        "tuned_baseline": tune_baseline(split.train, split.validation, split.classes, figure),
    }


def fit_baseline(train: Subset, classes: tuple[str, ...]) -> Baseline:
    """Fit both at their defaults."""
    (ngrams, sublinear), c = _FEATURES[0], _PENALTIES[0]
    return _fit(train, classes, ngrams, sublinear, c)


def tune_baseline(
    train: Subset, validation: Subset, classes: tuple[str, ...], figure: str
) -> Baseline:
    """Fit some settings of both, and give the best by a figure on validation rows.

    Of more than 50,000 training rows the settings are compared on so many, and the best of them
    fitted on all.

    Args:
        train: what each is fitted on.
        validation: what they are compared on.
        classes: names of the labels.
        figure: of `Report`: accuracy, f1_macro or f1_weighted.

    """
    drawn = draw_subset(train, _MOST_TUNED_ON)
    values = {}
    for ngrams, sublinear in _FEATURES:
        features = _features(drawn, len(classes), ngrams, sublinear)
        learned, seen = features.fit_transform(drawn.texts), features.transform(validation.texts)
        for c in _PENALTIES:
            svm = _svm(c).fit(learned, drawn.labels)
            report = evaluate_labels(validation.labels, svm.predict(seen), classes)
            values[ngrams, sublinear, c] = getattr(report, figure)
    return _fit(train, classes, *max(values, key=lambda settings: values[settings]))


def _fit(
    train: Subset, classes: tuple[str, ...], ngrams: int, sublinear: bool, c: float
) -> Baseline:
    features = _features(train, len(classes), ngrams, sublinear)
    svm = _svm(c).fit(features.fit_transform(train.texts), train.labels)
    return Baseline(ngrams, sublinear, c, classes, features, svm)


def _features(train: Subset, classes: int, ngrams: int, sublinear: bool) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        token_pattern=token_pattern(train.texts),
        ngram_range=(1, ngrams),
        sublinear_tf=sublinear,
        max_features=min(_MOST_FEATURES, _MOST_WEIGHTS // classes),
    )


def _svm(c: float) -> "LinearSVC":
    from sklearn.svm import LinearSVC

    return LinearSVC(C=c, random_state=0)
