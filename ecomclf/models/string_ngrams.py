"""Character n-grams of strings as Keras operations, for models that take strings.

They give the buckets of `CharacterNgrams.encode`.
"""

from typing import Any, NamedTuple

from keras import layers, ops

from ecomclf.text.character_ngrams import (
    MAX_POSITIONS,
    MULTIPLIER,
    SIZES,
    SPACE,
    CharacterNgrams,
)
from ecomclf.text.token_ids import PADDING_ID

# Name of the layer that turns strings into character ids.
CHARACTERS = "characters"
_LONGEST = max(SIZES)


class StringNgrams(NamedTuple):
    """The n-grams that begin at each character of a batch.

    Attributes:
        buckets: int32 [batch, characters + 2, sizes], 0 where no n-gram of a word begins.
        words: int32 [batch, characters + 2], the position of the word of each character, from 1;
            0 before the first word.

    """

    buckets: Any
    words: Any


def character_ids(texts: Any, alphabet: str) -> Any:
    """Return the ids of the characters of a string tensor [batch]; int32 [batch, characters]."""
    layer = layers.TextVectorization(
        standardize=None, split="character", vocabulary=list(alphabet), name=CHARACTERS
    )
    return ops.cast(layer(texts), "int32")


def read_alphabet(model: Any) -> str:
    """Return the alphabet of a model that `character_ids` is a part of."""
    return "".join(model.get_layer(CHARACTERS).get_vocabulary()[SPACE:])


def find_ngrams(characters: Any, ngrams: CharacterNgrams, max_length: int) -> StringNgrams:
    """Return the buckets of the n-grams that begin at each character.

    Args:
        characters: int32 [batch, characters] of cleaned texts, 0 after their end.
        ngrams: their hash.
        max_length: number of words, the n-grams of later ones are left out.

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
            hashed = next_hash(hashed, _window(padded, offset), ngrams.buckets)
        # Spaces may stand at both ends only, and not at both of two characters.
        inner = range(1, size - 1) if size > 2 else range(0)
        spaces = sum((_window(space, offset) for offset in inner), ops.zeros_like(word))
        if size == 2:
            spaces = _window(space, 0) * _window(space, 1)
        inside = ops.logical_and(ops.equal(spaces, 0), readable)
        found.append(ops.where(inside, to_bucket(hashed, ngrams.buckets), 0))
    return StringNgrams(ops.stack(found, axis=2), word)


def next_hash(hashed: Any, value: Any, buckets: int) -> Any:
    """Do what `character_ngrams.next_hash` does."""
    return ops.mod(hashed * MULTIPLIER + value, buckets)


def to_bucket(hashed: Any, buckets: int) -> Any:
    """Do what `character_ngrams.to_bucket` does."""
    return ops.mod(hashed, buckets - 1) + 1


def _window(sequence: Any, offset: int) -> Any:
    """Return as many positions from `offset` on as n-grams of the longest size may begin at."""
    return sequence[:, offset : offset - (_LONGEST - 1) or None]
