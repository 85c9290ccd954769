"""Cleaning steps by name; cleaned texts → ids."""

import functools
import re
import string
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ecomclf.errors import DataError, RequestError

PADDING_ID = 0
UNKNOWN_ID = 1

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}\u2010-\u2027\u2030-\u205e]+")
_UNKNOWN = "[UNK]"
# Keras keeps a vocabulary in an array as wide as its longest word. Longer ones are no words.
_LONGEST_WORD = 200


class Cleaner:
    """Applies cleaning steps in the order given, then joins words by single spaces.

    A cleaned text is what the vectorizer and the saved Keras model take. A text that is missing is
    taken for `fill_missing`.

    Raises:
        RequestError: a step needs a corpus of nltk's that is not installed.

    """

    def __init__(self, steps: Sequence[str], fill_missing: str = "") -> None:
        self.steps = tuple(steps)
        self.fill_missing = fill_missing
        self._functions = [STEPS[step]() for step in self.steps]

    def __call__(self, text: str) -> str:
        """Clean one text."""
        if not text.strip():
            text = self.fill_missing
        for function in self._functions:
            text = function(text)
        return " ".join(text.split())

    def clean(self, texts: Iterable[str]) -> list[str]:
        """Clean texts, keeping their number and order."""
        return [self(text) for text in texts]


def _lowercase() -> Callable[[str], str]:
    return str.lower


def _without(pattern: re.Pattern[str]) -> Callable[[], Callable[[str], str]]:
    return lambda: functools.partial(pattern.sub, " ")


def _by_word(function: Callable[[str], str]) -> Callable[[str], str]:
    """Apply a function to each word; an answer is kept, since words recur."""
    remembered = functools.lru_cache(maxsize=100_000)(function)
    return lambda text: " ".join(remembered(word) for word in text.split())


def _stopwords() -> Callable[[str], str]:
    # scikit-learn ships its list; nltk's is a download.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return lambda text: " ".join(
        word for word in text.split() if word.lower() not in ENGLISH_STOP_WORDS
    )


def _porter() -> Callable[[str], str]:
    from nltk.stem import PorterStemmer

    return _by_word(PorterStemmer().stem)


def _snowball() -> Callable[[str], str]:
    from nltk.stem import SnowballStemmer

    return _by_word(SnowballStemmer("english").stem)


def _lemmas() -> Callable[[str], str]:
    from nltk.stem import WordNetLemmatizer

    lemmatize = WordNetLemmatizer().lemmatize
    try:
        lemmatize("words")
    except LookupError as error:
        raise RequestError(
            "the cleaning step 'lemmas' needs nltk's corpus 'wordnet', which is not installed; "
            "run: python -m nltk.downloader wordnet; or use 'porter' or 'snowball'"
        ) from error
    return _by_word(lemmatize)


STEPS: dict[str, Callable[[], Callable[[str], str]]] = {
    "lowercase": _lowercase,
    "links": _without(_LINK),
    "digits": _without(_DIGITS),
    "punctuation": _without(_PUNCTUATION),
    "stopwords": _stopwords,
    "porter": _porter,
    "snowball": _snowball,
    "lemmas": _lemmas,
}


@dataclass(frozen=True)
class Ids:
    """Token ids of texts, one after the other, without padding.

    `values` int32 [tokens]; `offsets` int64 [texts + 1], where each text begins and the last ends.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def save(self, folder: Path, name: str) -> None:
        """Write them to two files of a folder."""
        np.save(folder / f"{name}_values.npy", self.values)
        np.save(folder / f"{name}_offsets.npy", self.offsets)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Read what `save` wrote; the values are mapped from disk, for all processes once."""
        values = np.load(folder / f"{name}_values.npy", mmap_mode="r", allow_pickle=False)
        # Each text is a slice, which takes an array less time than its subclass.
        return cls(np.asarray(values), np.load(folder / f"{name}_offsets.npy", allow_pickle=False))

    @property
    def lengths(self) -> np.ndarray:
        """Give the number of tokens of each text; int64 [texts]."""
        return np.diff(self.offsets)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Give the number of tokens of some texts; int64 [rows]."""
        return np.asarray(self.offsets[rows + 1] - self.offsets[rows])

    def take(self, rows: np.ndarray) -> "Ids":
        """Give some texts, in the order of `rows`."""
        texts = [self.values[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        values = np.concatenate(texts) if texts else self.values[:0]
        return Ids(values, np.concatenate([[0], np.cumsum(self.lengths_of(rows))]))

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Give some texts as one array, padded with 0 to the longest of them.

        At least one position wide, since a recurrent layer takes no empty sequence.

        Returns:
            int32 [rows, length].

        """
        lengths = self.lengths_of(rows)
        array = np.full((len(rows), max(1, int(lengths.max(initial=0)))), PADDING_ID, np.int32)
        for line, row in enumerate(rows):
            array[line, : lengths[line]] = self.values[self.offsets[row] : self.offsets[row + 1]]
        return array


def word_pattern(texts: Iterable[str]) -> str:
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

    def encode(self, texts: Iterable[str]) -> Ids:
        """Turn cleaned texts into ids, each cut at `max_length` tokens."""
        id_of, values, offsets = self._ids.get, array("i"), array("q", [0])
        for text in texts:
            values.extend([id_of(word, UNKNOWN_ID) for word in self._split(text)])
            offsets.append(len(values))
        return Ids(np.array(values, np.int32), np.array(offsets, np.int64))

    def _split(self, text: str) -> list[str]:
        return text.split(maxsplit=self.max_length)[: self.max_length]
