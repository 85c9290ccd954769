import re
from typing import Any

import numpy as np
import pytest

from ecomclf.errors import DataError
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID
from ecomclf.text.vectorizer import Vectorizer, require_words, token_pattern


def test_the_vocabulary_is_sorted_by_frequency() -> None:
    """The most frequent word has the lowest id; words not seen in fitting are unknown."""
    vectorizer = Vectorizer.fit(["b a", "b c", "b a"], max_tokens=10, max_length=5)
    ids = vectorizer.encode(["b a c", "z b"])
    assert ids.values.tolist() == [2, 3, 4, 1, 2]
    assert ids.offsets.tolist() == [0, 3, 5]
    assert vectorizer.vocabulary_size == 5


def test_texts_and_vocabulary_are_truncated() -> None:
    """A text keeps its first `max_length` tokens, the vocabulary its first `max_tokens` ids."""
    vectorizer = Vectorizer.fit(["a a a b b c"], max_tokens=4, max_length=4)
    assert vectorizer.encode(["a b c a b"]).values.tolist() == [2, 3, 1, 2]


def test_empty_texts_are_encoded_as_empty() -> None:
    """A text without tokens has length 0 and is padded to one position."""
    vectorizer = Vectorizer.fit(["a b"], max_tokens=10, max_length=4)
    ids = vectorizer.encode(["", "a", ""])
    assert ids.lengths.tolist() == [0, 1, 0]
    assert ids.padded(np.array([0, 2])).tolist() == [[0], [0]]


def test_equally_frequent_words_are_sorted_alphabetically() -> None:
    """The order of the training texts does not affect the ids."""
    first = Vectorizer.fit(["b a", "c"], max_tokens=10, max_length=5)
    assert first.words == ("", "[UNK]", "a", "b", "c")
    assert Vectorizer.fit(["c", "a b"], max_tokens=10, max_length=5).words == first.words


def test_very_long_words_are_left_out_of_the_vocabulary() -> None:
    """A base64 image in a text would widen the vocabulary array of Keras to its length."""
    image = "data" * 60
    vectorizer = Vectorizer.fit([f"a {image}", image, "a b"], max_tokens=9, max_length=9)
    assert vectorizer.words == ("", "[UNK]", "a", "b")
    assert vectorizer.encode([f"b {image} a"]).values.tolist() == [3, UNKNOWN_ID, 2]


def test_fitting_on_empty_texts_raises() -> None:
    """The error says that cleaning left no words."""
    with pytest.raises(DataError, match="no training text has a word"):
        Vectorizer.fit(["", " "], max_tokens=5, max_length=9)


@pytest.mark.slow
def test_ids_equal_those_of_the_keras_layer() -> None:
    """Our encoding and the layer in the saved model agree, also on unusual characters."""
    learned = ["case for a Käse [UNK]", "case for", "case"]
    vectorizer = Vectorizer.fit(learned, max_tokens=5, max_length=9)
    texts = ["case for a Käse", "", "Käse KÄSE", "[UNK] a", "none of these", "case\x00 for", "😀 a"]
    assert vectorizer.layer.vocabulary_size() == vectorizer.vocabulary_size
    padded = np.asarray(vectorizer.layer(tf_strings(texts)))
    for text, ids in zip(texts, padded, strict=True):
        own = vectorizer.encode([text]).values.tolist()
        assert own == ids[: len(own)].tolist()
        assert not ids[len(own) :].any()


def tf_strings(texts: list[str]) -> Any:
    """Return texts as a string tensor."""
    import tensorflow as tf

    return tf.constant(texts)


def test_words_are_listed_by_id() -> None:
    """Each word is encoded as its index in `words`; index 0 is padding."""
    vectorizer = Vectorizer.fit(
        ["case of a Käse", "case of a", "a case"], max_tokens=5, max_length=9
    )
    words = vectorizer.words
    assert len(words) == vectorizer.vocabulary_size == 5
    assert words[PADDING_ID] == ""
    assert set(words[UNKNOWN_ID + 1 :]) == {"a", "case", "of"}
    for number in range(UNKNOWN_ID + 1, 5):
        assert vectorizer.encode([words[number]]).values.tolist() == [number]
    assert vectorizer.encode(["Käse"]).values.tolist() == [UNKNOWN_ID]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["red shoe", "a"], ["red", "shoe"]),
        (["a b", "c."], ["a", "b", "c."]),
        ([""], []),
    ],
)
def test_single_letters_are_tokens_only_where_no_text_has_longer_words(
    texts: list[str], words: list[str]
) -> None:
    """scikit-learn's default pattern is used unless it would match nothing."""
    pattern = token_pattern(texts)
    assert [word for text in texts for word in re.findall(pattern, text)] == words


def test_one_word_in_any_text_is_enough() -> None:
    """`require_words` stops at the first text with a word and raises if there is none."""
    texts = iter(["", "shoe", "hat"])
    require_words(texts)
    assert list(texts) == ["hat"]
    with pytest.raises(DataError, match="no training text has a word"):
        require_words(["", "[UNK]", "x" * 201])
