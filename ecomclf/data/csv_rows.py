"""CSV rows with their text and line numbers, and what is wrong with malformed ones."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Self

from ecomclf.data.csv_dialect import SEPARATORS, CsvDialect, separator_line
from ecomclf.data.row import LARGEST_ROW, Row
from ecomclf.data.text_encoding import TextEncoding
from ecomclf.errors import DataError

_MARK = "\ufeff"
# Bytes that are not valid, as `surrogateescape` decodes them.
_INVALID = re.compile("[\udc80-\udcff]")
_UNCLOSED = (
    "a quote is opened and never closed",
    "close it or, where quotes are characters as any other, set the quote to none",
)
# The csv module's messages, reworded for readers who have only the file in front of them.
_FAULTS = {
    "unexpected end of data": _UNCLOSED,
    "new-line character seen in unquoted field": (
        "a carriage return in an unquoted cell",
        "quote the cell, or use \\n or \\r\\n as line ends",
    ),
}


class CsvRows:
    """Iterator over the rows of an open CSV file.

    Malformed rows and blank lines are yielded too, without cells.

    Args:
        stream: the file's bytes, uncompressed, at their beginning.
        source: its name in errors.
        encoding: of the file.
        dialect: of the file.

    Attributes:
        preamble: what stands before the first row: a byte-order mark, and a line that names the
            separator.

    """

    def __init__(
        self, stream: BinaryIO, source: str, encoding: TextEncoding, dialect: CsvDialect
    ) -> None:
        self._lines = _Lines(stream, source, encoding, dialect)
        self._dialect = dialect
        self._reader = dialect.reader(self._lines)
        self.preamble = self._lines.preamble

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        lines = self._lines
        lines.begin_row()
        line = lines.number + 1
        try:
            cells, fault = next(self._reader), lines.fault
        except csv.Error as error:
            fault, cells = lines.fault or self._reword(error), []
        wrong, remedy = fault or ("", "")
        return Row(line, "".join(lines.raw), cells, wrong, remedy)

    def _reword(self, error: csv.Error) -> tuple[str, str]:
        # After " - " the csv module adds a hint that is about Python code.
        message = str(error).partition(" - ")[0]
        if "expected after" in message:
            name = SEPARATORS.get(self._dialect.separator)
            return (
                f"a closing quote is not followed by a {name or repr(self._dialect.separator)}",
                "quote the whole cell and double its quotes",
            )
        return _FAULTS.get(message, (message, "fix the row"))


class _Lines:
    """Iterate over the lines of a file, keeping those of the row being parsed.

    `fault` is set when bytes of that row cannot be decoded or used.
    """

    def __init__(
        self, stream: BinaryIO, source: str, encoding: TextEncoding, dialect: CsvDialect
    ) -> None:
        self._source = source
        self._codec = encoding.codec
        wide = encoding.codec.startswith(("utf-16", "utf-32"))
        self._stream = io.TextIOWrapper(
            stream,
            encoding=encoding.codec,
            errors="surrogatepass" if wide else "surrogateescape",
            newline=dialect.line_end,
        )
        self.number = 0
        first = self._read_line()
        self.preamble = _MARK if first.startswith(_MARK) else ""
        first = first.removeprefix(_MARK)
        named = separator_line(first)
        if named:
            self.preamble, self.number, first = self.preamble + named, 1, ""
        # Lines that were read, but not yet yielded.
        self._pending = [first] if first else []
        self.begin_row()

    def begin_row(self) -> None:
        self.raw: list[str] = []
        self.fault: tuple[str, str] | None = None
        self._room = LARGEST_ROW

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._pending.pop() if self._pending else self._read_line()
        if not line:
            raise StopIteration
        self.number += 1
        self.raw.append(line)
        self._room -= len(line)
        if self._room < 0:
            problem = f"{_UNCLOSED[0]} within {LARGEST_ROW:,} characters"
            self.fault = problem, _UNCLOSED[1]
            raise csv.Error(problem)
        if "\0" in line:
            self.fault = f"NUL byte in line {self.number}", "remove the NUL bytes"
        if not line.isascii():
            self._check_bytes(line)
        return line

    def _check_bytes(self, line: str) -> None:
        invalid = _INVALID.search(line)
        if invalid:
            byte, name = ord(invalid[0]) - 0xDC00, self._codec
            name = name.upper() if name.startswith("utf") else name
            self.fault = (
                f"byte 0x{byte:02x} in line {self.number} is not {name}",
                "correct it, or name the file's encoding",
            )

    def _read_line(self) -> str:
        try:
            line = self._stream.readline(LARGEST_ROW + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{self._source} is not a whole gzip file: {error}; compress it again"
            ) from error
        except UnicodeError as error:
            raise DataError(
                f"{self._source}, after line {self.number}: not {self._codec.upper()}: "
                f"{getattr(error, 'reason', error)}; name the file's encoding"
            ) from error
        except OSError as error:
            raise DataError(f"cannot read {self._source}: {error.strerror}") from error
        if len(line) > LARGEST_ROW:
            problem = f"line {self.number + 1} is longer than {LARGEST_ROW:,} characters"
            raise DataError(f"{self._source}: {problem}; use a CSV file with shorter lines")
        return line


@contextmanager
def long_cells() -> Iterator[None]:
    """Raise the field size limit of the csv module, which is global, to that of a row."""
    limit = csv.field_size_limit(LARGEST_ROW)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def read_stray_quotes(row: Row, dialect: CsvDialect) -> list[str]:
    r"""Return the cells of a malformed row whose stray quotes affect no other row; else [].

    That is a row of one line, at the end of which no quote is open.

    >>> row = Row(1, 'Pipes,"5" pipe\n', [], "a closing quote is not ...")
    >>> read_stray_quotes(row, CsvDialect())
    ['Pipes', '5 pipe']
    >>> row = Row(1, 'Pipes,"5" pipe,"6\n', [], "a closing quote is not ...")
    >>> read_stray_quotes(row, CsvDialect())
    []
    """
    end = dialect.line_end
    if "\0" in row.raw or end in row.raw.removesuffix(end) or _INVALID.search(row.raw):
        return []
    try:
        # A quote that is open at the end makes the reader take the second line too.
        reader = dialect.reader(iter([row.raw, "\n"]), strict=False)
        cells = next(reader)
    except csv.Error:
        return []
    return cells if reader.line_num == 1 else []  # type: ignore[attr-defined]
