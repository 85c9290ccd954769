"""Cleaned texts → token ids."""

import functools
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from ecomclf.errors import DataError
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds

_UNKNOWN = "[UNK]"
# Keras keeps a vocabulary in an array as wide as its longest word. Longer ones are no words.
_LONGEST_WORD = 200


def token_pattern(texts: Iterable[str]) -> str:
    """Give what scikit-learn is to take for a word: its own pattern, two letters or more.

    Where no text has such a word, all that stands between spaces is one.
    """
    usual = r"(?u)\b\w\w+\b"
    return usual if any(re.search(usual, text) for text in texts) else r"(?u)\S+"


def require_words(texts: Iterable[str]) -> None:
    """Look for a word in cleaned training texts, no further than the first that has one.

    Raises:
        DataError: they hold none.

    """
    if not any(_words(text) for text in texts):
        raise DataError("no training text has a word left after cleaning; leave out text.steps")


def _words(text: str) -> list[str]:
    """Give what a vocabulary may hold of a cleaned text."""
    return [word for word in text.split() if len(word) <= _LONGEST_WORD and word != _UNKNOWN]


class Vectorizer:
    """Cleaned texts → ids, cut at a length; as Keras' TextVectorization does, and faster.

    `words` stand at their ids: 0 is padding, 1 an unknown token, the rest the vocabulary, most
    frequent first.
    """

    def __init__(self, words: Sequence[str], max_length: int) -> None:
        self.words = tuple(words)
        self.max_length = max_length
        self._ids = {word: at for at, word in enumerate(self.words) if at > UNKNOWN_ID}

    @classmethod
    def fit(cls, texts: Iterable[str], *, max_tokens: int, max_length: int) -> Self:
        """Learn the vocabulary from cleaned training texts, and from nothing else.

        Raises:
            DataError: the texts hold no word.

        """
        counts = Counter(word for text in texts for word in _words(text))
        require_words(counts)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(["", _UNKNOWN, *ranked[: max_tokens - 2]], max_length)

    @property
    def vocabulary_size(self) -> int:
        """Give the number of ids in use, padding and the unknown token included."""
        return len(self.words)

    @functools.cached_property
    def layer(self) -> Any:
        """Give Keras' TextVectorization of the same vocabulary, for a network that takes texts."""
        import keras

        return keras.layers.TextVectorization(
            standardize=None, vocabulary=list(self.words[UNKNOWN_ID + 1 :]), name="vectorizer"
        )

    def cut(self, texts: Iterable[str]) -> list[bytes]:
        """Cut cleaned texts at `max_length` tokens: one long text must not widen a padded array.

        Half an emoji, which some programs leave at the end of a text, is no UTF-8 and becomes "?".
        """
        return [" ".join(self._split(text)).encode(errors="replace") for text in texts]

    def encode(self, texts: Iterable[str]) -> TokenIds:
        """Turn cleaned texts into ids, each cut at `max_length` tokens."""
        id_of, values, offsets = self._ids.get, array("i"), array("q", [0])
        for text in texts:
            values.extend([id_of(word, UNKNOWN_ID) for word in self._split(text)])
            offsets.append(len(values))
        return TokenIds(np.array(values, np.int32), np.array(offsets, np.int64))

    def _split(self, text: str) -> list[str]:
        return text.split(maxsplit=self.max_length)[: self.max_length]
