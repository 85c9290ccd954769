import numpy as np
import pytest

from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.subwords import Subwords
from ecomclf.text.token_ids import TokenIds
from ecomclf.text.vectorizer import Vectorizer

VECTORIZER = Vectorizer(["", "[UNK]", "red", "hat"], max_length=5)
NGRAMS = CharacterNgrams.fit(["red hat shoe"], buckets=1024)
TEXTS = ["red shoe hat", "", "x9 red x9 shoes"]


def words_of(subwords: Subwords, rows: list[int]) -> list[list[frozenset[int]]]:
    """Return the buckets of the word at each position of a batch, by way of its inputs."""
    _, at, pairs = subwords.inputs(subwords.numbers.padded(np.array(rows)))
    buckets = [frozenset(pairs[pairs[:, 1] == row, 0].tolist()) for row in range(at.max() + 1)]
    return [[buckets[row] for row in text] for text in at]


def buckets_of(word: str) -> frozenset[int]:
    """Return the buckets of one word."""
    return frozenset(NGRAMS.encode([word]).values.tolist())


def test_training_looks_up_the_ngrams_of_all_words() -> None:
    """Also of the unknown ones; padding has bucket 0 only."""
    subwords = Subwords.of_all(VECTORIZER.encode(TEXTS), VECTORIZER, NGRAMS)
    nothing = frozenset({0})
    assert words_of(subwords, [2, 0]) == [
        [buckets_of(word) for word in ("x9", "red", "x9", "shoes")],
        [*map(buckets_of, ("red", "shoe", "hat")), nothing],
    ]


def test_a_prediction_looks_up_those_of_unknown_words() -> None:
    """Words of the vocabulary have bucket 0; an empty text too."""
    subwords = Subwords.of_unknown(VECTORIZER.encode(TEXTS), VECTORIZER, NGRAMS)
    nothing = frozenset({0})
    assert words_of(subwords, [1, 0]) == [[nothing] * 3, [nothing, buckets_of("shoe"), nothing]]


@pytest.mark.parametrize("looked_up", [Subwords.of_all, Subwords.of_unknown])
def test_the_ids_are_those_of_the_vocabulary(looked_up: object) -> None:
    """The numbers of unknown words become the unknown token again."""
    encoded = VECTORIZER.encode(TEXTS)
    subwords = looked_up(encoded, VECTORIZER, NGRAMS)  # type: ignore[operator]
    rows = np.array([2, 1, 0])
    ids, _, _ = subwords.inputs(subwords.numbers.padded(rows))
    np.testing.assert_array_equal(ids, encoded.padded(rows))


def test_drawn_texts_keep_their_unknown_words() -> None:
    """A text that is drawn twice has its words twice."""
    subwords = Subwords.of_all(VECTORIZER.encode(TEXTS), VECTORIZER, NGRAMS).take(np.array([2, 2]))
    first, second = words_of(subwords, [0, 1])
    assert first == second
    assert first[0] == buckets_of("x9")


def test_ids_without_unknown_words_have_none_to_look_up() -> None:
    """Ids whose unknown words were not kept are read as they are."""
    ids = TokenIds(np.array([2, 1], np.int32), np.array([0, 2]))
    subwords = Subwords.of_unknown(ids, VECTORIZER, NGRAMS)
    assert words_of(subwords, [0]) == [[frozenset({0})] * 2]
