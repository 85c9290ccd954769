"""Text cleaning in named steps."""

import functools
import re
import string
from collections.abc import Callable, Iterable, Sequence

from ecomclf.errors import RequestError

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
# ASCII punctuation, and typographic dashes, quotation marks, bullets and ellipses.
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}\u2010-\u2027\u2030-\u205e]+")


class Cleaner:
    """Apply cleaning steps to texts in the given order, then collapse whitespace.

    A cleaned text consists of words separated by single spaces. It is the input of `Vectorizer`
    and of the saved Keras model.

    Args:
        steps: names of the steps: `lowercase`; `links`, `digits` and `punctuation`, which replace
            these by spaces; `stopwords`, which removes scikit-learn's English stop words;
            `porter`, `snowball` (stemming) and `lemmas` (WordNet lemmas), which replace each word.
        fill_missing: text that replaces an empty one before the steps are applied.

    Raises:
        RequestError: a step needs an NLTK corpus that is not installed.

    Example:
        >>> cleaner = Cleaner(["lowercase", "links", "punctuation"], fill_missing="unknown")
        >>> cleaner("Running-shoes,  size 42: https://shop.example/42")
        'running shoes size 42'
        >>> cleaner.clean(["Red SHOE", "???", ""])
        ['red shoe', '', 'unknown']

    """

    def __init__(self, steps: Sequence[str], fill_missing: str = "") -> None:
        self.steps = tuple(steps)
        self.fill_missing = fill_missing
        self._functions = [STEPS[step]() for step in self.steps]

    def __call__(self, text: str) -> str:
        """Return one text cleaned."""
        if not text.strip():
            text = self.fill_missing
        for function in self._functions:
            text = function(text)
        return " ".join(text.split())

    def clean(self, texts: Iterable[str]) -> list[str]:
        """Return texts cleaned, one for each, in the same order."""
        return [self(text) for text in texts]


def _lowercase() -> Callable[[str], str]:
    return str.lower


def _remove(pattern: re.Pattern[str]) -> Callable[[], Callable[[str], str]]:
    return lambda: functools.partial(pattern.sub, " ")


def _map_words(function: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that maps each word of a text; results are cached, since words recur."""
    cached = functools.lru_cache(maxsize=100_000)(function)
    return lambda text: " ".join(cached(word) for word in text.split())


def _stopwords() -> Callable[[str], str]:
    # scikit-learn includes its list of stop words; NLTK's would have to be downloaded.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return lambda text: " ".join(
        word for word in text.split() if word.lower() not in ENGLISH_STOP_WORDS
    )


def _porter() -> Callable[[str], str]:
    from nltk.stem import PorterStemmer

    return _map_words(PorterStemmer().stem)


def _snowball() -> Callable[[str], str]:
    from nltk.stem import SnowballStemmer

    return _map_words(SnowballStemmer("english").stem)


def _lemmas() -> Callable[[str], str]:
    from nltk.stem import WordNetLemmatizer

    lemmatize = WordNetLemmatizer().lemmatize
    try:
        lemmatize("words")
    except LookupError as error:
        raise RequestError(
            "the cleaning step 'lemmas' needs the NLTK corpus 'wordnet', which is not installed; "
            "run python -m nltk.downloader wordnet, or use the step 'porter' or 'snowball'"
        ) from error
    return _map_words(lemmatize)


# Factories, so that NLTK and scikit-learn are imported only for the steps that need them.
STEPS: dict[str, Callable[[], Callable[[str], str]]] = {
    "lowercase": _lowercase,
    "links": _remove(_LINK),
    "digits": _remove(_DIGITS),
    "punctuation": _remove(_PUNCTUATION),
    "stopwords": _stopwords,
    "porter": _porter,
    "snowball": _snowball,
    "lemmas": _lemmas,
}
