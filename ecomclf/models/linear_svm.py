"""The linear SVM of the baselines and the linear path: one against all others, for each class."""

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.svm import LinearSVC

# With more classes than this, each class is separated from its nearest rows only.
MANY_CLASSES = 200
# So many of them. On 34,000 rows of 2,000 classes the accuracy was 0.4405 after 7 s; with all rows
# 0.4417 after 110 s, with 500 rows 0.4118 (docs/lab-notebook.md).
NEAREST_ROWS = 2_000
# Tolerances of the solver. scikit-learn's default, 1e-4, gives 99.8 % or more of the validation
# rows of four data sets the same labels in up to twice the time; 0.1 is liblinear's own default.
_TOLERANCE, _LOOSE_TOLERANCE = 0.01, 0.1
# A centroid is reduced to so many features. Those of all its texts' characters are thousands, and
# most of them are in nearly every text.
_CENTROID_FEATURES = 256
# The decision value of a class without rows.
_NEVER = -10.0
# Thousands of classes and many rows would make large arrays.
_CLASSES_AT_ONCE, _ROWS_AT_ONCE = 100, 10_000


@dataclass(frozen=True)
class LinearSvm:
    """One hyperplane per class.

    Attributes:
        coefficients: float32 [classes, features].
        intercepts: float32 [classes].

    """

    coefficients: np.ndarray
    intercepts: np.ndarray

    def decide(self, features: "csr_matrix") -> np.ndarray:
        """Return decision values; float32 [texts, classes]."""
        return np.asarray(features @ self.coefficients.T + self.intercepts, np.float32)

    def predict(self, features: "csr_matrix") -> np.ndarray:
        """Return the class with the highest decision value; int32 [texts]."""
        labels = [
            self.decide(features[first : first + _ROWS_AT_ONCE]).argmax(axis=1)
            for first in range(0, features.shape[0], _ROWS_AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *labels]).astype(np.int32)


def fit_linear_svm(
    features: "csr_matrix",
    labels: np.ndarray,
    *,
    classes: int,
    c: float = 1.0,
    weights: np.ndarray | None = None,
) -> LinearSvm:
    """Fit scikit-learn's `LinearSVC`, without its `ConvergenceWarning`.

    An SVM that stops at the limit of iterations is used as it is: no config key sets the limit, so
    the warning would only be noise between the lines of a sweep.

    With more than 200 classes, each class is separated from the 2,000 rows of other classes that
    are nearest to its centroid, and all others together count as one row without features. This is
    the negative sampling of Slice (Jain et al., 2019, WSDM), with centroids as its generative
    model.

    Args:
        features: float64 [texts, features], rows of about equal length.
        labels: int32 [texts]. A class without texts is never predicted.
        classes: number of classes, at least 2.
        c: inverse strength of the penalty.
        weights: float [classes], scikit-learn's `class_weight`, by which the errors on rows of a
            class are multiplied; with more than two classes only where the class is separated from
            the others. By default all weigh the same.

    Example:
        >>> from scipy.sparse import csr_matrix
        >>> features = csr_matrix([[1.0, 0.0], [0.0, 1.0]])
        >>> svm = fit_linear_svm(features, np.array([0, 1]), classes=2)
        >>> svm.predict(csr_matrix([[0.9, 0.2]])).tolist()
        [0]

    """
    if classes > MANY_CLASSES and features.shape[0] > 2 * NEAREST_ROWS:
        return _fit_on_nearest_rows(features, labels, classes, c, weights)
    of_classes = weights if weights is None else {at: weights[at] for at in np.unique(labels)}
    svm = _fit(features, labels, C=c, tol=_TOLERANCE, class_weight=of_classes)
    found, intercepts_found = svm.coef_, svm.intercept_
    if len(svm.classes_) == 2:  # scikit-learn has one row then, in favour of the second class
        found = np.concatenate([-found, found])
        intercepts_found = np.concatenate([-intercepts_found, intercepts_found])
    coefficients = np.zeros((classes, features.shape[1]), np.float32)
    intercepts = np.full(classes, _NEVER, np.float32)
    coefficients[svm.classes_], intercepts[svm.classes_] = found, intercepts_found
    return LinearSvm(coefficients, intercepts)


def _fit(
    features: "csr_matrix",
    labels: np.ndarray,
    *,
    row_weights: np.ndarray | None = None,
    **settings: Any,
) -> "LinearSVC":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LinearSVC(random_state=0, **settings).fit(features, labels, row_weights)


def _fit_on_nearest_rows(
    features: "csr_matrix",
    labels: np.ndarray,
    classes: int,
    c: float,
    weights: np.ndarray | None,
) -> LinearSvm:
    from scipy import sparse

    count = features.shape[0]
    coefficients = np.zeros((classes, features.shape[1]), np.float32)
    intercepts = np.zeros(classes, np.float32)
    no_features = sparse.csr_matrix((1, features.shape[1]))
    for number, own, nearest in _nearest_rows(features, labels, classes):
        rows = sparse.vstack([features[own], features[nearest], no_features], format="csr")
        is_own = np.arange(rows.shape[0]) < len(own)
        row_weights = np.ones(rows.shape[0])
        row_weights[-1] = max(1, count - len(own) - len(nearest))
        of_own = None if weights is None else {True: weights[number]}
        svm = _fit(
            rows, is_own, row_weights=row_weights, C=c, tol=_LOOSE_TOLERANCE, class_weight=of_own
        )
        coefficients[number], intercepts[number] = svm.coef_[0], svm.intercept_[0]
    return LinearSvm(coefficients, intercepts)


def _nearest_rows(
    features: "csr_matrix", labels: np.ndarray, classes: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each class with its own rows and the rows of others nearest to its centroid."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    count = len(labels)
    membership = sparse.csr_matrix((np.ones(count), (labels, np.arange(count))), (classes, count))
    centroids = _strongest(normalize((membership @ features).tocsr()))
    transposed = features.T.tocsr()
    for first in range(0, classes, _CLASSES_AT_ONCE):
        similarities = centroids[first : first + _CLASSES_AT_ONCE] @ transposed
        for number, (begin, end) in enumerate(itertools.pairwise(similarities.indptr), first):
            rows, similarity = similarities.indices[begin:end], similarities.data[begin:end]
            others = labels[rows] != number
            rows, similarity = rows[others], similarity[others]
            if len(rows) > NEAREST_ROWS:
                rows = rows[np.argpartition(similarity, -NEAREST_ROWS)[-NEAREST_ROWS:]]
            own = membership.indices[membership.indptr[number] : membership.indptr[number + 1]]
            yield number, own, rows


def _strongest(rows: "csr_matrix") -> "csr_matrix":
    """Keep the largest values of each row."""
    for first, end in itertools.pairwise(rows.indptr):
        if end - first > _CENTROID_FEATURES:
            values = rows.data[first:end]
            values[np.argpartition(values, -_CENTROID_FEATURES)[:-_CENTROID_FEATURES]] = 0
    rows.eliminate_zeros()
    return rows
