"""Character n-grams of words, hashed: what a word is made of, even one that was never seen.

As in fastText (Bojanowski et al., 2017, arXiv:1607.04606, 3.2), a word has a space at both ends,
so beginnings and endings differ from the middle, and its n-grams are hashed into buckets. The same
buckets are worked out twice: here with NumPy, and with Keras operations by
`ecomclf.models.linear_network`, for models that take strings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds

# Lengths of the n-grams, the spaces included.
SIZES = (2, 3, 4, 5)
# Ids of characters: 0 is padding, 1 a character that the alphabet lacks, then the alphabet, which
# begins with the space.
UNKNOWN_CHARACTER, SPACE = 1, 2
# An odd factor below 2^13: with up to 2^17 buckets a product stays below 2^31, in int32.
MULTIPLIER = 5_003
MAX_BUCKETS = 2**17
# N-grams that begin further inside of a word are left out. Longer strings, such as an image in
# base64, are not words, and one of them would have more n-grams than a thousand texts.
MAX_POSITIONS = 200


@dataclass(frozen=True)
class CharacterNgrams:
    """Hash the character n-grams of words into buckets.

    Attributes:
        alphabet: the characters that have an id of their own, a space first.
        buckets: number of buckets, at most 131,072; bucket 0 is not used.

    Example:
        >>> ngrams = CharacterNgrams.fit(["red shoe"], buckets=1024)
        >>> ngrams.alphabet
        ' dehors'
        >>> ngrams.encode(["shoe", ""]).lengths.tolist()  # 5 of 2, 4 of 3, 3 of 4, 2 of 5
        [14, 0]

    """

    alphabet: str
    buckets: int

    @classmethod
    def fit(cls, texts: Iterable[str], *, buckets: int) -> Self:
        """Collect the alphabet of cleaned training texts.

        Half an emoji, left by programs that cut texts, is no character of a string in UTF-8.
        """
        characters = {each for each in set().union(*texts) if not "\ud800" <= each <= "\udfff"}
        characters.discard(" ")
        return cls(" " + "".join(sorted(characters)), buckets)

    @classmethod
    def of_words(cls, vocabulary: Sequence[str], ids: TokenIds, *, buckets: int) -> Self:
        """Collect the alphabet of the words by id, and of the unknown words of training texts."""
        unknown = ids.unknown.words if ids.unknown is not None else ()
        return cls.fit((*vocabulary[UNKNOWN_ID + 1 :], *unknown), buckets=buckets)

    def encode(self, words: Sequence[str]) -> TokenIds:
        """Return the buckets of each word's n-grams, in no particular order."""
        words = [word[: MAX_POSITIONS + max(SIZES)] for word in words]
        lengths = np.array([len(word) for word in words], np.int64)
        # " red  shoe ": each word with its own spaces at both ends.
        characters = self._character_ids("".join(f" {word} " for word in words))
        begins = np.concatenate([[0], np.cumsum(lengths + 2)])[:-1]
        word_of = np.repeat(np.arange(len(words)), lengths + 2)
        found, owners = [], []
        for size in SIZES:
            count = len(characters) - size + 1
            if count <= 0:
                continue
            # Within one word, which is not empty.
            first = word_of[:count]
            inside = (first == word_of[size - 1 :]) & (lengths[first] > 0)
            inside &= np.arange(count) - begins[first] < MAX_POSITIONS
            hashed = np.full(count, size, np.int32)
            for offset in range(size):
                hashed = next_hash(hashed, characters[offset : offset + count], self.buckets)
            found.append(to_bucket(hashed, self.buckets)[inside])
            owners.append(first[inside])
        if not found:
            return TokenIds(np.zeros(0, np.int32), np.zeros(len(words) + 1, np.int64))
        order = np.argsort(np.concatenate(owners), kind="stable")
        counts = np.bincount(np.concatenate(owners), minlength=len(words))
        return TokenIds(np.concatenate(found)[order], np.concatenate([[0], np.cumsum(counts)]))

    def _character_ids(self, text: str) -> np.ndarray:
        """Return the id of each character; int32 [characters]."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        ids = np.full(len(points), UNKNOWN_CHARACTER, np.int32)
        known = points < len(self._id_of_point)
        ids[known] = self._id_of_point[points[known]]
        return ids

    @cached_property
    def _id_of_point(self) -> np.ndarray:
        """Return the id of each code point, up to the highest of the alphabet; int32."""
        points = [ord(character) for character in self.alphabet]
        table = np.full(max(points) + 1, UNKNOWN_CHARACTER, np.int32)
        table[points] = np.arange(SPACE, SPACE + len(points))
        return table


def next_hash(hashed: np.ndarray, character: np.ndarray, buckets: int) -> np.ndarray:
    """Return the hash of n-grams with one more character; int32, from 0 to `buckets` - 1."""
    return np.asarray((hashed * np.int32(MULTIPLIER) + character) % np.int32(buckets))


def to_bucket(hashed: np.ndarray, buckets: int) -> np.ndarray:
    """Return buckets from 1 to `buckets` - 1."""
    return np.asarray(hashed % np.int32(buckets - 1) + np.int32(1))
