"""Lists of names, short enough for one line of a message."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 20
_MOST_LETTERS = 60


def list_names(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return names separated by commas; after `most` of them, only how many more there are.

    >>> list_names(["Books", "Clothing", "Household"])
    'Books, Clothing, Household'
    >>> list_names(["Books", "Clothing", "Household"], most=1)
    'Books and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(shorten_name, names[:most])) + more


def join_names(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return quoted names as a sentence lists them; after `most`, only how many more there are.

    >>> join_names(["Books"]), join_names(["Books", "Clothing", "Household"])
    ("'Books'", "'Books', 'Clothing' and 'Household'")
    >>> join_names(["Books", "Clothing", "Household"], most=2)
    "'Books', 'Clothing' and 1 more"
    """
    quoted = [repr(shorten_name(name)) for name in names]
    if len(quoted) > most:
        quoted[most:] = [f"{len(quoted) - most:,} more"]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def similar_names(name: str, names: Iterable[str]) -> list[str]:
    """Return the names most like a given one, regardless of case; at most five.

    >>> similar_names("cpus", ["Books", "CPU"])
    ['CPU']
    """
    folded: dict[str, list[str]] = {}
    for each in sorted(names):
        folded.setdefault(each.casefold(), []).append(each)
    close = difflib.get_close_matches(name.casefold(), folded, n=3)
    return [similar for each in close for similar in folded[each]][:5]


def shorten_name(name: str, most: int = _MOST_LETTERS) -> str:
    """Return a name, or the beginning of one with more than `most` characters.

    >>> shorten_name("Books"), len(shorten_name("Books" * 100))
    ('Books', 60)
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"
