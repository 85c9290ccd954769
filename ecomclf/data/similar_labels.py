"""Class names that are probably mistakes: two spellings of one class, a word for a missing label.

Nothing is changed here. The data report names them, with the config key that mends them.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import yaml

from ecomclf.data.class_names import MOST_LISTED, join_names, list_names
from ecomclf.data.label_cleanup import is_number

_MISSING = frozenset(
    {"null", "none", "nan", "n/a", "#n/a", "na", "n.a.", "nil", "nat", "undefined", "missing"}
    | {"empty", "blank", "no label", "unlabeled", "unlabelled"}
)
# In shorter words, two classes differ by one letter too often: "hats", "cats".
_SHORTEST_RARE_TYPO, _SHORTEST_TYPO = 5, 9
# A mistyped name is rarer than the right one.
_RARE = 10

_Words = tuple[str, ...]


def find_similar_labels(rows_a_class: Mapping[str, int]) -> list[list[str]]:
    """Return groups of class names that look alike.

    They differ by case, spaces, punctuation, an English plural, or by one typing error in a longer
    word: one letter more, less or different, or two that changed places, but not the first.
    Numbers are never alike, nor are names that differ by digits.

    Args:
        rows_a_class: number of rows of each class. In words of 5 to 8 letters, only a name with a
            tenth of the rows of the other one is taken for mistyped.

    Returns:
        the groups, each with the name to keep, which has the most rows, first.

    >>> find_similar_labels({"CPU": 50, "cpu": 7, "CPUs": 8, "men": 9, "women": 9})
    [['CPU', 'CPUs', 'cpu']]
    >>> find_similar_labels({"positive": 155, "positve": 1, "Cat 86": 40, "Cat 87": 2})
    [['positive', 'positve']]

    """
    with_word: dict[_Words, list[str]] = defaultdict(list)
    for name in rows_a_class:
        words = _words(name)
        if words and not is_number(name) and not _looks_missing(name):
            with_word[words].append(name)
    found = _Groups(rows_a_class)
    by_letters: dict[str, str] = {}
    for words, names in with_word.items():
        letters = _joined(words)
        for name in names:
            found.join(name, by_letters.setdefault(letters, name))
    for words, other in _typing_errors(with_word):
        name, second = with_word[words][0], with_word[other][0]
        rows = [sum(rows_a_class[each] for each in with_word[side]) for side in (words, other)]
        if _length_of_difference(words, other) >= _SHORTEST_TYPO or (
            min(rows) * _RARE <= max(rows)
        ):
            found.join(name, second)
    return found.groups()


def find_missing_labels(rows_a_class: Mapping[str, int]) -> dict[str, int]:
    """Return the classes that look like a missing label, such as `NULL` or `-`, with their rows.

    >>> find_missing_labels({"Books": 5, "NULL": 2, "-": 1})
    {'NULL': 2, '-': 1}

    """
    return {name: rows for name, rows in rows_a_class.items() if _looks_missing(name)}


def describe_similar(groups: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each group of similar names, with the config key that merges them.

    >>> describe_similar([["CPU", "CPUs", "cpu"]])
    ["'cpu', 'CPU' and 'CPUs' look alike; merge with data.rename_labels: {cpu: CPU, CPUs: CPU}"]

    """
    return [_describe_group(group[:MOST_LISTED]) for group in groups]


def _describe_group(group: Sequence[str]) -> str:
    names = sorted(group, key=lambda name: (name.casefold(), name.swapcase()))
    merged = _as_yaml({name: group[0] for name in names if name != group[0]})
    return f"{join_names(names)} look alike; merge with data.rename_labels: {merged}"


def describe_missing(rows: Mapping[str, int]) -> str:
    """Return one line about classes that look like a missing label.

    >>> describe_missing({"NULL": 2, "nan": 1})
    "NULL (2 rows), nan (1 row): suspicious; drop with data.drop_labels: ['NULL', nan]"

    """
    listed = list_names(
        f"{name} ({count:,} row{'s' * (count != 1)})" for name, count in rows.items()
    )
    dropped = _as_yaml(list(rows)[:MOST_LISTED])
    return f"{listed}: suspicious; drop with data.drop_labels: {dropped}"


def _looks_missing(name: str) -> bool:
    folded = name.casefold()
    return (
        folded in _MISSING
        or folded.strip("<>()[]{}\"' ") in _MISSING
        or all(unicodedata.category(each)[0] in "PZC" for each in name)
    )


def _as_yaml(value: Any) -> str:
    """Return a value as it stands in one line of a config; quoted where YAML needs it."""
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=float("inf")
    )
    return dumped.strip()


def _words(name: str) -> _Words:
    """Return the words of a name, in the singular and in lower case; symbols and digits count.

    >>> _words("Clothing & Accessories"), _words("Mobile-Phones"), _words("C++"), _words("1.5 l")
    (('clothing', 'and', 'accessory'), ('mobile', 'phone'), ('c++',), ('1', '5', 'l'))
    """
    spelled = unicodedata.normalize("NFKC", name).replace("&", " and ")
    # "Men's" and "Mens" are one word; "#" tells "C#" from "C".
    spelled = re.sub(r"['’`]", "", spelled)
    kept = (
        each if each in "#%" or unicodedata.category(each)[0] not in "PZC" else " "
        for each in spelled
    )
    return tuple(_singular(word).casefold() for word in "".join(kept).split())


def _singular(word: str) -> str:
    """Return an English word without the ending of its plural.

    >>> [_singular(word) for word in ("CPUs", "Boxes", "Fridges", "toys", "Batteries", "glass")]
    ['CPU', 'Box', 'Fridge', 'toy', 'Battery', 'glass']
    """
    folded = word.casefold()
    if not folded.endswith("s") or folded.endswith("ss"):
        return word
    if len(word) > 4 and folded.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and folded.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if len(word) > 3 or (len(word) == 3 and word[:-1].isupper()) else word


def _joined(words: _Words) -> str:
    """Return words without the spaces between them, except between digits: `1 2` is not `12`."""
    return re.sub(r"(?<!\d) | (?!\d)", "", " ".join(words))


def _typing_errors(names: Iterable[_Words]) -> Iterator[tuple[_Words, _Words]]:
    """Yield pairs of names of which one word differs by one typing error, each pair once.

    Two such words become equal without one letter of each, so only names that share such a
    shortened form are compared.
    """
    sharing: dict[_Words, list[_Words]] = defaultdict(list)
    for words in names:
        for at, word in enumerate(words):
            if len(word) >= _SHORTEST_RARE_TYPO and word.isalpha():
                for short in {word, *(word[:cut] + word[cut + 1 :] for cut in range(1, len(word)))}:
                    sharing[*words[:at], str(at), short, *words[at + 1 :]].append(words)
    seen = set()
    for alike in sharing.values():
        for pair in combinations(alike, 2):
            if pair not in seen and _is_typing_error(*pair):
                seen.add(pair)
                yield pair


def _is_typing_error(words: _Words, others: _Words) -> bool:
    """Return whether exactly one word differs, by one letter or by two that changed places."""
    different = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    if len(different) != 1 or not all(map(str.isalpha, different[0])):
        return False
    one, other = _difference(*different[0])
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


def _difference(one: str, other: str) -> tuple[str, str]:
    """Return what is left of two words without their common beginning and end.

    >>> _difference("positive", "positve"), _difference("casual", "causal")
    (('i', ''), ('su', 'us'))
    """
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return one, other


def _length_of_difference(words: _Words, others: _Words) -> int:
    """Return the length of the shorter of the words that differ."""
    return min(min(len(a), len(b)) for a, b in zip(words, others, strict=True) if a != b)


class _Groups:
    """Names joined to groups, transitively."""

    def __init__(self, rows_a_class: Mapping[str, int]) -> None:
        self._rows = rows_a_class
        self._group_of: dict[str, list[str]] = {}

    def join(self, name: str, other: str) -> None:
        one = self._group_of.setdefault(name, [name])
        two = self._group_of.setdefault(other, [other])
        if one is not two:
            one += two
            self._group_of |= dict.fromkeys(two, one)

    def groups(self) -> list[list[str]]:
        """Return the groups of two and more names, in the order of the classes."""
        found = {id(group): group for group in self._group_of.values() if len(group) > 1}
        # The sort is stable, so among equals the order of the classes decides.
        order = {name: at for at, name in enumerate(self._rows)}
        by_rows = [sorted(group, key=order.__getitem__) for group in found.values()]
        by_rows = [sorted(group, key=lambda name: -self._rows[name]) for group in by_rows]
        return sorted(by_rows, key=lambda group: order[group[0]])
