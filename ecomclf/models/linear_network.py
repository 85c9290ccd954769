"""A linear path as a Keras model of stock layers, for models that take strings.

It gives the decision values of `LinearPath.decide` within 1e-4. It hashes the character n-grams of
all words of a text, known ones too, so it is slower.
"""

from typing import Any

import keras
from keras import layers, ops

from ecomclf.models.linear_path import MIN_SQUARED_NORM, LinearPath
from ecomclf.text.character_ngrams import (
    MAX_POSITIONS,
    MULTIPLIER,
    SIZES,
    SPACE,
    CharacterNgrams,
)
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID

# Name of the model within a saved one, and of the layer that turns strings into character ids.
WIDE, CHARACTERS = "wide", "characters"
_LONGEST = max(SIZES)


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
    buckets = ops.concatenate(ngram_buckets(characters, path.ngrams, max_length), axis=1)
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
    alphabet = "".join(model.get_layer(CHARACTERS).get_vocabulary()[SPACE:])
    characters = tables["wide_characters"]
    ngrams = CharacterNgrams(alphabet, buckets=len(characters))
    words, pairs = tables["wide_words"], tables["wide_pairs"]
    return LinearPath(vocabulary, words, pairs, intercept, ngrams, characters)


def decisions_of_strings(path: LinearPath, texts: Any, ids: Any, max_length: int) -> Any:
    """Return the decision values of texts, within a Keras model; float32 [batch, classes].

    Args:
        path: what computes them.
        texts: a string tensor [batch] of cleaned texts.
        ids: their token ids, int32 [batch, length].
        max_length: number of words that are read of a text.

    """
    network = build_linear_network(path, max_length)
    layer = layers.TextVectorization(
        standardize=None, split="character", vocabulary=list(path.ngrams.alphabet), name=CHARACTERS
    )
    return network([ids, ops.cast(layer(texts), "int32")])


def ngram_buckets(characters: Any, ngrams: CharacterNgrams, max_length: int) -> list[Any]:
    """Return the buckets of the n-grams of each size that begin at each character.

    Args:
        characters: int32 [batch, characters] of cleaned texts, 0 after their end.
        ngrams: their hash.
        max_length: number of words, the n-grams of later ones are left out.

    Returns:
        int32 [batch, characters + 2] for each size; 0 where no n-gram of a word begins.

    """
    padded = ops.pad(characters, [[0, 0], [1, _LONGEST]])
    # The padding at both ends stands for the spaces around the first and the last word.
    padded = ops.where(ops.equal(padded, PADDING_ID), SPACE, padded)
    space = ops.cast(ops.equal(padded, SPACE), "int32")
    spaces_so_far = ops.cumsum(space, axis=1)
    # The number of the word that begins, or goes on, at each position, from 1.
    word = _window(spaces_so_far, 0)
    before = ops.pad(spaces_so_far, [[0, 0], [MAX_POSITIONS, 0]])[:, :-MAX_POSITIONS]
    # Whether the word has begun at most so many positions before.
    near = ops.greater(word, _window(before, 0))
    readable = ops.logical_and(near, ops.less_equal(word, max_length))
    found = []
    for size in SIZES:
        hashed = ops.full_like(word, size)
        for offset in range(size):
            hashed = _next_hash(hashed, _window(padded, offset), ngrams.buckets)
        # Spaces may stand at both ends only, and not at both of two characters.
        inner = range(1, size - 1) if size > 2 else range(0)
        spaces = sum((_window(space, offset) for offset in inner), ops.zeros_like(word))
        if size == 2:
            spaces = _window(space, 0) * _window(space, 1)
        inside = ops.logical_and(ops.equal(spaces, 0), readable)
        found.append(ops.where(inside, _to_bucket(hashed, ngrams.buckets), 0))
    return found


def _window(sequence: Any, offset: int) -> Any:
    """Return as many positions from `offset` on as n-grams of the longest size may begin at."""
    return sequence[:, offset : offset - (_LONGEST - 1) or None]


def _pair_buckets(ids: Any, buckets: int) -> Any:
    """Do what `word_pairs.pair_buckets` does; int32 [batch, length]."""
    second = ops.pad(ids[:, 1:], [[0, 0], [0, 1]])
    hashed = _next_hash(ops.mod(ids, buckets), second, buckets)
    known = ops.logical_and(ops.greater(ids, UNKNOWN_ID), ops.greater(second, UNKNOWN_ID))
    return ops.where(known, _to_bucket(hashed, buckets), 0)


def _next_hash(hashed: Any, value: Any, buckets: int) -> Any:
    """Do what `character_ngrams.next_hash` does."""
    return ops.mod(hashed * MULTIPLIER + value, buckets)


def _to_bucket(hashed: Any, buckets: int) -> Any:
    """Do what `character_ngrams.to_bucket` does."""
    return ops.mod(hashed, buckets - 1) + 1


def _look_up(table: Any, name: str, positions: Any) -> Any:
    """Return the sum of the rows of a table at positions [batch, n]; float32 [batch, columns]."""
    layer = layers.Embedding(*table.shape, name=name)
    rows = layer(positions)
    layer.set_weights([table])
    return ops.sum(rows, axis=1)


def _normalized(sums: Any) -> Any:
    """Divide sums over the rows of a table by the norm that is in the last column."""
    return sums[:, :-1] / ops.sqrt(ops.maximum(sums[:, -1:], MIN_SQUARED_NORM))
