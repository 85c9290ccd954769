import time
from itertools import combinations
from random import Random

import numpy as np
import pytest

from ecomclf.data.near_duplicates import group_near_duplicates, normalised_words


def words(count: int, name: str = "w") -> list[str]:
    """Return `count` distinct words: w0, w1 and so on."""
    return [f"{name}{number}" for number in range(count)]


def group_by_definition(texts: list[list[str]]) -> list[int]:
    """Return the groups found by comparing all pairs of texts."""
    group = list(range(len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        shorter, longer = sorted((texts[one], texts[other]), key=len)
        is_beginning = len(shorter) >= 8 and longer[: len(shorter)] == shorter
        if shorter == longer or shorter[:12] == longer[:12] or is_beginning:
            old, new = group[other], group[one]
            group = [new if number == old else number for number in group]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(number, len(numbers)) for number in group]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Red Shoe", ["red", "shoe"]),
        ("  red\tshoe\n", ["red", "shoe"]),
        ("red-shoe, (RED_shoe)!", ["red", "shoe", "red", "shoe"]),
        ("red-shoe, (RED_shoe)\u2026", ["red", "shoe", "red", "shoe"]),
        ("Größe STRASSE Straße", ["grösse", "strasse", "strasse"]),
        ("cafe\u0301 caf\u00e9", ["caf\u00e9", "caf\u00e9"]),
        ("\uff21\uff22\uff23 \ufb01t", ["abc", "fit"]),
        ("\u0915\u093f \u0915\u0940", ["\u0915\u093f", "\u0915\u0940"]),
        ("4K 27\u2033", ["4k", "27"]),
        ("", []),
        (" \n", []),
        ("!", ["!"]),
        ("\u2764 \u2764", ["\u2764", "\u2764"]),
    ],
)
def test_words_are_normalised(text: str, expected: list[str]) -> None:
    """Case, punctuation and equivalent Unicode forms are ignored."""
    assert normalised_words(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "is_near_duplicate"),
    [
        (words(3), words(3), True),
        (words(3), [*words(2), "x"], False),
        (words(3), words(2), False),
        ([], [], True),
        ([], words(1), False),
        ([*words(12), "x"], [*words(12), "y", "z"], True),
        ([*words(11), "x", "z"], [*words(11), "y", "z"], False),
        (words(12), [*words(12), "x"], True),
        (["x", *words(12)], words(12), False),
        (words(7), words(9), False),
        (words(8), words(9), True),
        (words(8), words(40), True),
        (words(10), words(11), True),
        (words(11), words(12), True),
        (words(11), words(30), True),
        (words(13), words(30), True),
        (words(8), [*words(7), "x", "y"], False),
        (words(11), [*words(10), "x", "y"], False),
    ],
)
def test_near_duplicates_of_two_texts(
    one: list[str], other: list[str], is_near_duplicate: bool
) -> None:
    """The same words, the same first 12, or the beginning of the other, of 8 words or more."""
    for texts in ([one, other], [other, one]):
        assert group_near_duplicates(texts).tolist() == ([0, 0] if is_near_duplicate else [0, 1])


def test_near_duplicates_are_transitive() -> None:
    """Two texts that are near-duplicates of a third share its group, in any order of rows."""
    beginning = words(8)
    chain = [[*beginning, "x", "y"], beginning, [*beginning, *words(6, "z")]]
    chain.append([*beginning, *words(4, "z"), "other", "end"])
    assert group_near_duplicates([chain[0], chain[2]]).tolist() == [0, 1]
    assert group_near_duplicates([chain[0], chain[3]]).tolist() == [0, 1]
    for order in ([0, 1, 2, 3], [3, 0, 2, 1], [1, 3, 2, 0]):
        assert group_near_duplicates([chain[at] for at in order]).tolist() == [0, 0, 0, 0]


def test_groups_are_numbered_in_order_of_appearance() -> None:
    """The result is int32 [texts], from 0."""
    groups = group_near_duplicates([["c"], ["a"], ["c"], ["b"], ["a"]])
    assert groups.tolist() == [0, 1, 0, 2, 1]
    assert groups.dtype == np.int32


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("same", "most"), [(0, 4), (5, 9), (6, 16), (7, 13)])
def test_groups_equal_those_of_comparing_all_pairs(seed: int, same: int, most: int) -> None:
    """Random texts over a vocabulary of two words."""
    chance = Random(seed)
    texts = []
    for _ in range(120):
        count = chance.randint(max(0, same - 1), most)
        texts.append((["a"] * same + chance.choices("ab", k=most))[:count])
    expected = group_by_definition(texts)
    assert 0 < max(expected) < len(texts) - 1
    assert group_near_duplicates(texts).tolist() == expected


def test_grouping_takes_linear_time() -> None:
    """20,000 texts, or 200 million pairs, take a few seconds."""
    chance = Random(0)
    vocabulary = words(1000)
    texts = [chance.choices(vocabulary, k=chance.randint(5, 30)) for _ in range(10_000)]
    texts += [[*text, "more"] for text in texts]
    start = time.process_time()
    groups = group_near_duplicates(texts)
    assert time.process_time() - start < 5
    # Texts of 8 words and more are in the group of their continuation.
    assert all((groups[at] == groups[at + 10_000]) == (len(texts[at]) >= 8) for at in range(10_000))
