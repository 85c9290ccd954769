"""`open_table`: the rows of a file of any format."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecomclf.data.binary_rows import ExcelRows, ParquetRows
from ecomclf.data.csv_rows import CsvRows, long_cells
from ecomclf.data.file_format import (
    DETECTED,
    FileBytes,
    FileFormat,
    FileOptions,
    detect_format,
    open_bytes,
)
from ecomclf.data.json_rows import JsonRows
from ecomclf.data.row import Row


@dataclass(frozen=True)
class TableFile:
    """An open file.

    Attributes:
        format: how it is read.
        names: its columns; None in a format whose first row may or may not hold them.
        rows: its rows, read as they are iterated over; malformed ones and blank lines too.
        size: bytes of the file, None where it has none.
        preamble: text before the first row of a CSV file, such as a byte-order mark.
        note: what else a reader of the report should know; "" mostly.

    """

    format: FileFormat
    names: tuple[str, ...] | None
    rows: Iterator[Row]
    size: int | None
    preamble: str
    note: str
    _bytes: FileBytes
    # Kept, because its text stream closes the file when it is collected.
    _reader: Iterable[Row]

    def position(self) -> int:
        """Return how many bytes of the file have been read; compressed bytes if it is packed."""
        return self._bytes.raw.tell()

    def __str__(self) -> str:
        return f"{self.format}{self.note}"


@contextmanager
def open_table(
    path: Path, options: FileOptions = DETECTED, names: Sequence[str] = ()
) -> Iterator[TableFile]:
    """Open a CSV, JSON, Parquet or Excel file, packed or not.

    Args:
        path: the file.
        options: what is given of its format; the rest is detected.
        names: columns that it must have, which help to detect a separator.

    Raises:
        DataError: it cannot be read, is no table, or its encoding or dialect cannot be told.

    """
    with open_bytes(path) as content, long_cells():
        source = str(path)
        found = detect_format(content, source, options, names)
        rows = _rows(content, source, found)
        note = ""
        if isinstance(rows, ExcelRows) and rows.sheets > 1:
            note = f", the first of {rows.sheets} sheets, {rows.sheet!r}"
        yield TableFile(
            found,
            getattr(rows, "names", None),
            iter(rows),
            content.size,
            getattr(rows, "preamble", ""),
            note,
            content,
            rows,
        )


def _rows(content: FileBytes, source: str, found: FileFormat) -> Iterable[Row]:
    if found.kind == "parquet":
        return ParquetRows(content.stream, source)
    if found.kind == "excel":
        return ExcelRows(content.stream, source)
    assert found.encoding is not None
    if found.dialect is None:
        array = found.kind == "json"
        return JsonRows(content.stream, source, found.encoding, array=array)
    return CsvRows(content.stream, source, found.encoding, found.dialect)
