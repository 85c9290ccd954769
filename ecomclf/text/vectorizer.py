"""Vocabulary of cleaned texts, and their encoding as token ids."""

import functools
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ecomclf.data.scripts import UNSPACED
from ecomclf.errors import DataError
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds, UnknownWords

UNKNOWN = "[UNK]"
# Keras stores a vocabulary in an array as wide as its longest word. Longer strings, such as an
# image in base64, are not words.
_MAX_WORD_LENGTH = 200


def token_pattern(texts: Iterable[str]) -> str:
    r"""Return the regular expression that scikit-learn's vectorizers should use for a token.

    This is scikit-learn's default, words of two or more letters, and each character of a script
    without spaces between words, unless no text contains such a token. Then it is any run of
    characters between whitespace.

    Example:
        >>> re.findall(token_pattern(["red shoe"]), "a red shoe 鞋子size")
        ['red', 'shoe', '鞋', '子', 'size']
        >>> token_pattern(["a 1", "b 2"])
        '(?u)\\S+'

    """
    default = rf"(?u)[{UNSPACED}]|[^\W{UNSPACED}]{{2,}}"
    return default if any(re.search(default, text) for text in texts) else r"(?u)\S+"


def require_words(texts: Iterable[str]) -> None:
    """Check that a cleaned training text contains a word; stop reading at the first that does.

    Raises:
        DataError: none does.

    """
    if not any(_words(text) for text in texts):
        raise DataError(
            "no training text has a word left after cleaning; remove steps from text.steps"
        )


def _words(text: str) -> list[str]:
    """Return the words of a cleaned text that may enter a vocabulary."""
    return [word for word in text.split() if len(word) <= _MAX_WORD_LENGTH and word != UNKNOWN]


class Vectorizer:
    """Encode cleaned texts as token ids, truncated to a maximum length.

    Encodes as Keras' `TextVectorization` layer does, but faster. Id 0 is padding and id 1 an
    unknown token; the words of the vocabulary follow, the most frequent first.

    Args:
        words: tokens by id, the first two being "" and "[UNK]".
        max_length: number of tokens that are kept of a text.

    Example:
        >>> vectorizer = Vectorizer.fit(["red shoe", "red hat"], max_tokens=1000, max_length=40)
        >>> vectorizer.words
        ('', '[UNK]', 'red', 'hat', 'shoe')
        >>> ids = vectorizer.encode(["red hat", "blue shoe"])
        >>> ids.values.tolist()
        [2, 3, 1, 4]
        >>> ids.offsets.tolist()
        [0, 2, 4]

    """

    def __init__(self, words: Sequence[str], max_length: int) -> None:
        self.words = tuple(words)
        self.max_length = max_length
        self._ids = {word: at for at, word in enumerate(self.words) if at > UNKNOWN_ID}

    @classmethod
    def fit(cls, texts: Iterable[str], *, max_tokens: int, max_length: int) -> Self:
        """Learn the vocabulary from cleaned training texts.

        Args:
            texts: cleaned texts of training rows only.
            max_tokens: maximum vocabulary size, including padding and the unknown token.
            max_length: number of tokens that `encode` keeps of a text; fitting reads all of them.

        Raises:
            DataError: the texts contain no word.

        """
        counts = Counter(word for text in texts for word in _words(text))
        require_words(counts)
        # Equally frequent words are sorted, so that the order of the texts does not matter.
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(["", UNKNOWN, *ranked[: max_tokens - 2]], max_length)

    @property
    def vocabulary_size(self) -> int:
        """Return the vocabulary size, including padding and the unknown token."""
        return len(self.words)

    @functools.cached_property
    def layer(self) -> Any:
        """Return the equivalent Keras `TextVectorization` layer, for a model that takes strings."""
        import keras

        return keras.layers.TextVectorization(
            standardize=None, vocabulary=list(self.words[UNKNOWN_ID + 1 :]), name="vectorizer"
        )

    def encode(self, texts: Iterable[str]) -> TokenIds:
        """Return the token ids of cleaned texts, each truncated to `max_length` tokens.

        Example:
            >>> ids = Vectorizer(["", "[UNK]", "red"], max_length=40).encode(["red hat", "hat"])
            >>> ids.values.tolist(), ids.unknown.words, ids.unknown.positions.tolist()
            ([2, 1, 1], ('hat',), [1, 2])

        """
        numbered = _Numbered(self._ids, first=self.vocabulary_size)
        number_of, values, offsets = numbered.__getitem__, array("i"), array("q", [0])
        for text in texts:
            values.extend(map(number_of, self._split(text)))
            offsets.append(len(values))
        numbers = np.array(values, np.int32)
        positions = np.flatnonzero(numbers >= self.vocabulary_size)
        which = numbers[positions].astype(np.int64) - self.vocabulary_size
        numbers[positions] = UNKNOWN_ID
        unknown = UnknownWords(tuple(numbered.new), positions, which)
        return TokenIds(numbers, np.array(offsets, np.int64), unknown)

    def _split(self, text: str) -> list[str]:
        return text.split(maxsplit=self.max_length)[: self.max_length]


class _Numbered(dict[str, int]):
    """Ids of known words; an unknown one gets the next number when it is first looked up.

    Python calls `__missing__` for unknown words only, so known ones cost one look-up.
    """

    def __init__(self, known: Mapping[str, int], first: int) -> None:
        super().__init__(known)
        self.new: list[str] = []
        self._first = first

    def __missing__(self, word: str) -> int:
        number = self._first + len(self.new)
        self[word] = number
        self.new.append(word)
        return number
