"""`guess_columns`: the text and the label column of a file, by a sample of its rows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ecomclf.data.column_roles import Roles, ask_for_label, find_roles, has_header
from ecomclf.data.file_format import DETECTED, FileOptions
from ecomclf.data.sources import find_files
from ecomclf.data.table_file import open_table
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# Rows that columns are judged by, drawn from all over the file.
_SAMPLE_ROWS = 5_000


@dataclass(frozen=True)
class GuessedColumns:
    """The columns that a config should name.

    Attributes:
        text: text columns, in the order of the table.
        label: the label column.
        why: what each column looks like.
        named: whether the table has a header.
        read_as: how the file is read; "" for a DataFrame.

    """

    text: tuple[int | str, ...]
    label: int | str
    why: Mapping[int | str, str]
    named: bool
    read_as: str

    def __str__(self) -> str:
        text = ", ".join(f"{key!r} ({self.why.get(key, 'given')})" for key in self.text)
        return f"text {text}; label {self.label!r} ({self.why.get(self.label, 'given')})"


def guess_columns(
    source: str,
    frame: "pd.DataFrame | None" = None,
    *,
    options: FileOptions = DETECTED,
    text: Sequence[int | str] = (),
    label: int | str | None = None,
) -> GuessedColumns:
    """Guess which columns of a file or a DataFrame hold the text and the label.

    Args:
        source: path of the file, a pattern whose first file is looked at, or what to call the
            DataFrame.
        frame: read instead of the file.
        options: what is given of the file's format.
        text: given, so not guessed.
        label: given, so not guessed.

    Raises:
        AmbiguousLabelError: several columns could be the label.
        DataError: it is no table, or it has no column of texts or none of labels.

    """
    roles, read_as, named = _read_roles(source, frame, options)
    columns = tuple(text) or tuple(column.key for column in roles.text)
    if label is None:
        candidates = [column for column in roles.labels if column.key not in columns]
        if len(candidates) != 1:
            raise ask_for_label(candidates or roles.columns, source)
        label = candidates[0].key
    why = {column.key: column.why for column in roles.columns}
    return GuessedColumns(columns, label, why, named, read_as)


def _read_roles(
    source: str, frame: "pd.DataFrame | None", options: FileOptions
) -> tuple[Roles, str, bool]:
    """Return the roles of the columns, how the file is read, and whether it has a header."""
    if frame is not None:
        names = [str(name) for name in frame.columns]
        drawn = frame.sample(min(len(frame), _SAMPLE_ROWS), random_state=0).astype(object)
        cells = drawn.where(drawn.notna(), "").astype(str).to_numpy().tolist()
        return find_roles(names, cells, source), "", True
    path = find_files([source], "data.source")[0]
    with open_table(path, options) as table:
        rows = ([*row.cells] for row in table.rows if any(row.cells))
        columns: Sequence[str] | None = table.names
        first = next(rows, None) if columns is None else None
        if columns is None and first is None:
            raise DataError(f"{source} is empty; it needs rows of texts with labels")
        sample = _draw(rows)
        if first is not None:
            if has_header(first, sample):
                columns = first
            else:
                sample.insert(0, first)
        return find_roles(columns, sample, source), str(table), columns is not None


def _draw(rows: Iterator[list[str]]) -> list[list[str]]:
    """Return a uniform sample of rows, by reservoir sampling (Vitter, 1985, algorithm R)."""
    generator = random.Random(0)
    sample = list(islice(rows, _SAMPLE_ROWS))
    for count, row in enumerate(rows, start=_SAMPLE_ROWS + 1):
        place = generator.randrange(count)
        if place < _SAMPLE_ROWS:
            sample[place] = row
    return sample
