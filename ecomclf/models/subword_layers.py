"""Subwords in a network: vectors of character n-grams, added to the vectors of words.

As in fastText (Bojanowski et al., 2017, arXiv:1607.04606, 3.2), a word that was never seen gets a
vector from the letters it is made of. The vectors of a word's n-grams are averaged rather than
added up, so that long words do not get longer vectors.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ecomclf.models.string_ngrams import find_ngrams
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.subwords import Subwords
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds
from ecomclf.text.vectorizer import Vectorizer

# Adam updates the whole table in each step, whichever n-grams a batch contains.
SUBWORD_BUCKETS = 2**13
# Name of the layer with the vectors of the n-grams.
SUBWORDS = "subwords"


def subword_inputs() -> list[Any]:
    """Return the inputs of a network beside its ids: `rows` and `pairs` of `Subwords.inputs`."""
    return [
        keras.Input((None,), dtype="int32", name="subword_rows"),
        keras.Input((2,), dtype="int32", name="subword_pairs"),
    ]


def add_subwords(words: Any, rows: Any, pairs: Any) -> Any:
    """Add the mean of the vectors of their n-grams to word vectors [batch, length, size].

    Args:
        words: float32 [batch, length, size].
        rows: int32 [batch, length], see `Subwords.inputs`.
        pairs: int32 [n-grams, 2].

    """
    table = layers.Embedding(SUBWORD_BUCKETS, words.shape[-1], name=SUBWORDS)
    buckets, owners = pairs[:, 0], pairs[:, 1]
    used = ops.cast(ops.greater(ops.expand_dims(buckets, -1), 0), "float32")
    totals = ops.segment_sum(table(buckets) * used, owners)
    counts = ops.segment_sum(used, owners)
    return words + ops.take(totals / ops.maximum(counts, 1.0), rows, axis=0)


def fold_subwords(network: keras.Model, vectorizer: Vectorizer, ngrams: CharacterNgrams) -> None:
    """Add the n-gram vectors of the vocabulary to its word vectors, in place.

    From then on the network must look up the n-grams of unknown words only.
    """
    nothing = TokenIds(np.zeros(0, np.int32), np.zeros(1, np.int64))
    found = Subwords.of_all(nothing, vectorizer, ngrams).ngrams
    (table,), embedding = network.get_layer(SUBWORDS).get_weights(), network.get_layer("embedding")
    (words,) = embedding.get_weights()
    # Item 0 stands for words that are not looked up.
    means = np.add.reduceat(table[found.values], found.offsets[:-1])[1:] / found.lengths[1:, None]
    words[UNKNOWN_ID + 1 : vectorizer.vocabulary_size] += means
    embedding.set_weights([words])


def find_buckets(network: Any) -> int | None:
    """Return the number of buckets of a network's subwords, or of those nested in it.

    It is None if there are none.
    """
    for layer in network.layers:
        if layer.name == SUBWORDS:
            return int(layer.input_dim)
        found = find_buckets(layer) if isinstance(layer, keras.Model) else None
        if found is not None:
            return found
    return None


def has_subwords(network: Any) -> bool:
    """Return whether a network, or one that is nested in it, has subwords."""
    return find_buckets(network) is not None


def subwords_of_strings(
    ngrams: CharacterNgrams, characters: Any, ids: Any, max_length: int
) -> list[Any]:
    """Return `rows` and `pairs` of the unknown words of texts, within a Keras model.

    Args:
        ngrams: hashes the n-grams.
        characters: character ids of cleaned texts, as `string_ngrams.character_ids` returns them.
        ids: their token ids, int32 [batch, length].
        max_length: number of words that are read of a text.

    """
    unknown = ops.cast(ops.equal(ids, UNKNOWN_ID), "int32")
    in_text = ops.cumsum(unknown, axis=1)
    totals = in_text[:, -1:]
    # Numbered from 1 through all texts.
    rows = (in_text + ops.cumsum(totals, axis=0) - totals) * unknown
    found = find_ngrams(characters, ngrams, max_length)
    # A row 0 in front, for the characters before the first word.
    length = ops.sum(ops.ones_like(ids), axis=1, keepdims=True)
    words = ops.minimum(found.words, length)
    owners = ops.take_along_axis(ops.pad(rows, [[0, 0], [1, 0]]), words, axis=1)
    owners = ops.expand_dims(owners, -1) * ops.cast(ops.greater(found.buckets, 0), "int32")
    buckets = found.buckets * ops.cast(ops.greater(owners, 0), "int32")
    pairs = ops.reshape(ops.stack([buckets, owners], axis=-1), (-1, 2))
    return [rows, ops.pad(pairs, [[1, 0], [0, 0]])]
