"""Text cleaning in named steps."""

import functools
import html
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import regex

from ecomclf.config.languages import DOTLESS
from ecomclf.data.scripts import UNSPACED
from ecomclf.errors import RequestError

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_PUNCTUATION = regex.compile(r"[\p{P}\p{S}]+")
# The same for ASCII, several times as fast.
_ASCII_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]+")
# What a page does not show, then tags; "a < b" and "<3" are neither.
_TAGS = re.compile(
    r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>|<!doctype[^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
# A character of a script without spaces between words, and its combining marks.
_UNSPACED = regex.compile(rf"[[{UNSPACED}]--\p{{M}}]\p{{M}}*", regex.V1)

Step = Callable[[str], str]


class Cleaner:
    """Apply cleaning steps to texts in the given order, then collapse whitespace.

    Texts are brought into Unicode's form NFC first, so that the two ways to write "é" are one.
    Characters of scripts without spaces between words, such as Han and Thai, are separated last, as
    BERT's tokenizer does for Han (Devlin et al., 2019, arXiv:1810.04805).

    A cleaned text consists of words separated by single spaces. It is the input of `Vectorizer`
    and of the saved Keras model.

    Args:
        steps: names of the steps: `html`, which removes tags and decodes entities; `lowercase`;
            `links`, `digits` and `punctuation` (the Unicode categories P and S), which replace
            these by spaces; `stopwords`, which removes stop words; `porter`, `snowball` (stemming)
            and `lemmas` (WordNet lemmas), which replace each word.
        fill_missing: text that replaces an empty one before the steps are applied.
        language: of lower case, stop words and Snowball stems, in English.

    Raises:
        RequestError: a step needs an NLTK corpus that is not installed.

    Example:
        >>> cleaner = Cleaner(["lowercase", "links", "punctuation"], fill_missing="unknown")
        >>> cleaner("Running-shoes,  size 42: https://shop.example/42")
        'running shoes size 42'
        >>> cleaner.clean(["Red SHOE", "???", "", "质量好"])
        ['red shoe', '', 'unknown', '质 量 好']

    """

    def __init__(
        self, steps: Sequence[str], fill_missing: str = "", language: str = "english"
    ) -> None:
        self.steps = tuple(steps)
        self.fill_missing = fill_missing
        self.language = language
        self._functions = [STEPS[step](language) for step in self.steps]

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled as what it is made from: the functions themselves cannot be.
        return type(self), (self.steps, self.fill_missing, self.language)

    def __call__(self, text: str) -> str:
        """Return one text cleaned."""
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if not text.strip():
            text = self.fill_missing
        for function in self._functions:
            text = function(text)
        if not text.isascii():
            text = _UNSPACED.sub(r" \g<0> ", text)
        return " ".join(text.split())

    def clean(self, texts: Iterable[str]) -> list[str]:
        """Return texts cleaned, one for each, in the same order."""
        return [self(text) for text in texts]


def _html(_: str) -> Step:
    def strip(text: str) -> str:
        if "<" not in text and "&" not in text:
            return text
        # Feeds often escape markup once more, so tags are removed again after decoding.
        return _TAGS.sub(" ", html.unescape(_TAGS.sub(" ", text)))

    return strip


def _lowercase(language: str) -> Step:
    if language in DOTLESS:
        return lambda text: text.replace("İ", "i").replace("I", "ı").lower()
    # Python lowers "İ" to an "i" with a combining dot.
    return lambda text: text.lower() if text.isascii() else text.replace("İ", "i").lower()


def _punctuation(_: str) -> Step:
    def split(text: str) -> str:
        pattern = _ASCII_PUNCTUATION if text.isascii() else _PUNCTUATION
        return str(pattern.sub(" ", text))

    return split


def _remove(pattern: re.Pattern[str]) -> Callable[[str], Step]:
    return lambda _: functools.partial(pattern.sub, " ")


def _map_words(function: Step) -> Step:
    """Return a function that maps each word of a text; results are cached, since words recur."""
    cached = functools.lru_cache(maxsize=100_000)(function)
    return lambda text: " ".join(cached(word) for word in text.split())


def stop_words(language: str) -> frozenset[str]:
    """Return the stop words of a language, in lower case."""
    if language == "english":
        # scikit-learn includes its list of stop words; NLTK's would have to be downloaded.
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return frozenset(ENGLISH_STOP_WORDS)
    from stop_words import get_stop_words

    return frozenset(unicodedata.normalize("NFC", word) for word in get_stop_words(language))


def _stopwords(language: str) -> Step:
    words, lower = stop_words(language), _lowercase(language)
    return lambda text: " ".join(word for word in text.split() if lower(word) not in words)


def _porter(_: str) -> Step:
    from nltk.stem import PorterStemmer

    return _map_words(PorterStemmer().stem)


def _snowball(language: str) -> Step:
    from nltk.stem import SnowballStemmer

    return _map_words(SnowballStemmer(language).stem)


def _lemmas(_: str) -> Step:
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


# Functions of the language, so that NLTK and stop words are loaded only for the steps that need
# them.
STEPS: dict[str, Callable[[str], Step]] = {
    "html": _html,
    "lowercase": _lowercase,
    "links": _remove(_LINK),
    "digits": _remove(_DIGITS),
    "punctuation": _punctuation,
    "stopwords": _stopwords,
    "porter": _porter,
    "snowball": _snowball,
    "lemmas": _lemmas,
}
