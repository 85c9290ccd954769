"""TF-IDF + linear model: the yardstick, giving the same `Report`.

Default settings on the texts as they are, so that it stays the same whatever a trial's cleaning.
"""

from dataclasses import dataclass

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from ecomclf.evaluate import Report, evaluate_labels
from ecomclf.split import Split


@dataclass(frozen=True)
class Baseline:
    """The linear model's figures on validation and on test rows."""

    validation: Report
    test: Report


def fit_baseline(split: Split) -> Baseline:
    """Fit `TfidfVectorizer()` and `LinearSVC()` on the training rows, judge it on the others."""
    model = make_pipeline(TfidfVectorizer(), LinearSVC(random_state=0))
    model.fit(split.train.texts, split.train.labels)
    validation, test = (
        evaluate_labels(rows.labels, model.predict(rows.texts), split.classes)
        for rows in (split.validation, split.test)
    )
    return Baseline(validation, test)
