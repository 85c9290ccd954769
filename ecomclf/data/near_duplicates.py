"""Which texts belong together and must never be parted by a split.

Texts belong together when they have the same normalised words, the same first 12 of them, or when
one is the beginning of the other from 8 words on; and so on transitively.
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

# Letters, the marks that belong to them, numbers. Python's own \w takes vowel signs for no part of
# a word.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# The same where there is nothing but ASCII, in lower case; four times as fast.
_ASCII_WORD = re.compile("[a-z0-9]+")


def normalised_words(text: str) -> list[str]:
    """Give the words of a text without case, punctuation or Unicode's other ways to write them.

    A text without any letter or digit is its own words, so that "❤" and "!" stay different.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    words: list[str] = (_ASCII_WORD if plain.isascii() else _WORD).findall(plain)
    return words or plain.split()


def text_key(words: Sequence[str]) -> str:
    """Give what texts that are the same have in common.

    Words are joined without spaces, since "girl s" and "girls" are one text from two exports; two
    numbers are kept apart, since "1 2 pack" is not "12 pack".
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
    """Give each text a number by which its group is known in other data sets.

    The first 8 normalised words: all that belongs together has them in common, so texts with
    different keys never do. Some that share a key would not belong together.

    Returns:
        uint64 [texts].

    """
    openings = (" ".join(normalised_words(text)[:SHORTEST_BEGINNING]) for text in texts)
    digests = [hashlib.blake2b(opening.encode(), digest_size=8).digest() for opening in openings]
    return np.frombuffer(b"".join(digests), np.uint64)


def group_near_duplicates(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Give each text a number that it shares with those it belongs together with.

    Takes each text as its normalised words. Two texts belong together when they are the same, have
    the same first 12 words, or one is the beginning of the other from 8 words on; transitively. Of
    two texts of 12 words or more the last case is part of the one before, so only texts of 8 to 11
    words are looked up as beginnings: the work grows with the number of texts, not with its square.

    Returns:
        int32 [texts], numbered from 0 in the order in which groups appear.

    """
    owner: dict[str, int] = {}
    edges: list[tuple[int, int]] = []
    for row, words in enumerate(texts):
        edges.append((row, owner.setdefault(" ".join(words[:OPENING_WORDS]), row)))
    for row, words in enumerate(texts):
        for count in range(SHORTEST_BEGINNING, min(len(words), OPENING_WORDS)):
            # Under 12 words, what is found is a whole text.
            beginning = owner.get(" ".join(words[:count]))
            if beginning is not None:
                edges.append((row, beginning))
    ends = np.array(edges, np.int32).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), (len(texts),) * 2)
    _, labels = connected_components(graph, directed=False)
    _, first_rows, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order_of_appearance = np.argsort(np.argsort(first_rows))
    return order_of_appearance[inverse].astype(np.int32)
