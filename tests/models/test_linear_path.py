from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

from ecomclf.models import linear_path
from ecomclf.models.linear_network import decisions_of_strings, read_linear_network
from ecomclf.models.linear_path import LinearPath, fit_linear_path
from ecomclf.models.string_ngrams import character_ids
from ecomclf.text.vectorizer import Vectorizer

MAX_LENGTH = 8
COLOURS = ("red", "blue", "green", "straw", "naïve", "日本語", "a", "x900")
NOUNS = ("shoe", "hat", "mug", "phone")
# Words that no training text has, empty texts, and one with more words than are read.
OTHERS = [
    *("", "unheard", "redd shoes", "shoe shoe hat", "日本 x900b", "a b c d e f g hats mugs phones"),
    "red red red red red red red red phone phone",
    *(f"red {'shoe' * count} hat" for count in (49, 50, 51, 400)),
]


def made_up(classes: int) -> tuple[list[str], np.ndarray]:
    """Return labelled texts: a colour, a noun of the class, and a rare word; one is empty."""
    generator = np.random.default_rng(0)
    labels = np.arange(120, dtype=np.int32) % classes
    texts = [
        f"{generator.choice(COLOURS)} {NOUNS[label]} {generator.choice(COLOURS)} rare{row}"
        for row, label in enumerate(labels)
    ]
    return ["", *texts[1:]], labels


def vectorizer_of(texts: list[str]) -> Vectorizer:
    """Return a vectorizer that knows the frequent words only."""
    return Vectorizer.fit(texts, max_tokens=14, max_length=MAX_LENGTH)


def fit(classes: int) -> tuple[LinearPath, Vectorizer]:
    """Fit a linear path on these texts."""
    texts, labels = made_up(classes)
    vectorizer = vectorizer_of(texts)
    ids = vectorizer.encode(texts)
    path = fit_linear_path(vectorizer.words, ids, labels, classes=classes)
    return path, vectorizer


def features_by_hand(
    texts: list[str], asked: list[str], words: tuple[str, ...]
) -> list[sparse.csr_matrix]:
    """Return the features of both lists of texts, made with scikit-learn's `CountVectorizer`."""
    kept = [[" ".join(text.split()[:MAX_LENGTH]) for text in each] for each in (texts, asked)]
    pattern, known = r"\S+", set(words)
    counters = [CountVectorizer(token_pattern=pattern, vocabulary=sorted(known), lowercase=False)]
    pairs = CountVectorizer(token_pattern=pattern, ngram_range=(2, 2), lowercase=False).fit(kept[0])
    both_known = [pair for pair in pairs.vocabulary_ if set(pair.split()) <= known]
    counters.append(
        CountVectorizer(
            token_pattern=pattern, ngram_range=(2, 2), vocabulary=both_known, lowercase=False
        )
    )
    blocks = [[sparse.hstack([each.transform(side) for each in counters]).tocsr() for side in kept]]
    counter = CountVectorizer(analyzer=ngrams_of, vocabulary=sorted(vocabulary_of(kept[0])))
    blocks.append([counter.transform(side) for side in kept])
    sides = zip(*(weighted(*block) for block in blocks), strict=True)
    return [sparse.hstack(side).tocsr() for side in sides]


def ngrams_of(text: str) -> list[str]:
    """Return the character n-grams of each word with a space at both ends, from its beginning."""
    return [
        f" {word} "[start : start + size]
        for word in text.split()
        for size in (2, 3, 4, 5)
        for start in range(min(len(word) + 3 - size, 200))
    ]


def vocabulary_of(texts: list[str]) -> set[str]:
    """Return all n-grams of texts."""
    return {ngram for text in texts for ngram in ngrams_of(text)}


def weighted(train: sparse.csr_matrix, asked: sparse.csr_matrix) -> list[sparse.csr_matrix]:
    """Return both sides of a block of counts as TF-IDF with the norm of the linear path."""
    frequency = np.asarray((train > 0).sum(axis=0)).ravel()
    idf = np.where(frequency > 0, np.log((1 + train.shape[0]) / (1 + frequency)) + 1, 0)
    sides = []
    for counts in (train, asked):
        norm = np.sqrt(np.maximum(counts @ idf**2, 1e-12))
        sides.append(sparse.diags(1 / norm) @ counts @ sparse.diags(idf))
    return sides


@pytest.mark.parametrize("classes", [2, 4])
def test_decision_values_are_scikit_learns(classes: int) -> None:
    """They are those of an SVM on the same features made with scikit-learn.

    The solver takes the features in another order, so it stops at slightly other values.
    """
    path, vectorizer = fit(classes)
    texts, labels = made_up(classes)
    asked = [*texts, *OTHERS]
    train, others = features_by_hand(texts, asked, vectorizer.words[2:])
    expected = LinearSVC(random_state=0, tol=1e-4).fit(train, labels).decision_function(others)
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    decisions = path.decide(vectorizer.encode(asked))
    np.testing.assert_allclose(decisions, expected, atol=5e-3)
    assert (decisions[: len(texts)].argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.slow
def test_a_keras_model_of_strings_gives_the_same_values(tmp_path: Path) -> None:
    """They agree within 1e-4, alone and in any batch, also after saving and loading."""
    import tensorflow as tf

    path, vectorizer = fit(4)
    strings = keras.Input((), dtype="string", name="texts")
    ids = keras.ops.cast(vectorizer.layer(strings), "int32")[:, :MAX_LENGTH]
    decisions = decisions_of_strings(
        path, character_ids(strings, path.ngrams.alphabet), ids, MAX_LENGTH
    )
    keras.Model(strings, decisions).save(tmp_path / "wide.keras")
    loaded = keras.models.load_model(tmp_path / "wide.keras")
    texts = [*OTHERS, *made_up(4)[0][:20]]
    expected = path.decide(vectorizer.encode(texts))
    np.testing.assert_allclose(loaded(tf.constant(texts)), expected, atol=1e-4)
    for row, text in enumerate(texts[1:], start=1):
        np.testing.assert_allclose(loaded(tf.constant([text]))[0], expected[row], atol=1e-4)
    read = read_linear_network(loaded, vectorizer.words)
    assert read is not None
    np.testing.assert_allclose(read.decide(vectorizer.encode(texts)), expected, atol=1e-6)


def test_a_word_that_was_never_seen_is_recognised_by_its_characters() -> None:
    """Each of these words resembles that of one class."""
    path, vectorizer = fit(4)
    decisions = path.decide(vectorizer.encode(["shoess", "phonne", "muug", "haat"]))
    assert decisions.argmax(axis=1).tolist() == [0, 3, 2, 1]


def test_values_do_not_depend_on_the_other_texts() -> None:
    """A text gets the same values alone as among others."""
    path, vectorizer = fit(4)
    together = path.decide(vectorizer.encode(OTHERS))
    for row, text in enumerate(OTHERS):
        alone = path.decide(vectorizer.encode([text]))[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_what_is_saved_for_another_backend_is_the_same(tmp_path: Path) -> None:
    """`load` returns what `save` wrote, and None from an empty folder."""
    path, vectorizer = fit(4)
    assert LinearPath.load(tmp_path, vectorizer.words) is None
    path.save(tmp_path)
    loaded = LinearPath.load(tmp_path, vectorizer.words)
    assert loaded is not None
    ids = vectorizer.encode(OTHERS)
    np.testing.assert_array_equal(loaded.decide(ids), path.decide(ids))


def test_the_ids_are_not_modified() -> None:
    """They may be a read-only memory map that other processes read too."""
    texts, labels = made_up(2)
    vectorizer = vectorizer_of(texts)
    ids = vectorizer.encode(texts)
    ids.values.flags.writeable = False
    before = ids.values.copy()
    fit_linear_path(vectorizer.words, ids, labels, classes=2).decide(ids)
    np.testing.assert_array_equal(ids.values, before)


def test_many_classes_have_fewer_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table stays below its limit, and the path goes on working."""
    monkeypatch.setattr(linear_path, "_MAX_TABLE", 5 * 2**11)
    path, vectorizer = fit(4)
    assert path.pairs.shape == path.characters.shape == (2**11, 5)
    texts, labels = made_up(4)
    predicted = path.decide(vectorizer.encode(texts)).argmax(axis=1)
    assert (predicted == labels).mean() > 0.9


def test_long_data_are_fitted_on_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many random texts as have the allowed number of features."""
    texts, labels = made_up(4)
    vectorizer = vectorizer_of(texts)
    ids = vectorizer.encode(texts)
    whole, _ = fit(4)
    monkeypatch.setattr(linear_path, "_MAX_ENTRIES", 40 * 4 * 22)
    path = fit_linear_path(vectorizer.words, ids, labels, classes=4)
    # The idf of a word that about half of 40 texts have is not that of 120 texts.
    assert not np.allclose(path.words[:, -1], whole.words[:, -1])
    assert (path.decide(ids).argmax(axis=1) == labels).mean() > 0.8
