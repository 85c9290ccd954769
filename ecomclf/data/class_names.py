"""Lists of names, short enough for one line of a message."""

from collections.abc import Iterable

MOST_LISTED = 20


def list_names(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return names separated by commas; after `most` of them, only how many more there are.

    >>> list_names(["Books", "Clothing", "Household"])
    'Books, Clothing, Household'
    >>> list_names(["Books", "Clothing", "Household"], most=1)
    'Books and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
