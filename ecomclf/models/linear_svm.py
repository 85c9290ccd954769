"""The linear SVM of the baselines and the linear path."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.svm import LinearSVC


def fit_linear_svm(features: "csr_matrix", labels: np.ndarray, c: float = 1.0) -> "LinearSVC":
    """Fit scikit-learn's `LinearSVC`, without its `ConvergenceWarning`.

    An SVM that stops at the limit of iterations is used as it is: no config key sets the limit, so
    the warning would only be noise between the lines of a sweep.

    Args:
        features: float64 [texts, features].
        labels: int32 [texts].
        c: inverse strength of the penalty.

    Example:
        >>> from scipy.sparse import csr_matrix
        >>> svm = fit_linear_svm(csr_matrix([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
        >>> svm.predict([[0.9, 0.2]]).tolist()
        [0]

    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LinearSVC(C=c, random_state=0).fit(features, labels)
