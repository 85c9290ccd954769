"""Out-of-fold predictions of training rows, and how well they support the labels.

This is the idea of confident learning (Northcutt et al., 2021, arXiv:1911.00068): a model that was
not fitted on a row, and contradicts its label, has often found a wrong label.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax, softmax
from threadpoolctl import threadpool_limits

from ecomclf.data.splitting import Subset
from ecomclf.runtime.disk_cache import cached_folder, digest_of
from ecomclf.text.vectorizer import token_pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_FOLDS = 5
# Fitting logistic regressions takes time in proportion to words x classes: about 20 s of a core at
# this limit. Beyond it naive Bayes is used, which reads each word once.
_MAX_WORDS_X_CLASSES = 10_000_000
# Pseudo-count of each word in each class. Values from 0.03 to 0.3 find about as many wrong labels.
_SMOOTHING = 0.1
# Size of the dense arrays of scores, in numbers.
_MAX_SCORES = 4_000_000
_CALIBRATION_ROWS = 1000
_LOG_SCALE_BOUNDS = (-5.0, 5.0)
_MIN_CLASS_GROUPS = 10
# The modules that decide the support. Their source is part of the cache key.
_CODE = (Path(__file__), Path(__file__).parents[1] / "text" / "vectorizer.py")
_SUPPORT_FILE = "support.npy"

# From row numbers to class probabilities, float32 [rows, classes].
_Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for rows by models that were trained on other groups only.

    Attributes:
        predicted: int64 [rows], the most probable class.
        confidence: float32 [rows], its probability.
        of_label: float32 [rows], the probability of the label in the data; 0 if the rows trained on
            lack that class.
        by_chance: float32 [rows], what the models take for the probability of that label before
            they read the text.

    """

    predicted: np.ndarray
    confidence: np.ndarray
    of_label: np.ndarray
    by_chance: np.ndarray


def label_support(rows: Subset, classes: int) -> np.ndarray:
    """Return how well out-of-fold predictions support the label of each row; cached on disk.

    The support is the probability of the label divided by its probability by chance, at most 1. It
    is low only if the text speaks against the label; a text that merely leaves several classes open
    has a support of 1.

    Args:
        rows: training rows.
        classes: number of classes.

    Returns:
        float32 [rows], between 0 and 1. It is 1 for all rows if no model can be trained, and for
        rows of classes with fewer than 10 groups of near-duplicates, of which too few are left to
        train on for their labels to be doubted.

    """
    code = [*(path.read_bytes() for path in _CODE), version("scikit-learn").encode()]
    numbers = [str(classes).encode(), rows.labels.tobytes(), rows.groups.tobytes()]
    digest = digest_of(code, numbers, rows.texts)

    def save(folder: Path) -> None:
        np.save(folder / _SUPPORT_FILE, _support(rows, classes))

    folder = cached_folder(f"labels-{digest}", save)
    return np.asarray(np.load(folder / _SUPPORT_FILE, allow_pickle=False))


def _support(rows: Subset, classes: int) -> np.ndarray:
    found = predict_out_of_fold(rows, classes)
    if found is None:
        return np.ones(len(rows), np.float32)
    support = np.minimum(np.float32(1), found.of_label / found.by_chance)
    labels, _ = np.unique(np.stack([rows.labels, rows.groups]), axis=1)
    rare = np.bincount(labels, minlength=classes) < _MIN_CLASS_GROUPS
    return np.where(rare[rows.labels], np.float32(1), support)


def predict_out_of_fold(rows: Subset, classes: int) -> OutOfFold | None:
    """Predict each row with a model that was trained neither on it nor on its near-duplicates.

    The model is a logistic regression on TF-IDF features, or multinomial naive Bayes on them where
    logistic regressions would take too long, see `uses_logistic_regression`.

    Args:
        rows: any rows.
        classes: number of classes.

    Returns:
        None if there are too few groups, classes or words to train a model in each of the 5 folds.

    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import GroupKFold

    groups = len(np.unique(rows.groups))
    if groups < 2 or not any(text.strip() for text in rows.texts):
        return None
    pattern = token_pattern(rows.texts)
    vectorizer = TfidfVectorizer(token_pattern=pattern, sublinear_tf=True, dtype=np.float32)
    features = vectorizer.fit_transform(rows.texts)
    splitter = GroupKFold(min(_FOLDS, groups), shuffle=True, random_state=0)
    folds = list(splitter.split(features, groups=rows.groups))
    if not all(_is_trainable(features[train], rows.labels[train]) for train, _ in folds):
        return None
    fit: Callable[..., _Predict]
    if uses_logistic_regression(rows.texts, classes):
        fit = _fit_logistic_regression
        priors = np.bincount(rows.labels, minlength=classes) / len(rows)
    else:
        fit = _fit_naive_bayes
        priors = np.full(classes, 1 / classes)
    found = OutOfFold(
        predicted=np.zeros(len(rows), np.int64),
        confidence=np.zeros(len(rows), np.float32),
        of_label=np.zeros(len(rows), np.float32),
        by_chance=priors[rows.labels].astype(np.float32),
    )
    # More BLAS threads are no faster here, and would take cores from the trials.
    with threadpool_limits(1):
        for train, held_out in folds:
            predict = fit(features, rows.labels, train, held_out, classes)
            size = _block_size(classes)
            for part in np.split(held_out, range(size, len(held_out), size)):
                probabilities = predict(part)
                found.predicted[part] = probabilities.argmax(axis=1)
                found.confidence[part] = probabilities.max(axis=1)
                found.of_label[part] = probabilities[np.arange(len(part)), rows.labels[part]]
    return found


def uses_logistic_regression(texts: tuple[str, ...], classes: int) -> bool:
    """Return whether few enough words and classes allow logistic regressions.

    >>> uses_logistic_regression(("red shoe",) * 1000, classes=10)
    True
    >>> uses_logistic_regression(("red shoe",) * 1000, classes=10_000)
    False

    """
    return classes * sum(len(text.split()) for text in texts) <= _MAX_WORDS_X_CLASSES


def _is_trainable(features: "csr_matrix", labels: np.ndarray) -> bool:
    """Return whether there are two classes and any word to tell them apart."""
    return len(np.unique(labels)) > 1 and features.nnz > 0


def _block_size(classes: int) -> int:
    """Return the number of rows whose scores are held in memory at a time."""
    return max(1, _MAX_SCORES // classes)


def _fit_logistic_regression(
    features: "csr_matrix", labels: np.ndarray, train: np.ndarray, _: np.ndarray, classes: int
) -> _Predict:
    """Fit a model that gives a class without training rows the probability 0."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # The ranking of labels does not need the last digits of the coefficients.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # With scikit-learn's default penalty, the probabilities of many classes are almost equal.
        model = LogisticRegression(C=10).fit(features[train], labels[train])

    def predict(rows: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(rows), classes), np.float32)
        probabilities[:, model.classes_] = model.predict_proba(features[rows])
        return probabilities

    return predict


def _fit_naive_bayes(
    features: "csr_matrix",
    labels: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    classes: int,
) -> _Predict:
    """Fit a model that gives a class without training rows the probability 0.

    All other classes are equally probable a priori. With priors by number of rows, a class would be
    less probable for its own rows, which the other folds lack; among thousands of small classes
    that hides many wrong labels. Since naive Bayes is overconfident on long texts and
    underconfident on short ones, its scores are scaled so that they fit the labels best.
    """
    from scipy.sparse import csr_matrix

    ones, places = np.ones(len(train), np.float32), (labels[train], np.arange(len(train)))
    weights = (csr_matrix((ones, places), (classes, len(train))) @ features[train]).tocsr()
    totals = np.asarray(weights.sum(axis=1)).ravel()
    # For n words and smoothing s, log((w + s) / (total + s n)) is log(1 + w / s), which is 0 for
    # most words of a class, minus a part that all its words share, plus a constant.
    shared = np.log1p(totals / (_SMOOTHING * features.shape[1]))
    weights.data = np.log1p(weights.data / _SMOOTHING)
    by_word = weights.T.tocsr()
    missing = np.bincount(labels[train], minlength=classes) == 0

    def score(rows: np.ndarray) -> np.ndarray:
        block = features[rows]
        scores = (block @ by_word).toarray()
        scores -= np.asarray(block.sum(axis=1)) * shared
        scores[:, missing] = -np.inf
        return np.asarray(scores)

    known = held_out[~missing[labels[held_out]]]
    most = min(_CALIBRATION_ROWS, _block_size(classes))
    drawn = known[:: max(1, -(-len(known) // most))]
    scale = _fit_scale(score(drawn), labels[drawn])
    return lambda rows: softmax(scale * score(rows), axis=1)


def _fit_scale(scores: np.ndarray, labels: np.ndarray) -> np.float32:
    """Return the factor that gives the softmax of some scores the least cross-entropy."""
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return np.float32(1)
    rows = np.arange(len(labels))
    # The probabilities are not clipped: without a heavy loss on its most confident errors, a model
    # that is often wrong becomes too confident.
    found = minimize_scalar(
        lambda log: -log_softmax(np.float32(np.exp(log)) * scores, axis=1)[rows, labels].mean(),
        bounds=_LOG_SCALE_BOUNDS,
        method="bounded",
        options={"xatol": 0.01},
    )
    return np.float32(np.exp(found.x))
