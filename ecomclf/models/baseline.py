"""Baselines: TF-IDF and a linear SVM, evaluated with the same metrics as the networks."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ecomclf.config.values import ClassWeight
from ecomclf.data.class_weights import class_weights
from ecomclf.data.splitting import Split, Subset, draw_subset
from ecomclf.evaluation.report import Report, evaluate_labels
from ecomclf.models.linear_svm import MANY_CLASSES, LinearSvm, fit_linear_svm
from ecomclf.text.vectorizer import token_pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MAX_TUNING_ROWS = 50_000
_CHARACTER_SIZES, _CACHED_WORDS = range(2, 6), 100_000
# Character n-grams are hundreds of features per text. With texts of more characters in all, random
# rows are fitted on.
_MAX_CHARACTERS = 20_000_000
# An SVM has one weight per class and feature, and a large catalogue has tens of millions of word
# pairs; above these limits only the most frequent features of each kind are kept.
_MAX_FEATURES = 1_000_000
_MAX_WEIGHTS = 60_000_000


@dataclass(frozen=True)
class Features:
    """Which features a baseline has.

    Attributes:
        ngrams: sequences of 1 to `ngrams` words.
        sublinear: whether a term frequency tf is replaced by 1 + log(tf).
        characters: whether there are also sequences of 2 to 5 characters within words.

    """

    ngrams: int
    sublinear: bool
    characters: bool


# scikit-learn's default.
_DEFAULT = Features(ngrams=1, sublinear=False, characters=False)
_WITH_CHARACTERS = Features(ngrams=2, sublinear=True, characters=True)
# What tuning searches: features, and the inverse strengths C of the SVM's penalty, 1 first, which
# is scikit-learn's default.
_GRID: dict[Features, tuple[float, ...]] = {
    _DEFAULT: (1.0, 0.1, 0.3, 3.0),
    Features(ngrams=1, sublinear=True, characters=False): (1.0, 0.1, 0.3, 3.0),
    Features(ngrams=2, sublinear=True, characters=False): (1.0, 0.1, 0.3, 3.0),
    _WITH_CHARACTERS: (1.0, 0.3),
}
# Thousands of classes take as many SVMs for each setting.
_SHORT_GRID = dict.fromkeys((_DEFAULT, _WITH_CHARACTERS), (1.0,))


@dataclass(frozen=True)
class Baseline:
    """A fitted scikit-learn vectorizer and a linear SVM.

    A baseline reads raw texts, so that it does not depend on a trial's cleaning steps.

    Attributes:
        kinds: which features it has.
        c: inverse strength of the SVM's penalty.
        class_weight: how rows were weighted by their class.
        rows: number of rows that it was fitted on.
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

    kinds: Features
    c: float
    class_weight: ClassWeight
    rows: int
    classes: tuple[str, ...]
    features: Any
    svm: LinearSvm

    def settings(self) -> dict[str, object]:
        """Return the settings under their parameter names, as logged to a run."""
        settings = {
            **asdict(self.kinds),
            "c": self.c,
            "class_weight": str(self.class_weight),
            "rows": self.rows,
        }
        return {f"baseline.{name}": value for name, value in settings.items()}

    def predict(self, texts: tuple[str, ...]) -> np.ndarray:
        """Return the predicted labels of raw texts; int32 [texts]."""
        return self.svm.predict(self.features.transform(texts))

    def evaluate(self, rows: Subset) -> Report:
        """Return the metrics on some rows; without probabilities there is no loss."""
        return evaluate_labels(rows.labels, self.predict(rows.texts), self.classes)


@dataclass(frozen=True)
class Evaluated:
    """A baseline with its metrics on the validation rows."""

    baseline: Baseline
    validation: Report


def fit_baselines(
    split: Split, monitor: str, class_weight: ClassWeight = "none"
) -> dict[str, Evaluated]:
    """Fit one baseline with default settings and one tuned on the validation rows.

    Args:
        split: only its training and validation rows are used.
        monitor: the metric to tune for: `val_accuracy`, `val_f1_macro` or `val_f1_weighted`.
        class_weight: weights of the classes, for both.

    Returns:
        The baselines by the prefix of their metrics: `baseline`, `tuned_baseline`.

    """
    default = _evaluated(fit_baseline(split.train, split.classes, class_weight), split.validation)
    metric = monitor.removeprefix("val_")
    tuned = tune_baseline(
        split.train, split.validation, split.classes, metric, default, class_weight
    )
    fitted = {"baseline": default, "tuned_baseline": tuned}
    if not split.ordered:
        return fitted
    return {
        name: replace(each, validation=each.validation.as_ordered())
        for name, each in fitted.items()
    }


def _evaluated(baseline: Baseline, validation: Subset) -> Evaluated:
    return Evaluated(baseline, baseline.evaluate(validation))


def fit_baseline(
    train: Subset, classes: tuple[str, ...], class_weight: ClassWeight = "none"
) -> Baseline:
    """Fit vectorizer and SVM with scikit-learn's defaults, but for tolerance and class weights."""
    return _Fitting(train, classes, _DEFAULT, class_weight).fit(c=1.0)


def tune_baseline(
    train: Subset,
    validation: Subset,
    classes: tuple[str, ...],
    metric: str,
    default: Evaluated | None = None,
    class_weight: ClassWeight = "none",
) -> Evaluated:
    """Fit a small grid of settings; return the best on the validation rows, of equals the first.

    With more than 50,000 training rows, the settings are compared on a random 50,000 of them, and
    the best is refitted on all; with character n-grams on fewer, if the texts have more than 20
    million characters in all. With more than 200 classes the grid has two settings.

    Args:
        train: rows to fit on.
        validation: rows to compare the settings on.
        classes: class names, in the order of the labels.
        metric: `accuracy`, `f1_macro` or `f1_weighted`.
        default: the baseline with default settings, if it is fitted already.
        class_weight: weights of the classes, for all settings.

    """
    drawn = draw_subset(train, _MAX_TUNING_ROWS)
    candidates = _candidates(drawn, validation, classes, default, class_weight)
    best = max(candidates, key=lambda each: getattr(each.validation, metric))
    if len(drawn) == len(train):
        return best
    refitted = _Fitting(train, classes, best.baseline.kinds, class_weight).fit(best.baseline.c)
    return _evaluated(refitted, validation)


def _candidates(
    train: Subset,
    validation: Subset,
    classes: tuple[str, ...],
    default: Evaluated | None,
    class_weight: ClassWeight,
) -> Iterator[Evaluated]:
    """Yield a baseline for each setting of the grid.

    `default`, the baseline with default settings, need not be fitted again if it has as many rows.
    """
    grid = _SHORT_GRID if len(classes) > MANY_CLASSES else _GRID
    for features, penalties in grid.items():
        fitting = None
        for c in penalties:
            is_default = (features, c) == (_DEFAULT, 1.0)
            if is_default and default is not None and default.baseline.rows == len(train):
                yield default
                continue
            fitting = fitting or _Fitting(train, classes, features, class_weight)
            yield _evaluated(fitting.fit(c), validation)


class _Fitting:
    """Training rows as features of some kinds, on which SVMs of different penalties are fitted."""

    def __init__(
        self,
        train: Subset,
        classes: tuple[str, ...],
        kinds: Features,
        class_weight: ClassWeight,
    ) -> None:
        if kinds.characters:
            train = _shortened(train)
        self._classes, self._kinds, self._class_weight = classes, kinds, class_weight
        self._labels = train.labels
        self._weights = class_weights(train.labels, classes, class_weight)
        self._vectorizer = _vectorizer(train, len(classes), kinds)
        self._features: csr_matrix = self._vectorizer.fit_transform(train.texts)

    def fit(self, c: float) -> Baseline:
        """Fit an SVM with this penalty."""
        svm = fit_linear_svm(
            self._features, self._labels, classes=len(self._classes), c=c, weights=self._weights
        )
        return Baseline(
            self._kinds,
            c,
            self._class_weight,
            len(self._labels),
            self._classes,
            self._vectorizer,
            svm,
        )


def _shortened(train: Subset) -> Subset:
    """Return random rows whose texts have no more characters in all than the limit."""
    characters = sum(map(len, train.texts))
    return draw_subset(train, max(1, len(train.texts) * _MAX_CHARACTERS // max(1, characters)))


def _vectorizer(train: Subset, classes: int, kinds: Features) -> Any:
    """Return scikit-learn's unfitted vectorizer, each kind of feature normalized by itself."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    weights = _MAX_WEIGHTS // (2 if kinds.characters else 1)
    limits = {
        "sublinear_tf": kinds.sublinear,
        "max_features": min(_MAX_FEATURES, weights // classes),
    }
    pattern = token_pattern(train.texts)
    words = TfidfVectorizer(token_pattern=pattern, ngram_range=(1, kinds.ngrams), **limits)
    if not kinds.characters:
        return words
    return make_union(words, TfidfVectorizer(analyzer=_character_analyzer(), **limits))


def _character_analyzer() -> Callable[[str], list[str]]:
    """Return scikit-learn's analyzer `char_wb`, but words are looked up when they recur.

    >>> _character_analyzer()("Hat")
    [' h', 'ha', 'at', 't ', ' ha', 'hat', 'at ', ' hat', 'hat ', ' hat ']
    """
    ngrams_of = functools.lru_cache(maxsize=_CACHED_WORDS)(_ngrams_of)
    return lambda text: [ngram for word in text.lower().split() for ngram in ngrams_of(word)]


def _ngrams_of(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    ngrams = []
    for size in _CHARACTER_SIZES:
        ngrams += [padded[at : at + size] for at in range(max(1, len(padded) - size + 1))]
        # A word that is shorter is taken as a whole once.
        if len(padded) <= size:
            break
    return tuple(ngrams)
