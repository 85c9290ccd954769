"""Character n-grams of the words of a batch, as a network with subwords takes them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds
from ecomclf.text.vectorizer import Vectorizer


@dataclass(frozen=True)
class Subwords:
    """Encoded texts, and the character n-grams of some of their words.

    In training these are all words. A trained network has the n-grams of its vocabulary within its
    word vectors, and predictions look up unknown words only.

    Attributes:
        numbers: ids of the texts, in which unknown words have distinct numbers from `known` on.
        known: vocabulary size, including padding and the unknown token.
        first: the lowest number of a word that is looked up.
        ngrams: item 0 is a single bucket 0, which stands for words that are not looked up; item
            `1 + i` holds the buckets of the word of number `first + i`.

    Example:
        >>> vectorizer = Vectorizer(["", "[UNK]", "red"], max_length=40)
        >>> ngrams = CharacterNgrams.fit(["red"], buckets=64)
        >>> subwords = Subwords.of_unknown(vectorizer.encode(["red a"]), vectorizer, ngrams)
        >>> ids, rows, pairs = subwords.inputs(subwords.numbers.padded(np.array([0])))
        >>> ids.tolist(), rows.tolist(), pairs[:, 1].tolist()  # " a", "a " and " a "
        ([[2, 1]], [[0, 1]], [0, 1, 1, 1])

    """

    numbers: TokenIds
    known: int
    first: int
    ngrams: TokenIds

    @classmethod
    def of_all(cls, ids: TokenIds, vectorizer: Vectorizer, ngrams: CharacterNgrams) -> Self:
        """Look up all words of encoded texts; for training."""
        return cls._of(ids, vectorizer, ngrams, vectorizer.words[UNKNOWN_ID + 1 :])

    @classmethod
    def of_unknown(cls, ids: TokenIds, vectorizer: Vectorizer, ngrams: CharacterNgrams) -> Self:
        """Look up the unknown words of encoded texts; for predictions."""
        return cls._of(ids, vectorizer, ngrams, ())

    @classmethod
    def _of(
        cls,
        ids: TokenIds,
        vectorizer: Vectorizer,
        ngrams: CharacterNgrams,
        words: tuple[str, ...],
    ) -> Self:
        known = vectorizer.vocabulary_size
        unknown = ids.unknown.words if ids.unknown is not None else ()
        found = ngrams.encode([*words, *unknown])
        buckets = np.concatenate([np.zeros(1, np.int32), found.values])
        offsets = np.concatenate([[0], found.offsets + 1])
        numbers = ids.numbered_unknown(known)
        return cls(numbers, known, known - len(words), TokenIds(buckets, offsets))

    def take(self, rows: np.ndarray) -> "Subwords":
        """Return the texts at `rows`, in that order; rows may repeat."""
        return Subwords(self.numbers.take(rows), self.known, self.first, self.ngrams)

    def inputs(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the inputs of a network for a batch of `numbers`, int32 [batch, length].

        Returns:
            ids int32 [batch, length]; rows int32 [batch, length], the number of each word within
            the batch, 0 for a word that is not looked up; pairs int32 [n-grams, 2], the bucket of
            each n-gram and the row of its word.

        """
        looked_up = np.where(numbers >= self.first, numbers - (self.first - 1), 0)
        # A 0 in front, so that row 0 exists in every batch.
        flat = np.concatenate([[0], looked_up.ravel()])
        words, rows = np.unique(flat, return_inverse=True)
        found = self.ngrams.take(words)
        owners = np.repeat(np.arange(len(words)), found.lengths)
        pairs = np.stack([found.values, owners], axis=1).astype(np.int32)
        ids = np.where(numbers >= self.known, np.int32(UNKNOWN_ID), numbers)
        return ids, rows[1:].reshape(numbers.shape).astype(np.int32), pairs
