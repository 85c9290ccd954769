"""Near-duplicates: texts that must not straddle a split.

Two texts are near-duplicates if they have the same normalised words or the same first 12 of them,
or if one has 8 words or more and is the beginning of the other. The relation is transitive.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import regex
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

OPENING_WORDS = 12
SHORTEST_BEGINNING = 8

# Letters with their combining marks, and numbers. Python's \w does not match the vowel signs of
# Indic scripts.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# The same for lower-case ASCII, four times as fast.
_ASCII_WORD = re.compile("[a-z0-9]+")


def normalised_words(text: str) -> list[str]:
    """Return the words of a text in NFKC form, case-folded and without punctuation.

    A text without letters and digits is split at whitespace, so that "❤" and "!" stay different.

    >>> normalised_words("Red-Shoe, 27″!")
    ['red', 'shoe', '27']

    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    words: list[str] = (_ASCII_WORD if plain.isascii() else _WORD).findall(plain)
    return words or plain.split()


def text_key(words: Sequence[str]) -> str:
    """Return the key by which duplicates are found: the normalised words, joined without spaces.

    Without spaces, "girl s" and "girls" from two exports are the same text. A space is kept between
    two digits: "1 2 pack" is not "12 pack".

    >>> text_key(["girl", "s", "12", "pack"]), text_key(["1", "2", "pack"])
    ('girls12pack', '1 2pack')

    """
    parts: list[str] = []
    after_digit = False
    for word in words:
        if after_digit and word[0].isdecimal():
            parts.append(" ")
        parts.append(word)
        after_digit = word[-1].isdecimal()
    return "".join(parts)


def group_keys(texts: Sequence[str]) -> np.ndarray:
    """Return a key for each text, by which near-duplicates are found in another data set.

    The key is a hash of the first 8 normalised words. Near-duplicates share it; texts that share it
    need not be near-duplicates.

    Returns:
        uint64 [texts].

    >>> keys = group_keys(["Red shoe", "red shoe!", "Blue hat"])
    >>> bool(keys[0] == keys[1]), bool(keys[0] == keys[2])
    (True, False)

    """
    openings = (" ".join(normalised_words(text)[:SHORTEST_BEGINNING]) for text in texts)
    digests = [hashlib.blake2b(opening.encode(), digest_size=8).digest() for opening in openings]
    return np.frombuffer(b"".join(digests), np.uint64)


def group_near_duplicates(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the near-duplicate group of each text.

    For two texts of 12 words or more, "one is the beginning of the other" implies "the same first
    12 words". Only texts of 8 to 11 words are therefore looked up as beginnings, and the time is
    linear in the number of texts.

    Args:
        texts: the normalised words of each text.

    Returns:
        int32 [texts], numbered from 0 in the order in which groups appear.

    >>> group_near_duplicates([["red", "shoe"], ["blue", "hat"], ["red", "shoe"]]).tolist()
    [0, 1, 0]

    """
    owner: dict[str, int] = {}
    edges: list[tuple[int, int]] = []
    for row, words in enumerate(texts):
        edges.append((row, owner.setdefault(" ".join(words[:OPENING_WORDS]), row)))
    for row, words in enumerate(texts):
        for count in range(SHORTEST_BEGINNING, min(len(words), OPENING_WORDS)):
            # A key of fewer than 12 words is a whole text.
            beginning = owner.get(" ".join(words[:count]))
            if beginning is not None:
                edges.append((row, beginning))
    ends = np.array(edges, np.int32).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), (len(texts),) * 2)
    _, labels = connected_components(graph, directed=False)
    _, first_rows, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order_of_appearance = np.argsort(np.argsort(first_rows))
    return order_of_appearance[inverse].astype(np.int32)
