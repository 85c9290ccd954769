"""The wide path: TF-IDF and a linear SVM over a network's own ids, as one more network.

A network of some hundred thousand weights for word order, and beside it the linear model that is so
hard to beat: "wide and deep" (Cheng et al., 2016, arXiv:1606.07792), fitted apart and averaged.
"""

import keras
import numpy as np
import scipy.sparse
from keras import layers, ops
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID, TokenIds

# Under the square of any text's TF-IDF length; keeps one without a known word from dividing by 0.
_NO_WORDS = 1e-12


def fit_linear_path(
    ids: TokenIds, labels: np.ndarray, *, vocabulary_size: int, classes: int
) -> keras.Model:
    """Fit scikit-learn's `TfidfTransformer` and `LinearSVC` at their defaults, and copy them.

    Args:
        ids: of training texts.
        labels: int32 [texts], every class among them.
        vocabulary_size: number of ids, padding and the unknown token included.
        classes: number of classes.

    Returns:
        int32 [batch, length] of ids, 0 after each text's end → float32 [batch, classes], the
        decision values of the SVM; padding and unknown tokens count for nothing.

    """
    counts = _counts(ids, vocabulary_size)
    tfidf = TfidfTransformer().fit(counts)
    svm = LinearSVC(random_state=0).fit(tfidf.transform(counts), labels)
    coefficients, intercept = svm.coef_, svm.intercept_
    if classes == 2:  # scikit-learn gives one row, the second class against the first
        coefficients = np.concatenate([-coefficients, coefficients])
        intercept = np.concatenate([-intercept, intercept])
    idf = np.where(np.isin(range(vocabulary_size), (PADDING_ID, UNKNOWN_ID)), 0.0, tfidf.idf_)
    network = build_linear_path(vocabulary_size, classes)
    network.get_layer("wide_weights").set_weights([coefficients.T * idf[:, np.newaxis]])
    network.get_layer("wide_squared_idf").set_weights([idf[:, np.newaxis] ** 2])
    network.get_layer("wide_intercept").set_weights([np.eye(classes), intercept])
    return network


def _counts(ids: TokenIds, vocabulary_size: int) -> scipy.sparse.csr_matrix:
    """Count the known ids of each text; float64 [texts, vocabulary]."""
    known = ~np.isin(ids.values, (PADDING_ID, UNKNOWN_ID))
    # A copy, since SciPy sorts each text's ids where they are.
    counts = scipy.sparse.csr_matrix(
        (known.astype(np.float64), ids.values, ids.offsets),
        shape=(len(ids), vocabulary_size),
        copy=True,
    )
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def build_linear_path(vocabulary_size: int, classes: int) -> keras.Model:
    """Build the network: for each text, Σ idf · coefficient / ‖count · idf‖ + intercept.

    The square of the norm, Σ (count · idf)² over the words of the vocabulary, is summed over the
    positions of the text instead, idf² · count at each.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    weights = layers.Embedding(vocabulary_size, classes, name="wide_weights")(ids)
    squared_idf = layers.Embedding(vocabulary_size, 1, name="wide_squared_idf")(ids)
    same = ops.equal(ops.expand_dims(ids, 1), ops.expand_dims(ids, 2))
    count = ops.sum(ops.cast(same, "float32"), axis=2, keepdims=True)
    norm = ops.sqrt(ops.maximum(ops.sum(squared_idf * count, axis=1), _NO_WORDS))
    # A dense layer of ones on the diagonal: a stock layer to hold the intercept.
    decisions = layers.Dense(classes, name="wide_intercept")(ops.sum(weights, axis=1) / norm)
    return keras.Model(ids, decisions, name="wide")
