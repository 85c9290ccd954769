"""The linear path: TF-IDF and a linear SVM over the same ids as the networks, as a Keras model.

A linear model over words is hard to beat, and a network adds word order. Combining the two follows
"Wide & Deep Learning" (Cheng et al., 2016, arXiv:1606.07792), except that they are fitted
separately and their probabilities are averaged. Saved models and configs call this path `wide`.
"""

import keras
import numpy as np
import scipy.sparse
from keras import layers, ops
from sklearn.feature_extraction.text import TfidfTransformer

from ecomclf.models.linear_svm import fit_linear_svm
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID, TokenIds

# Smaller than the squared TF-IDF norm of any text; avoids division by 0 for texts without known
# words.
_MIN_SQUARED_NORM = 1e-12


def fit_linear_path(
    ids: TokenIds, labels: np.ndarray, *, vocabulary_size: int, classes: int
) -> keras.Model:
    """Fit `TfidfTransformer` and `LinearSVC` with default settings and copy them into a network.

    Args:
        ids: training texts.
        labels: int32 [texts]; every class must occur.
        vocabulary_size: number of ids, including padding and the unknown token.
        classes: number of classes.

    Returns:
        int32 [batch, length] of ids, 0 after the end of each text → float32 [batch, classes], the
        decision values of the SVM. Padding and unknown tokens are ignored.

    """
    counts = _counts(ids, vocabulary_size)
    tfidf = TfidfTransformer().fit(counts)
    svm = fit_linear_svm(tfidf.transform(counts), labels)
    coefficients, intercept = svm.coef_, svm.intercept_
    if classes == 2:  # scikit-learn has one row of coefficients then, in favour of class 1
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
    # Copied, because SciPy sorts the ids of each text in place.
    counts = scipy.sparse.csr_matrix(
        (known.astype(np.float64), ids.values, ids.offsets),
        shape=(len(ids), vocabulary_size),
        copy=True,
    )
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def build_linear_path(vocabulary_size: int, classes: int) -> keras.Model:
    """Build the untrained network of a linear path.

    For each text it computes Σ idf · coefficient / ‖count · idf‖ + intercept. The squared norm,
    Σ (count · idf)² over the distinct words of a text, is computed as a sum over its positions,
    Σ count · idf², because a word occurs at `count` of them.

    Args:
        vocabulary_size: number of ids, including padding and the unknown token.
        classes: number of classes.

    Returns:
        int32 [batch, length] of ids → float32 [batch, classes].

    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    weights = layers.Embedding(vocabulary_size, classes, name="wide_weights")(ids)
    squared_idf = layers.Embedding(vocabulary_size, 1, name="wide_squared_idf")(ids)
    same = ops.equal(ops.expand_dims(ids, 1), ops.expand_dims(ids, 2))
    count = ops.sum(ops.cast(same, "float32"), axis=2, keepdims=True)
    norm = ops.sqrt(ops.maximum(ops.sum(squared_idf * count, axis=1), _MIN_SQUARED_NORM))
    # A dense layer with the identity matrix is the stock layer that can hold the intercept.
    decisions = layers.Dense(classes, name="wide_intercept")(ops.sum(weights, axis=1) / norm)
    return keras.Model(ids, decisions, name="wide")
