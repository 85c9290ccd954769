"""TF-IDF + linear model: the yardstick, giving the same `Report`.

Default settings on the texts as they are, so that it stays the same whatever a trial's cleaning.
"""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from ecomclf.evaluate import Report, evaluate_labels
from ecomclf.split import Rows


class Baseline:
    """`TfidfVectorizer()` and `LinearSVC()`, fitted on training rows."""

    def __init__(self, train: Rows, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._model = make_pipeline(TfidfVectorizer(), LinearSVC(random_state=0))
        self._model.fit(train.texts, train.labels)

    def evaluate(self, rows: Rows) -> Report:
        """Judge it on other rows."""
        return evaluate_labels(rows.labels, self._model.predict(rows.texts), self._classes)
