"""What the columns of a table look like, and which of them hold the text and the label."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ecomclf.data.class_names import join_names, shorten_name
from ecomclf.data.scripts import UNSPACED
from ecomclf.errors import AmbiguousLabelError, DataError

Looks = Literal["empty", "constant", "links", "dates", "ids", "numbers", "categories", "text"]

_LINK = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?|\d{10}(\d{3})?")
_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d[\d\s,.]*\s?[%€$£]?")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# Characters of a script without spaces that make a word, on average.
_CHARACTERS_A_WORD = 2
# A value of a category recurs, in the rows that are looked at, so many times on average.
_LEAST_ROWS_A_VALUE = 2
_MOST_WORDS_OF_A_CATEGORY = 10
_MOST_NUMBERS = 20
_LEAST_WORDS_OF_A_TEXT = 2
# Names that decide among several columns of categories, the clearest first.
_LABEL_NAMES: tuple[frozenset[str], ...] = (
    frozenset({"label", "labels", "class", "target", "y", "v1"}),
    frozenset({"category", "categories", "sentiment", "intent", "topic", "stars", "rating"}),
    frozenset({"score", "department", "genre", "tag", "product_category", "class_index"}),
)
_TEXT_NAMES = frozenset(
    {"text", "title", "description", "content", "review", "body", "question", "headline", "summary"}
    | {"sentence", "tweet", "message", "comment", "name", "product_name", "review_text", "v2"}
    | {"product_title", "product_description", "review_title", "review_body", "abstract", "query"}
)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        at: its position, from 0.
        name: its name; None in a table without a header.
        looks: what its cells are.
        why: the reason, in words.
        words: mean number of words in a cell.

    """

    at: int
    name: str | None
    looks: Looks
    why: str
    words: float

    @property
    def key(self) -> int | str:
        """Return what a config calls the column."""
        return self.at if self.name is None else self.name

    def __str__(self) -> str:
        return f"column {self.key!r}"


@dataclass(frozen=True)
class Roles:
    """The columns that a config should name.

    Attributes:
        text: text columns, in the order of the table.
        labels: candidates for the label; one if it is clear.
        columns: all columns.

    """

    text: tuple[Column, ...]
    labels: tuple[Column, ...]
    columns: tuple[Column, ...]


def find_roles(names: Sequence[str] | None, rows: Sequence[Sequence[str]], source: str) -> Roles:
    """Guess the text and the label column of a table by their contents, then by their names.

    Args:
        names: of the columns; None without a header.
        rows: cells of a sample of its rows, from all over the table.
        source: its name in errors.

    Raises:
        DataError: no column looks like text, or none like a label.

    Example:
        >>> rows = [[f"SKU-{n}", "good" if n % 2 else "bad", f"a red shoe {n}"] for n in range(50)]
        >>> roles = find_roles(["id", "label", "text"], rows, "shoes.csv")
        >>> [(column.name, column.looks) for column in roles.columns]
        [('id', 'ids'), ('label', 'categories'), ('text', 'text')]
        >>> roles.text[0].name, roles.labels[0].name
        ('text', 'label')

    """
    width = max(map(len, rows), default=0)
    columns = []
    for at in range(width):
        cells = [row[at].strip() if at < len(row) else "" for row in rows]
        unique_name = names is not None and at < len(names) and names.count(names[at]) == 1
        name = names[at].strip() if names is not None and unique_name else None
        if names is None or name:
            columns.append(_describe(at, name, cells))
    text = _choose_texts(columns)
    labels = _choose_labels([column for column in columns if column not in text])
    for found, kind in ((text, "text"), (labels, "a label")):
        if not found:
            seen = ", ".join(f"{column.key!r}: {column.why}" for column in columns[:8])
            raise DataError(f"{source}: no column looks like {kind} ({seen}); name the columns")
    return Roles(tuple(text), tuple(labels), tuple(columns))


def has_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table names the columns.

    It does not if one of its cells recurs below, as a label does, or is a number or a long text.

    >>> rows = [["good", "a shoe"], ["bad", "a hat"], ["good", "a mug"], ["bad", "a cup"]]
    >>> has_header(["label", "text"], rows), has_header(["bad", "a cup"], rows)
    (True, False)

    """
    for at, cell in enumerate(map(str.strip, first)):
        values = {row[at].strip() for row in rows if at < len(row)}
        recurs = len(values) * _LEAST_ROWS_A_VALUE <= len(rows)
        if cell and ((cell in values and recurs) or _NUMBER.fullmatch(cell) or len(cell) > 100):
            return False
    return any(cell.strip() for cell in first)


def ask_for_label(labels: Sequence[Column], source: str) -> AmbiguousLabelError:
    """Return the error for a table with several columns that could be the label."""
    names = join_names(str(column.key) for column in labels)
    return AmbiguousLabelError(
        f"{source}: the columns {names} could each be the label; name one with --label-column "
        "(in Python: label_column)",
        [column.key for column in labels],
    )


def _describe(at: int, name: str | None, cells: Sequence[str]) -> Column:
    """Look at the cells of a column."""
    values = [cell for cell in cells if cell]
    counts = Counter(values)
    words = sum(map(_count_words, values)) / max(1, len(values))
    looks, why = _look(values, counts, words)
    return Column(at, name, looks, why, words)


def _look(values: Sequence[str], counts: Counter[str], words: float) -> tuple[Looks, str]:
    rows, distinct = len(values), len(counts)
    if not values:
        return "empty", "empty"
    if distinct == 1:
        return "constant", f"always {shorten_name(values[0])!r}"

    def mostly(matches: Callable[[str], object]) -> bool:
        return sum(1 for value in values if matches(value)) >= 0.9 * rows

    recurring = rows / distinct >= _LEAST_ROWS_A_VALUE
    if mostly(_LINK.fullmatch):
        return "links", "links"
    if mostly(_DATE.fullmatch):
        return "dates", "dates"
    if mostly(_NUMBER.fullmatch):
        if recurring and distinct <= _MOST_NUMBERS:
            return "categories", f"{distinct} different numbers"
        unique = distinct > 0.9 * rows
        return ("ids", "different numbers") if unique else ("numbers", "numbers")
    if recurring and words <= _MOST_WORDS_OF_A_CATEGORY:
        return "categories", f"{distinct:,} different values in {rows:,} rows"
    if words >= _LEAST_WORDS_OF_A_TEXT or (not recurring and _has_unspaced(values)):
        return "text", f"{words:.0f} words in a cell"
    if distinct > 0.9 * rows:
        return "ids", "a different value in each row"
    return "text", "short texts"


def _choose_texts(columns: Sequence[Column]) -> list[Column]:
    """Return the text columns: those named so, else all of them, else the one of most words."""
    texts = [column for column in columns if column.looks == "text"]
    # In few rows, made from a template, whole texts recur as categories do.
    recurring = [
        column
        for column in columns
        if column.looks == "categories" and column.words >= _LEAST_WORDS_OF_A_TEXT
    ]
    named = [
        column for column in texts + recurring if (column.name or "").casefold() in _TEXT_NAMES
    ]
    longest = [max(recurring, key=lambda column: column.words)] if recurring else []
    return sorted(named or texts or longest, key=lambda column: column.at)


def _choose_labels(columns: Sequence[Column]) -> list[Column]:
    """Return the columns of categories: those with the clearest name, else all of them."""
    categories = [column for column in columns if column.looks == "categories"]
    for names in _LABEL_NAMES:
        named = [column for column in categories if (column.name or "").casefold() in names]
        if named:
            return named
    return categories


def _has_unspaced(values: Sequence[str]) -> bool:
    return sum(bool(_UNSPACED.search(value)) for value in values) > len(values) / 2


def _count_words(cell: str) -> float:
    """Return the number of words, also in scripts without spaces between them."""
    return len(cell.split()) + len(_UNSPACED.findall(cell)) / _CHARACTERS_A_WORD
