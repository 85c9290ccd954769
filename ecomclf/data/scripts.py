"""The scripts that texts are written in, and which of them have no spaces between words."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

# Thai and Lao, Burmese, Khmer, Hiragana and Katakana, Han: as ranges of a regular expression.
UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# Texts that are looked at, evenly spaced over all of them.
_TEXTS = 5_000
_NAMES = {"Cjk": "Han"}
_LEAST_SHARE = 0.005


def find_scripts(texts: Sequence[str]) -> dict[str, float]:
    """Return the fraction of letters in each script, the most frequent first.

    Of many texts a sample is read; scripts of less than half a percent are left out.

    >>> find_scripts(["red shoe", "鞋"])
    {'Latin': 0.875, 'Han': 0.125}

    """
    step = -(-len(texts) // _TEXTS) or 1
    characters = Counter("".join(texts[::step]))
    counts: Counter[str] = Counter()
    for character, count in characters.items():
        if character.isalpha():
            # The name of a letter begins with that of its script, such as LATIN SMALL LETTER A.
            script = unicodedata.name(character, "UNKNOWN").split(" ")[0].split("-")[0].capitalize()
            counts[_NAMES.get(script, script)] += count
    letters = counts.total()
    return {
        script: count / letters
        for script, count in counts.most_common()
        if count >= _LEAST_SHARE * letters
    }
