"""Which language texts are in, and whether the cleaning steps are for that language."""

from collections import Counter
from collections.abc import Sequence

from ecomclf.config.languages import WITH_STOP_WORDS
from ecomclf.config.schema import TextConfig
from ecomclf.text.cleaning import Cleaner, stop_words

# Texts that are looked at, evenly spaced over all of them.
_TEXTS = 1_000
_STEPS = {"stopwords", "porter", "snowball", "lemmas"}
# Titles of products have few stop words of their own language.
_FEWEST, _TIMES = 0.1, 3
# Languages of one family share stop words.
_LEAST_OF_LANGUAGE, _CLEARLY = 0.2, 1.2
# Letters that hardly any other language has.
_TURKISH, _LEAST_OF_LETTERS = "\u0131\u0130\u011f", 0.01


def describe_misfit(texts: Sequence[str], config: TextConfig) -> str | None:
    """Return a line if the stop words of another language fit texts clearly better; else None.

    Args:
        texts: raw texts.
        config: names the language, and steps for it.

    Example:
        >>> config = TextConfig(steps=("stopwords",))
        >>> describe_misfit(["das ist ein Schuh", "der Hut ist nicht für mich"], config)
        'text.language is english, but stop words of german are 80 % of the words, of english 0 %'

    """
    if not _STEPS & {*config.steps}:
        return None
    shares = _stop_word_shares(texts)
    best = max(shares, key=lambda language: shares[language])
    own = shares.get(config.language, 0.0)
    if shares[best] < max(_FEWEST, _TIMES * own):
        return None
    return (
        f"text.language is {config.language}, but stop words of {best} are "
        f"{100 * shares[best]:.0f} % of the words, of {config.language} {100 * own:.0f} %"
    )


def find_language(texts: Sequence[str]) -> str | None:
    """Return the language whose stop words are most frequent; None if none clearly is.

    >>> find_language(["das ist ein Schuh", "der Hut ist nicht für mich"])
    'german'

    """
    shares = _stop_word_shares(texts)
    best, second = sorted(shares, key=lambda language: -shares[language])[:2]
    if shares[best] >= _LEAST_OF_LANGUAGE and shares[best] >= _CLEARLY * shares[second]:
        return best
    # Titles have few stop words; what matters most for Turkish is its lower case.
    letters = Counter("".join(texts[:_TEXTS]))
    own = sum(letters[letter] for letter in _TURKISH)
    return "turkish" if own > _LEAST_OF_LETTERS * letters.total() else None


def _stop_word_shares(texts: Sequence[str]) -> dict[str, float]:
    """Return which fraction of the words are stop words of each language."""
    cleaner = Cleaner(("lowercase", "punctuation"))
    step = -(-len(texts) // _TEXTS) or 1
    words = [word for text in cleaner.clean(texts[::step]) for word in text.split()]
    # Single letters are stop words of some languages, and units of measurement.
    counts = Counter(word for word in words if len(word) > 1)
    total = max(1, counts.total())
    return {
        language: sum(counts[word] for word in stop_words(language)) / total
        for language in WITH_STOP_WORDS
    }
