"""Notice a label column that holds ids or texts instead of classes."""

from collections.abc import Sequence

from ecomclf.config.data_section import DataConfig
from ecomclf.config.values import Column
from ecomclf.data.class_names import join_names, list_names
from ecomclf.data.tables import Table
from ecomclf.errors import DataError

# A tiny example may have a class a row.
_FEWEST_ROWS = 50
# With more different values a row than this, a column holds ids.
_SHARE_OF_IDS = 0.9
# With fewer it may hold labels.
_SHARE_OF_LABELS = 0.1
_WORDS_OF_A_TEXT = 4
_LABEL_NAMES = frozenset(
    {"label", "labels", "class", "category", "type", "kind", "target", "sentiment", "rating"}
    | {"score", "stars", "intent", "topic", "y"}
)


def require_recurring_labels(table: Table, config: DataConfig) -> None:
    """Check that the label column does not have nearly as many different values as rows.

    Raises:
        DataError: it has; the message names a column that is more likely to hold the labels.

    """
    labels = [label for label in table.labels if label]
    if len(labels) < _FEWEST_ROWS or len(set(labels)) < _SHARE_OF_IDS * len(labels):
        return
    names = table.header or _first_row(table)
    column: Column = 0 if config.label_column is None else config.label_column
    if isinstance(column, int) and names:
        column = names[column] if table.header else names[0]
    # The first row was read as labels, although it holds the names of the columns.
    extra = names is not None and table.header is None
    rows, different = len(labels) - extra, len(set(labels)) - extra
    words = sum(len(label.split()) for label in labels) / len(labels)
    kind = "ids" if words < _WORDS_OF_A_TEXT else "texts"
    raise DataError(
        f"{table.source}: column {column!r} looks like {kind} ({different:,} different values in "
        f"{rows:,} rows); name the label column with data.label_column{_suggestion(table, column)}"
    )


def _first_row(table: Table) -> tuple[str, str] | None:
    """Return the first label and text of a table without a header if they are column names."""
    if not _recurs(table.texts[1:]) or table.texts[0] in table.texts[1:]:
        return None
    return table.labels[0], table.texts[0]


def _recurs(values: Sequence[str]) -> bool:
    """Return whether values are few and recur, as labels do."""
    return 1 < len({value for value in values if value}) <= _SHARE_OF_LABELS * len(values)


def _suggestion(table: Table, column: Column) -> str:
    """Return which column may hold the labels: one of few recurring values, or one called so."""
    first = _first_row(table) if table.header is None else None
    if first is not None:
        return f", perhaps {first[1]!r}"
    if _recurs(table.texts):
        values = list_names(map(repr, sorted(set(table.texts) - {""})), 3)
        name = join_names(table.text_columns) if table.header else "the text column"
        return f", perhaps {name}, whose values are {values}"
    likely = [
        name.strip() for name in table.header or () if name.strip().casefold() in _LABEL_NAMES
    ]
    others = [name for name in likely if name != column]
    return f", perhaps {join_names(others, 3)}" if others else ""
