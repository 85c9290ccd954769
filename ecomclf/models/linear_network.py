"""A linear path as a Keras model of stock layers, for models that take strings.

It gives the decision values of `LinearPath.decide` within 1e-4. It hashes the character n-grams of
all words of a text, known ones too, so it is slower.
"""

from typing import Any

import keras
from keras import layers, ops

from ecomclf.models.linear_path import MIN_SQUARED_NORM, LinearPath
from ecomclf.models.string_ngrams import find_ngrams, next_hash, read_alphabet, to_bucket
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.token_ids import UNKNOWN_ID

# Name of the model within a saved one.
WIDE = "wide"


def build_linear_network(path: LinearPath, max_length: int) -> keras.Model:
    """Build the network of a linear path, with its weights.

    Args:
        path: what it computes.
        max_length: number of words that are read of a text.

    Returns:
        int32 [batch, length] of ids, at most `max_length`, and int32 [batch, characters] of
        character ids → float32 [batch, classes], decision values.

    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    sums = _look_up(path.words, "wide_words", ids)
    sums += _look_up(path.pairs, "wide_pairs", _pair_buckets(ids, len(path.pairs)))
    characters = keras.Input((None,), dtype="int32", name="character_ids")
    buckets = find_ngrams(characters, path.ngrams, max_length).buckets
    decisions = _normalized(sums) + _normalized(
        _look_up(path.characters, "wide_characters", buckets)
    )
    # A dense layer is the stock layer that can hold the intercept.
    intercept = layers.Dense(len(path.intercept), name="wide_intercept")
    model = keras.Model([ids, characters], intercept(decisions), name=WIDE)
    intercept.set_weights([ops.eye(len(path.intercept)), path.intercept])
    return model


def read_linear_network(model: keras.Model, vocabulary: tuple[str, ...]) -> LinearPath | None:
    """Return the linear path of a saved string model; None if it has none of this kind.

    Args:
        model: strings → probabilities, as `Classifier.string_model` builds it.
        vocabulary: words by id.

    """
    names = [layer.name for layer in model.layers]
    if WIDE not in names:
        return None
    network = model.get_layer(WIDE)
    tables = {layer.name: layer.get_weights()[0] for layer in network.layers if layer.weights}
    intercept = network.get_layer("wide_intercept").get_weights()[1]
    characters = tables["wide_characters"]
    ngrams = CharacterNgrams(read_alphabet(model), buckets=len(characters))
    words, pairs = tables["wide_words"], tables["wide_pairs"]
    return LinearPath(vocabulary, words, pairs, intercept, ngrams, characters)


def decisions_of_strings(path: LinearPath, characters: Any, ids: Any, max_length: int) -> Any:
    """Return the decision values of texts, within a Keras model; float32 [batch, classes].

    Args:
        path: what computes them.
        characters: character ids of cleaned texts, as `string_ngrams.character_ids` returns them.
        ids: their token ids, int32 [batch, length].
        max_length: number of words that are read of a text.

    """
    return build_linear_network(path, max_length)([ids, characters])


def _pair_buckets(ids: Any, buckets: int) -> Any:
    """Do what `word_pairs.pair_buckets` does; int32 [batch, length]."""
    second = ops.pad(ids[:, 1:], [[0, 0], [0, 1]])
    hashed = next_hash(ops.mod(ids, buckets), second, buckets)
    known = ops.logical_and(ops.greater(ids, UNKNOWN_ID), ops.greater(second, UNKNOWN_ID))
    return ops.where(known, to_bucket(hashed, buckets), 0)


def _look_up(table: Any, name: str, positions: Any) -> Any:
    """Return the sum of the rows of a table at positions [batch, …]; float32 [batch, columns]."""
    layer = layers.Embedding(*table.shape, name=name)
    rows = layer(positions)
    layer.set_weights([table])
    return ops.sum(rows, axis=tuple(range(1, len(rows.shape) - 1)))


def _normalized(sums: Any) -> Any:
    """Divide sums over the rows of a table by the norm that is in the last column."""
    return sums[:, :-1] / ops.sqrt(ops.maximum(sums[:, -1:], MIN_SQUARED_NORM))
