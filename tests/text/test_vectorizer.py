from typing import Any

import numpy as np
import pytest

from ecomclf.errors import DataError
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID
from ecomclf.text.vectorizer import Vectorizer


def test_vocabulary_holds_training_words_only_most_frequent_first() -> None:
    """Ids follow the frequency in the texts fitted on; every other word is unknown."""
    vectorizer = Vectorizer.fit(["b a", "b c", "b a"], max_tokens=10, max_length=5)
    ids = vectorizer.encode(["b a c", "z b"])
    assert ids.values.tolist() == [2, 3, 4, 1, 2]
    assert ids.offsets.tolist() == [0, 3, 5]
    assert vectorizer.vocabulary_size == 5


def test_texts_are_cut_and_rare_words_left_out() -> None:
    """A text keeps its first `max_length` tokens, the vocabulary its `max_tokens` first ids."""
    vectorizer = Vectorizer.fit(["a a a b b c"], max_tokens=4, max_length=4)
    assert vectorizer.encode(["a b c a b"]).values.tolist() == [2, 3, 1, 2]


def test_empty_texts_keep_their_place() -> None:
    """A text without tokens is encoded as none and padded to one position."""
    vectorizer = Vectorizer.fit(["a b"], max_tokens=10, max_length=4)
    ids = vectorizer.encode(["", "a", ""])
    assert ids.lengths.tolist() == [0, 1, 0]
    assert ids.padded(np.array([0, 2])).tolist() == [[0], [0]]


def test_words_as_frequent_as_another_stand_in_their_alphabetical_order() -> None:
    """So that the same texts in another order give the same ids."""
    first = Vectorizer.fit(["b a", "c"], max_tokens=10, max_length=5)
    assert first.words == ("", "[UNK]", "a", "b", "c")
    assert Vectorizer.fit(["c", "a b"], max_tokens=10, max_length=5).words == first.words


def test_a_text_of_letters_without_end_is_no_word() -> None:
    """An image within a text would make Keras' vocabulary as wide as it is."""
    image = "data" * 60
    vectorizer = Vectorizer.fit([f"a {image}", image, "a b"], max_tokens=9, max_length=9)
    assert vectorizer.words == ("", "[UNK]", "a", "b")
    assert vectorizer.encode([f"b {image} a"]).values.tolist() == [3, UNKNOWN_ID, 2]


def test_texts_without_a_word_are_refused() -> None:
    """There is nothing to learn from."""
    with pytest.raises(DataError, match="no training text has a word"):
        Vectorizer.fit(["", " "], max_tokens=5, max_length=9)


@pytest.mark.slow
def test_ids_are_those_of_the_layer_that_the_saved_model_has() -> None:
    """What is encoded here and what the model takes from strings are the same."""
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
    """Give texts as TensorFlow's."""
    import tensorflow as tf

    return tf.constant(texts)


def test_words_stand_at_their_ids() -> None:
    """Each word of the vocabulary is encoded as its place in the list; the first is padding."""
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
