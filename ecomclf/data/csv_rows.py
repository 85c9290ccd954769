"""CSV rows with their bytes and line numbers, and what is wrong with malformed ones."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from ecomclf.errors import DataError

# A quote that is never closed turns the rest of the file into one row, and the csv module takes
# four bytes per character.
_LARGEST_ROW = 16 * 2**20


class _Fault(NamedTuple):
    problem: str
    remedy: str


_UNCLOSED = _Fault("a quote is opened and never closed", "close the quote, or remove it")
# The csv module's messages, reworded for readers who have only the file in front of them.
_FAULTS = {
    "unexpected end of data": _UNCLOSED,
    "',' expected after '\"'": _Fault(
        "a closing quote is not followed by a comma", "quote the whole cell and double its quotes"
    ),
    "new-line character seen in unquoted field": _Fault(
        "a carriage return in an unquoted cell", "quote the cell, or use \\n or \\r\\n as line ends"
    ),
}


class Row(NamedTuple):
    """One row of a CSV file.

    Attributes:
        line: number of its first line, from 1.
        raw: its bytes, line end included.
        cells: its cells; empty for a blank line and for a malformed row.
        wrong: why the row is malformed; "" for a well-formed row.
        remedy: how to fix a malformed row.

    """

    line: int
    raw: bytes
    cells: list[str]
    wrong: str
    remedy: str = ""


class _Lines:
    """Iterate over the lines of a file as text, keeping the bytes of the row being parsed.

    `fault` is set when bytes of that row cannot be decoded or used.
    """

    def __init__(self, file: BinaryIO, source: Path) -> None:
        self._file = file
        self._source = source
        is_gzipped = source.suffix == ".gz"
        self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzipped else file
        self.size = os.fstat(file.fileno()).st_size or None
        self.number = 0
        self.begin_row()

    def begin_row(self) -> None:
        self.raw: list[bytes] = []
        self.fault: _Fault | None = None
        self._room = _LARGEST_ROW

    def position(self) -> int:
        return self._file.tell() if self._file.seekable() else 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw = self._read_line()
        if not raw:
            raise StopIteration
        self.number += 1
        self.raw.append(raw)
        self._room -= len(raw)
        if self._room < 0:
            problem = f"{_UNCLOSED.problem} within {_LARGEST_ROW:,} bytes"
            self.fault = _UNCLOSED._replace(problem=problem)
            raise csv.Error(problem)
        if b"\0" in raw:
            self.fault = _Fault(f"NUL byte in line {self.number}", "remove the NUL bytes")
        try:
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            self.fault = _Fault(
                f"byte 0x{byte:02x} in line {self.number} is not UTF-8",
                "convert the file to UTF-8",
            )
            return raw.decode(errors="replace")

    def _read_line(self) -> bytes:
        try:
            raw = self._stream.readline(_LARGEST_ROW + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{self._source} is not a whole gzip file: {error}; compress it again"
            ) from error
        except OSError as error:
            raise DataError(f"cannot read {self._source}: {error.strerror}") from error
        if len(raw) > _LARGEST_ROW:
            problem = f"line {self.number + 1} is longer than {_LARGEST_ROW:,} bytes"
            raise DataError(f"{self._source}: {problem}; use a CSV file with shorter lines")
        return raw


class Rows:
    """Iterator over the rows of an open CSV file; created by `open_rows`.

    Malformed rows and blank lines are yielded too, without cells. `size` is the size of the file in
    bytes, None where it has none.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._reader = csv.reader(lines, strict=True)
        self.size = lines.size

    def position(self) -> int:
        """Return how many bytes of the file have been read; compressed bytes if it is gzipped."""
        return self._lines.position()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        lines = self._lines
        lines.begin_row()
        line = lines.number + 1
        try:
            cells, fault = next(self._reader), lines.fault
        except csv.Error as error:
            # After " - " the csv module adds a hint that is about Python code.
            message = str(error).partition(" - ")[0]
            fault = lines.fault or _FAULTS.get(message, _Fault(message, "fix the row"))
            cells = []
        wrong, remedy = fault or ("", "")
        return Row(line, b"".join(lines.raw), cells, wrong, remedy)


@contextmanager
def open_rows(path: Path) -> Iterator[Rows]:
    """Open a CSV file in UTF-8, gzipped if its name ends in .gz.

    While the file is open, the field size limit of the csv module, which is global, is raised to
    that of a row.

    Raises:
        DataError: the file cannot be read, is not a whole gzip file, or has a line that is too
            long.

    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    limit = csv.field_size_limit(_LARGEST_ROW)
    try:
        with file:
            yield Rows(_Lines(file, path))
    finally:
        csv.field_size_limit(limit)


def read_stray_quotes(row: Row) -> list[str]:
    r"""Return the cells of a malformed row whose stray quotes affect no other row; else [].

    That is a row of one line, at the end of which no quote is open.

    >>> read_stray_quotes(Row(1, b'Pipes,"5" pipe\n', [], "a closing quote is not ..."))
    ['Pipes', '5 pipe']
    >>> read_stray_quotes(Row(1, b'Pipes,"5" pipe,"6\n', [], "a closing quote is not ..."))
    []
    """
    if b"\0" in row.raw or b"\n" in row.raw.removesuffix(b"\n"):
        return []
    try:
        text = row.raw.decode("utf-8-sig" if row.line == 1 else "utf-8")
        # A quote that is open at the end makes the reader take the second line too.
        reader = csv.reader([text, "\n"])
        cells = next(reader)
    except (UnicodeDecodeError, csv.Error):
        return []
    return cells if reader.line_num == 1 else []
