import numpy as np
import pytest

from ecomclf.text import skipgram
from ecomclf.text.skipgram import find_gradients, learn_vectors
from ecomclf.text.token_ids import TokenIds

VOCABULARY, SIZE = 7, 3


def log_sigmoid(value: float) -> float:
    """Give the logarithm of the logistic function."""
    return -float(np.log1p(np.exp(-value)))


def loss(
    texts: list[list[int]], negatives: np.ndarray, centres: np.ndarray, contexts: np.ndarray
) -> float:
    """Give what is to become small, pair by pair."""
    total = 0.0
    read = 0
    for words in texts:
        for place, word in enumerate(words):
            repelled = 0.0
            own_negatives = negatives[read // 16]
            read += 1
            for other, neighbour in enumerate(words):
                distance = abs(place - other)
                if 1 <= distance <= 8:
                    weight = (9 - distance) / 8
                    total -= weight * log_sigmoid(centres[word] @ contexts[neighbour])
                    repelled += weight
            for negative in own_negatives:
                share = 5 * repelled / len(own_negatives)
                total -= share * log_sigmoid(-centres[word] @ contexts[negative])
    return total


def differences(
    texts: list[list[int]], negatives: np.ndarray, tables: tuple[np.ndarray, np.ndarray]
) -> list[np.ndarray]:
    """Give the slope of the loss by every number, as central differences."""
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


# One block and several, filled and not; neighbours in the block before and after; a lone word.
@pytest.mark.parametrize("lengths", [[5], [16], [3, 20, 1, 12], [40], [1, 1]])
def test_gradients_are_the_slopes_of_the_loss(lengths: list[int]) -> None:
    """By number, against a loop over pairs of words; texts do not see each other."""
    generator = np.random.default_rng(0)
    texts = [generator.integers(1, VOCABULARY, length).tolist() for length in lengths]
    negatives = generator.integers(1, VOCABULARY, (-(-sum(lengths) // 16), 4))
    centres, contexts = generator.normal(0, 1, (2, VOCABULARY, SIZE))
    words = np.concatenate(texts).astype(np.int32)
    of_centres, of_contexts = find_gradients(
        words,
        np.repeat(np.arange(len(texts)), lengths),
        negatives,
        centres.astype(np.float32),
        contexts.astype(np.float32),
    )
    found = np.zeros((2, VOCABULARY, SIZE))
    for table, gradients in zip(found, ([of_centres], of_contexts), strict=True):
        for rows, values in gradients:
            np.add.at(table, rows, values)
    expected = differences(texts, negatives, (centres, contexts))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_large_products_do_no_harm() -> None:
    """Their gradients are numbers still."""
    huge = np.full((VOCABULARY, SIZE), 1e4, np.float32)
    words, texts = np.array([1, 2, 3], np.int32), np.zeros(3, int)
    for table in (huge, -huge):
        of_centres, of_contexts = find_gradients(words, texts, np.array([[4]]), huge, table)
        for _, values in (of_centres, *of_contexts):
            assert np.isfinite(values).all()


def texts_of(count: int, length: int, seed: int = 0) -> TokenIds:
    """Make texts of one length of words that stand as often as they would by chance."""
    words = np.random.default_rng(seed).integers(1, VOCABULARY, count * length)
    return TokenIds(words.astype(np.int32), np.arange(0, count * length + 1, length))


def learn(ids: TokenIds, seed: int = 0) -> np.ndarray:
    """Learn small vectors."""
    return learn_vectors(ids, vocabulary_size=VOCABULARY, size=SIZE, seed=seed)[0]


def test_words_without_neighbours_learn_nothing() -> None:
    """They keep the small numbers that they begin with, and the zeros."""
    sizes = {"vocabulary_size": VOCABULARY, "size": SIZE}
    alone, as_neighbours = learn_vectors(texts_of(600, 1), **sizes)
    assert 0 < abs(alone).max() <= 0.5 / SIZE
    assert not as_neighbours.any()


def test_ids_that_do_not_occur_learn_nothing() -> None:
    """Neither as words nor as negatives, wherever they stand in the vocabulary."""
    words = np.random.default_rng(0).choice([1, 2, 4, 5, 6], 3000).astype(np.int32)
    ids = TokenIds(words, np.arange(0, 3001, 10))
    centres, contexts = learn_vectors(ids, vocabulary_size=VOCABULARY + 2, size=SIZE)
    absent = [0, 3, VOCABULARY, VOCABULARY + 1]
    assert not contexts[absent].any()
    assert abs(centres[absent]).max() <= 0.5 / SIZE
    assert contexts[[1, 2, 4, 5, 6]].any(axis=1).all()


def test_a_seed_gives_the_same_vectors() -> None:
    """Also for more words than a step takes; another seed gives others."""
    ids = texts_of(900, 9)
    first = learn(ids)
    np.testing.assert_array_equal(learn(ids), first)
    assert (learn(ids, seed=1) != first).any()


def test_a_step_may_have_no_words() -> None:
    """Frequent words are left out at random, and a text may be longer than a step or empty."""
    few = TokenIds(np.array([1, 2] * 3, np.int32), np.array([0, 6]))
    long = TokenIds(
        np.arange(10_000, dtype=np.int32) % VOCABULARY, np.array([0, 0, 10_000, 10_000])
    )
    for ids in (few, long):
        assert np.isfinite(learn(ids)).all()


def test_neighbours_attract_and_others_repel() -> None:
    """Of forty groups of ten words, each text has one: all that there is to know is learned."""
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 40, (3000, 1))
    words = 1 + 10 * groups + generator.integers(0, 10, (3000, 20))
    ids = TokenIds(words.astype(np.int32).ravel(), np.arange(0, words.size + 1, 20))
    centres, contexts = learn_vectors(ids, vocabulary_size=401, size=16)
    products = centres[1:] @ contexts[1:].T
    same = np.kron(np.eye(40), np.ones((10, 10))).astype(bool)
    # Before anything is learned both are log 2, 0.69.
    assert np.logaddexp(0, -products[same]).mean() < 0.3
    assert np.logaddexp(0, products[~same]).mean() < 0.1


def test_larger_texts_are_read_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once at least, and twenty times at most."""
    read = []
    find = skipgram.find_gradients

    def find_and_tell(words: np.ndarray, *rest: np.ndarray) -> object:
        read.append(len(words))
        return find(words, *rest)

    monkeypatch.setattr(skipgram, "find_gradients", find_and_tell)
    # Words as frequent as these are left out mostly; so none is.
    monkeypatch.setattr(skipgram, "_FREQUENT", 1.0)
    ids = texts_of(30, 10)
    for most, times in ((10_000, 20), (1_000, 3), (100, 1)):
        monkeypatch.setattr(skipgram, "_WORDS_READ", most)
        read.clear()
        learn(ids)
        assert sum(read) == times * 300
