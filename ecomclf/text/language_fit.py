"""Whether texts are in the language that the cleaning steps are for."""

from collections.abc import Sequence

from ecomclf.config.languages import WITH_STOP_WORDS
from ecomclf.config.schema import TextConfig
from ecomclf.text.cleaning import Cleaner, stop_words

# Texts that are looked at, evenly spaced over all of them.
_TEXTS = 1_000
_STEPS = {"stopwords", "porter", "snowball", "lemmas"}
# Titles of products have few stop words of their own language.
_FEWEST, _TIMES = 0.1, 3


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
    cleaner = Cleaner(("lowercase", "punctuation"), language=config.language)
    step = -(-len(texts) // _TEXTS) or 1
    words = [
        word for text in cleaner.clean(texts[::step]) for word in text.split() if len(word) > 1
    ]
    if not words:
        return None

    def share(language: str) -> float:
        listed = stop_words(language)
        return sum(word in listed for word in words) / len(words)

    best = max(WITH_STOP_WORDS, key=share)
    own = share(config.language) if config.language in WITH_STOP_WORDS else 0.0
    if share(best) < max(_FEWEST, _TIMES * own):
        return None
    return (
        f"text.language is {config.language}, but stop words of {best} are {share(best):.0%} of "
        f"the words, of {config.language} {own:.0%}"
    ).replace("%", " %")
