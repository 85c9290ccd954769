"""Texts and labels from the columns of a file or a DataFrame.

Nothing is dropped here: missing texts and labels are read as "".
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Literal, NamedTuple

from ecomclf.data.class_names import list_names
from ecomclf.data.csv_rows import read_stray_quotes
from ecomclf.data.file_format import DETECTED, FileOptions
from ecomclf.data.table_file import TableFile, open_table
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# After an error of a CSV file that was read as one column.
_SEPARATOR_HINT = "; it was read as one column: name the separator with data.separator"


@dataclass(frozen=True)
class Table:
    """The rows of a source.

    Attributes:
        texts: [rows], the text columns joined; "" where missing.
        labels: [rows], "" where missing.
        source: name of the source, as messages and reports show it.
        sha256: hash of the file, or of the CSV that a DataFrame would be written to.
        header: column names; None for a file without a header.
        text_columns: names of the text columns; empty without a header.
        read_as: how the file was read; "" for a DataFrame.

    """

    texts: list[str]
    labels: list[str]
    source: str
    sha256: str
    header: tuple[str, ...] | None
    text_columns: tuple[str, ...]
    read_as: str = ""


class Columns(NamedTuple):
    """Text columns, in the order in which they are joined, and the label column.

    Each is a name, or a position from 0.
    """

    text: tuple[int | str, ...]
    label: int | str


class _Positions(NamedTuple):
    text: tuple[int, ...]
    label: int


def read_file_columns(
    path: Path,
    columns: Columns,
    header: Literal[True, False, "auto"] = "auto",
    options: FileOptions = DETECTED,
) -> Table:
    """Read columns of a CSV, JSON, Parquet or Excel file; every cell is text.

    Short rows are padded with "", blank lines skipped. A stray quote is accepted if it affects no
    other row.

    Args:
        path: the file.
        columns: the columns to read.
        header: whether the first row of a CSV or Excel file holds column names. `auto` expects them
            if a column is given by name, and otherwise if the first label is unlike the others
            (`_is_column_name`).
        options: what is given of the file's format.

    Raises:
        DataError: the file cannot be read, is no regular table, or lacks the columns.

    """
    by_name = [column for column in (*columns.text, columns.label) if isinstance(column, str)]
    with open_table(path, options, by_name) as file:
        rows = _regular_rows(file, path)
        first = file.names or next(rows, None)
        if first is None:
            raise DataError(f"{path} is empty; it needs rows of texts with labels")
        hint = _SEPARATOR_HINT if len(first) == 1 and file.format.kind == "csv" else ""
        named = tuple(first) if file.names or _expects_header(columns, header) else None
        at = _locate(columns, named, len(first), str(path), hint)
        texts, labels = _take(rows if named else chain([first], rows), at)
        read_as = str(file)
    if header == "auto" and not named and _is_column_name(labels):
        named = tuple(first)
        del texts[0], labels[0]
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Table(texts, labels, str(path), sha256, named, _text_names(at, named), read_as)


def read_frame_columns(frame: "pd.DataFrame", columns: Columns, source: str | None = None) -> Table:
    """Read columns of a DataFrame, which is left unchanged.

    Missing values (NaN, None, NA) become "", other cells `str(cell)`. The hash is that of
    `frame.to_csv(index=False)`.

    Args:
        frame: the rows.
        columns: the columns to read.
        source: what to call it; by default "DataFrame (N rows)".

    Raises:
        DataError: it is not a DataFrame, has no columns, lacks those asked for, or holds a text
            that is not valid Unicode.

    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"data must be a pandas DataFrame but is a {type(frame).__name__}")
    source = source or f"DataFrame ({len(frame)} rows)"
    if not len(frame.columns):
        raise DataError(f"{source} is empty; it needs rows of texts with labels")
    header = tuple(str(name) for name in frame.columns)
    at = _locate(columns, header, len(header), source)
    cells = (_cells(frame.iloc[:, position]) for position in (*at.text, at.label))
    in_order = _Positions(tuple(range(len(at.text))), len(at.text))
    texts, labels = _take(zip(*cells, strict=True), in_order)
    try:
        raw = frame.to_csv(index=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{source}: {error.object[error.start]!r} in a cell is a lone surrogate, not valid "
            "Unicode; remove it"
        ) from error
    sha256 = hashlib.sha256(raw).hexdigest()
    return Table(texts, labels, source, sha256, header, _text_names(at, header))


def _cells(column: "pd.Series[str]") -> list[str]:
    """Return the cells of a column as text, "" where missing."""
    pairs = zip(column, column.isna(), strict=True)
    return ["" if is_missing else str(cell) for cell, is_missing in pairs]


def _regular_rows(file: TableFile, path: Path) -> Iterator[Sequence[str]]:
    """Yield the cells of rows as wide as the first, without blank lines.

    Raises:
        DataError: a row is malformed, so that other rows could be part of it, or too wide.

    """
    width = len(file.names or ())
    dialect = file.format.dialect
    for row in file.rows:
        cells = row.cells
        if row.wrong:
            cells = read_stray_quotes(row, dialect) if dialect else []
        if row.wrong and not cells:
            hint = _SEPARATOR_HINT if width == 1 and dialect else ""
            raise DataError(f"{path}, line {row.line}: {row.wrong}; {row.remedy}{hint}")
        if len(cells) < 2 and dialect and not row.raw.strip():
            continue
        width = width or len(cells)
        # Some programs end rows, but not the header, with a separator.
        if len(cells) > width and not any(map(str.strip, cells[width:])):
            cells = cells[:width]
        if len(cells) > width:
            problem = f"{len(cells)} cells, but {width} in the first row"
            raise DataError(f"{path}, line {row.line}: {problem}{_remedy(file, width)}")
        yield [*cells, *[""] * (width - len(cells))] if len(cells) < width else cells


def _remedy(file: TableFile, width: int) -> str:
    if width == 1:
        return _SEPARATOR_HINT
    dialect = file.format.dialect
    if dialect is None:
        return "; remove the further cells"
    return f"; quote cells that contain {dialect.separators}"


def _expects_header(columns: Columns, header: Literal[True, False, "auto"]) -> bool:
    """Return whether the first row must hold column names."""
    by_name = [name for name in (*columns.text, columns.label) if isinstance(name, str)]
    if by_name and header is False:
        raise DataError(
            f"data.header is false but the column {by_name[0]!r} is given by name; "
            "give its position, counted from 0"
        )
    return bool(by_name) or header is True


def _is_column_name(labels: Sequence[str]) -> bool:
    """Return whether the first label is a column name: it occurs once, while others recur."""
    first = labels[0]
    # In a small file with one row per class, any label occurs once.
    return first != "" and labels.count(first) == 1 and len(set(labels)) < len(labels) / 2


def _take(rows: Iterable[Sequence[str]], at: _Positions) -> tuple[list[str], list[str]]:
    """Return the joined texts and the labels of rows, whitespace trimmed."""
    texts: list[str] = []
    labels: list[str] = []
    for cells in rows:
        parts = [cells[position].strip() for position in at.text]
        text = " ".join(filter(None, parts))
        # The two ways to write "é" are one, for the baselines too.
        texts.append(text if text.isascii() else unicodedata.normalize("NFC", text))
        # One string per class instead of one per row.
        labels.append(intern(cells[at.label].strip()))
    return texts, labels


def _locate(
    columns: Columns, header: tuple[str, ...] | None, width: int, source: str, hint: str = ""
) -> _Positions:
    """Return the positions of the columns; `hint` ends the message if there is no such column."""

    def locate(column: int | str) -> int:
        if isinstance(column, str):
            names = [name.strip() for name in header or ()]
            if names.count(column) != 1:
                problem = "no" if column not in names else "more than one"
                found = list_names(map(repr, names))
                raise DataError(f"{source} has {problem} column {column!r}; it has {found}{hint}")
            return names.index(column)
        if not 0 <= column < width:
            raise DataError(
                f"{source} has no column at position {column}; it has {width}, counted from 0{hint}"
            )
        return column

    at = _Positions(tuple(map(locate, columns.text)), locate(columns.label))
    if at.label in at.text:
        raise DataError(
            f"{source}: the column {columns.label!r} is both text and label; name another in "
            "data.text_columns or data.label_column"
        )
    return at


def _text_names(at: _Positions, header: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(header[position].strip() for position in at.text) if header else ()
