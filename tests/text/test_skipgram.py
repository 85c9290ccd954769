import numpy as np
import pytest

from ecomclf.text import skipgram
from ecomclf.text.skipgram import find_gradients, learn_vectors
from ecomclf.text.token_ids import TokenIds

VOCABULARY, SIZE = 7, 3


def log_sigmoid(value: float) -> float:
    """Return the logarithm of the logistic function."""
    return -float(np.log1p(np.exp(-value)))


def loss(
    texts: list[list[int]], negatives: np.ndarray, centres: np.ndarray, contexts: np.ndarray
) -> float:
    """Return the loss that training minimises, computed pair by pair."""
    total = 0.0
    read = 0
    for words in texts:
        for place, word in enumerate(words):
            negative_weight = 0.0
            own_negatives = negatives[read // 16]
            read += 1
            for other, neighbour in enumerate(words):
                distance = abs(place - other)
                if 1 <= distance <= 8:
                    weight = (9 - distance) / 8
                    total -= weight * log_sigmoid(centres[word] @ contexts[neighbour])
                    negative_weight += weight
            for negative in own_negatives:
                share = 5 * negative_weight / len(own_negatives)
                total -= share * log_sigmoid(-centres[word] @ contexts[negative])
    return total


def numerical_gradients(
    texts: list[list[int]], negatives: np.ndarray, tables: tuple[np.ndarray, np.ndarray]
) -> list[np.ndarray]:
    """Return the derivative of the loss by each parameter, as central differences."""
    slopes = []
    for table in tables:
        slope = np.zeros_like(table)
        for at in np.ndindex(table.shape):
            middle, ends = table[at], []
            for move in (-1e-5, 1e-5):
                table[at] = middle + move
                ends.append(loss(texts, negatives, *tables))
            table[at] = middle
            slope[at] = (ends[1] - ends[0]) / 2e-5
        slopes.append(slope)
    return slopes


# One or more blocks, full or not; neighbours in adjacent blocks; a text of one word.
@pytest.mark.parametrize("lengths", [[5], [16], [3, 20, 1, 12], [40], [1, 1]])
def test_gradients_match_finite_differences(lengths: list[int]) -> None:
    """Compare with a loop over pairs of words, none of which crosses a text boundary."""
    generator = np.random.default_rng(0)
    texts = [generator.integers(1, VOCABULARY, length).tolist() for length in lengths]
    negatives = generator.integers(1, VOCABULARY, (-(-sum(lengths) // 16), 4))
    centres, contexts = generator.normal(0, 1, (2, VOCABULARY, SIZE))
    words = np.concatenate(texts).astype(np.int32)
    centre_gradients, context_gradients = find_gradients(
        words,
        np.repeat(np.arange(len(texts)), lengths),
        negatives,
        centres.astype(np.float32),
        contexts.astype(np.float32),
    )
    found = np.zeros((2, VOCABULARY, SIZE))
    for table, gradients in zip(found, ([centre_gradients], context_gradients), strict=True):
        for rows, values in gradients:
            np.add.at(table, rows, values)
    expected = numerical_gradients(texts, negatives, (centres, contexts))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_gradients_are_finite_for_large_products() -> None:
    """The sigmoid neither overflows nor returns NaN."""
    huge = np.full((VOCABULARY, SIZE), 1e4, np.float32)
    words, texts = np.array([1, 2, 3], np.int32), np.zeros(3, int)
    for table in (huge, -huge):
        centre_gradients, context_gradients = find_gradients(
            words, texts, np.array([[4]]), huge, table
        )
        for _, values in (centre_gradients, *context_gradients):
            assert np.isfinite(values).all()


def texts_of(count: int, length: int, seed: int = 0) -> TokenIds:
    """Return random texts of equal length."""
    words = np.random.default_rng(seed).integers(1, VOCABULARY, count * length)
    return TokenIds(words.astype(np.int32), np.arange(0, count * length + 1, length))


def learn(ids: TokenIds, seed: int = 0) -> np.ndarray:
    """Learn three-dimensional vectors."""
    return learn_vectors(ids, vocabulary_size=VOCABULARY, size=SIZE, seed=seed)[0]


def test_words_without_neighbours_keep_their_initial_vectors() -> None:
    """Small random numbers as centres, zeros as contexts."""
    sizes = {"vocabulary_size": VOCABULARY, "size": SIZE}
    alone, as_neighbours = learn_vectors(texts_of(600, 1), **sizes)
    assert 0 < abs(alone).max() <= 0.5 / SIZE
    assert not as_neighbours.any()


def test_ids_that_do_not_occur_keep_their_initial_vectors() -> None:
    """They are drawn neither as words nor as negatives, whatever their position."""
    words = np.random.default_rng(0).choice([1, 2, 4, 5, 6], 3000).astype(np.int32)
    ids = TokenIds(words, np.arange(0, 3001, 10))
    centres, contexts = learn_vectors(ids, vocabulary_size=VOCABULARY + 2, size=SIZE)
    absent = [0, 3, VOCABULARY, VOCABULARY + 1]
    assert not contexts[absent].any()
    assert abs(centres[absent]).max() <= 0.5 / SIZE
    assert contexts[[1, 2, 4, 5, 6]].any(axis=1).all()


def test_vectors_are_reproducible_by_seed() -> None:
    """Also over several steps; another seed gives other vectors."""
    ids = texts_of(900, 9)
    first = learn(ids)
    np.testing.assert_array_equal(learn(ids), first)
    assert (learn(ids, seed=1) != first).any()


def test_a_step_may_be_empty() -> None:
    """Subsampling may drop all words, and a text may be empty or longer than a step."""
    few = TokenIds(np.array([1, 2] * 3, np.int32), np.array([0, 6]))
    long = TokenIds(
        np.arange(10_000, dtype=np.int32) % VOCABULARY, np.array([0, 0, 10_000, 10_000])
    )
    for ids in (few, long):
        assert np.isfinite(learn(ids)).all()


def test_neighbours_attract_and_other_words_repel() -> None:
    """Each text draws its words from one of forty groups of ten; the groups are recovered."""
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 40, (3000, 1))
    words = 1 + 10 * groups + generator.integers(0, 10, (3000, 20))
    ids = TokenIds(words.astype(np.int32).ravel(), np.arange(0, words.size + 1, 20))
    centres, contexts = learn_vectors(ids, vocabulary_size=401, size=16)
    products = centres[1:] @ contexts[1:].T
    same = np.kron(np.eye(40), np.ones((10, 10))).astype(bool)
    # Before training both losses are log 2, about 0.69.
    assert np.logaddexp(0, -products[same]).mean() < 0.3
    assert np.logaddexp(0, products[~same]).mean() < 0.1


def test_larger_corpora_are_trained_for_fewer_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one epoch and at most twenty."""
    read = []
    find = skipgram.find_gradients

    def record_and_find(words: np.ndarray, *rest: np.ndarray) -> object:
        read.append(len(words))
        return find(words, *rest)

    monkeypatch.setattr(skipgram, "find_gradients", record_and_find)
    # Disable subsampling, which would drop most words of such a small vocabulary.
    monkeypatch.setattr(skipgram, "_SUBSAMPLING_THRESHOLD", 1.0)
    ids = texts_of(30, 10)
    for most, times in ((10_000, 20), (1_000, 3), (100, 1)):
        monkeypatch.setattr(skipgram, "_MAX_WORDS_READ", most)
        read.clear()
        learn(ids)
        assert sum(read) == times * 300
