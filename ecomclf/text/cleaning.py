"""Cleaning steps by name."""

import functools
import re
import string
from collections.abc import Callable, Iterable, Sequence

from ecomclf.errors import RequestError

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}\u2010-\u2027\u2030-\u205e]+")


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
