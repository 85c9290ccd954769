"""The rows of a CSV file as they stand: their bytes, line numbers, and what is wrong with them."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from ecomclf.errors import DataError

# A quote that is never closed makes one row of all that follows, and csv takes four bytes a letter.
_LARGEST_ROW = 16 * 2**20
_UNCLOSED = "a quote is opened and never closed"
# What csv says, in words for those who have only the file before them.
_REASONS = {
    "unexpected end of data": _UNCLOSED,
    "',' expected after '\"'": "a closing quote is followed by something else than a comma",
    "new-line character seen in unquoted field": "a carriage return stands within a cell",
}


class Row(NamedTuple):
    """A row as it stands in the file from `line` on; `wrong` says why it cannot be used."""

    line: int
    raw: bytes
    cells: list[str]
    wrong: str


class _Lines:
    """The lines of a file as text; keeps the bytes of the row that csv is reading.

    `wrong` says which bytes of that row are no text.
    """

    def __init__(self, file: BinaryIO, source: Path) -> None:
        self._file = file
        self._source = source
        packed = source.suffix == ".gz"
        self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        self.size = os.fstat(file.fileno()).st_size or None
        self.number = 0
        self.begin_row()

    def begin_row(self) -> None:
        self.raw: list[bytes] = []
        self.wrong = ""
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
            raise csv.Error(f"{_UNCLOSED} within {_LARGEST_ROW:,} bytes")
        if b"\0" in raw:
            self.wrong = f"there is a zero byte in line {self.number}"
        try:
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            self.wrong = f"byte 0x{byte:02x} in line {self.number} is not UTF-8"
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
            raise DataError(f"{self._source}: {problem}; give a CSV file with shorter lines")
        return raw


class Rows:
    """Iterates over the rows of an open CSV file; made by `open_rows`.

    Broken rows are given too, without cells; so are empty lines. `size` is that of the file in
    bytes, None where it has none.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._reader = csv.reader(lines, strict=True)
        self.size = lines.size

    def position(self) -> int:
        """Give how many bytes of the file, packed as it is, have been read."""
        return self._lines.position()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        lines = self._lines
        lines.begin_row()
        line = lines.number + 1
        try:
            cells, wrong = next(self._reader), lines.wrong
        except csv.Error as error:
            # The hint that csv adds after this is for programmers.
            said = str(error).partition(" - ")[0]
            wrong = lines.wrong or _REASONS.get(said, said)
            cells = []
        return Row(line, b"".join(lines.raw), cells, wrong)


@contextmanager
def open_rows(path: Path) -> Iterator[Rows]:
    """Open a CSV file in UTF-8, gzipped when its name ends in .gz.

    While it is open csv takes cells as long as a row may be: its limit is global.

    Raises:
        DataError: the file cannot be read, is no whole gzip file, or has an endless line.

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
