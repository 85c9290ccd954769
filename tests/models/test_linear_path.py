import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from ecomclf.models.linear_path import fit_linear_path
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds

pytestmark = pytest.mark.slow

VOCABULARY = 60


def ids_of(texts: list[list[int]]) -> TokenIds:
    """Return texts as `TokenIds`."""
    values = [token for text in texts for token in text]
    return TokenIds(np.array(values, np.int32), np.cumsum([0, *map(len, texts)]))


def made_up(classes: int, count: int = 200) -> tuple[list[list[int]], np.ndarray]:
    """Return labelled texts with repeated, unknown and class-specific words; one is empty.

    The last ten ids of the vocabulary never occur.
    """
    generator = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int32) % classes
    texts = [
        [
            *generator.integers(UNKNOWN_ID, VOCABULARY - 10, generator.integers(1, 12)).tolist(),
            *[int(10 + label)] * int(generator.integers(0, 3)),
        ]
        for label in labels
    ]
    return [[], *texts[1:]], labels


def fit(classes: int) -> keras.Model:
    """Fit a linear path on these texts."""
    texts, labels = made_up(classes)
    return fit_linear_path(ids_of(texts), labels, vocabulary_size=VOCABULARY, classes=classes)


def decide(network: keras.Model, texts: list[list[int]], extra: int = 0) -> np.ndarray:
    """Return decision values of texts padded to the longest, plus `extra` positions."""
    padded = ids_of(texts).padded(np.arange(len(texts)))
    return np.asarray(network.predict_on_batch(np.pad(padded, ((0, 0), (0, extra)))))


def count_words(texts: list[list[int]]) -> np.ndarray:
    """Count the known ids of each text; int64 [texts, vocabulary]."""
    counts = np.stack([np.bincount(text, minlength=VOCABULARY) for text in texts])
    counts[:, : UNKNOWN_ID + 1] = 0
    return counts


@pytest.mark.parametrize("classes", [2, 4])
def test_decision_values_are_scikit_learns(classes: int) -> None:
    """They agree within 1e-4 on training texts and others, with two classes and with more."""
    network = fit(classes)
    texts, labels = made_up(classes)
    tfidf = TfidfTransformer().fit(count_words(texts))
    svm = LinearSVC(random_state=0).fit(tfidf.transform(count_words(texts)), labels)
    others = np.random.default_rng(1).integers(0, VOCABULARY, (50, 9))
    asked = [*texts, *(list(filter(None, other)) for other in others.tolist())]
    expected = svm.decision_function(tfidf.transform(count_words(asked)))
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(decide(network, asked), expected, atol=1e-4)
    right = decide(network, texts).argmax(axis=1) == labels
    assert right.mean() > 0.7


def test_decision_values_do_not_depend_on_padding_or_batch() -> None:
    """A text gets the same values alone, padded, and in a batch with longer texts."""
    network = fit(4)
    texts = [[12], [5, 9, 5], [11, 1, 40, 41, 42, 43, 44], []]
    together = decide(network, texts, extra=20)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(decide(network, [text])[0], together[row], atol=1e-5)


def test_decision_values_depend_on_relative_word_counts() -> None:
    """Word order and repeating the whole text do not matter; repeating one word does."""
    network = fit(4)
    once, turned, doubled, twice = decide(
        network, [[12, 30, 31], [31, 12, 30], [12, 30, 31] * 2, [12, 12, 30, 31]]
    )
    np.testing.assert_allclose(turned, once, atol=1e-5)
    np.testing.assert_allclose(doubled, once, atol=1e-5)
    assert np.abs(twice - once).max() > 0.01


def test_unknown_words_are_ignored() -> None:
    """A text without known words gets the intercept, like an empty text."""
    network = fit(4)
    empty, one, many = decide(network, [[], [UNKNOWN_ID], [UNKNOWN_ID] * 30])
    intercept = network.get_layer("wide_intercept").get_weights()[1]
    for answer in (empty, one, many):
        np.testing.assert_allclose(answer, intercept, atol=1e-6)
    known, beside = decide(network, [[12, 30], [UNKNOWN_ID, 12, UNKNOWN_ID, 30]])
    np.testing.assert_allclose(beside, known, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_saving_and_loading_change_nothing(tmp_path: Path, classes: int) -> None:
    """The loaded network gives the same values within 1e-6, for any length."""
    network = fit(classes)
    network.save(tmp_path / "wide.keras")
    loaded = keras.models.load_model(tmp_path / "wide.keras")
    texts, _ = made_up(classes)
    for extra in (0, 5):
        np.testing.assert_allclose(decide(loaded, texts, extra), decide(network, texts), atol=1e-6)


def test_the_ids_are_not_modified() -> None:
    """They may be a read-only memory map that other processes read too."""
    texts, labels = made_up(2)
    ids = ids_of(texts)
    ids.values.flags.writeable = False
    fit_linear_path(ids, labels, vocabulary_size=VOCABULARY, classes=2)
    np.testing.assert_array_equal(ids.values, ids_of(texts).values)


def test_an_svm_that_does_not_converge_prints_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's ConvergenceWarning is suppressed."""
    monkeypatch.setitem(LinearSVC.__init__.__kwdefaults__, "max_iter", 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(4)
    assert [str(warning.message) for warning in caught] == []
