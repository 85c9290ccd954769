"""Write rows with their predictions, in the format that the output's name says."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import pandas as pd

from ecomclf.data.binary_rows import BatchCells
from ecomclf.data.csv_dialect import CsvDialect
from ecomclf.data.file_format import Kind
from ecomclf.data.row import Row
from ecomclf.data.table_file import TableFile
from ecomclf.data.text_encoding import TextEncoding
from ecomclf.errors import RequestError

ANSWERS = ("label", "confidence", "needs_review")
_ENDINGS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "json-lines",
    ".ndjson": "json-lines",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
}
_LINE_ENDS = "\r\n"
_MARK = "\ufeff"


class Header(NamedTuple):
    """The columns of an output.

    Attributes:
        names: of the input's columns; positions as digits if they have no names.
        added: names of the added columns.
        named: whether the input's columns have names.
        first: the input's first row; None in a format with names apart from the rows.

    """

    names: Sequence[str]
    added: Sequence[str]
    named: bool
    first: Row | None


class AnswerWriter(Protocol):
    """Writes rows and the columns that are added to them."""

    def begin(self, header: Header) -> None:
        """Take the names of the columns, and write them if the format has a header."""

    def write(self, rows: Sequence[Row], answers: pd.DataFrame) -> None:
        """Write rows with their predictions, one each."""

    def end(self) -> None:
        """Write what comes after the last row."""


def output_kind(path: Path, kind: Kind) -> Kind:
    """Return the format that a file's name says; that of the input for any other name.

    >>> output_kind(Path("out.parquet"), "csv"), output_kind(Path("out.csv.gz"), "parquet")
    ('parquet', 'csv')
    """
    return _ENDINGS.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix, kind)


@contextmanager
def open_writer(path: Path, output: BinaryIO, table: TableFile) -> Iterator[AnswerWriter]:
    """Open the writer of an output file.

    Args:
        path: its name, which says the format.
        output: where to write.
        table: the input, whose dialect and encoding are kept in the same format.

    Raises:
        RequestError: the output is an Excel file, and openpyxl is not installed.

    """
    kind = output_kind(path, table.format.kind)
    if kind == "csv":
        yield _CsvWriter(output, table, tabs=".tsv" in path.suffixes)
    elif kind in ("json-lines", "json"):
        yield _JsonWriter(output, table, array=kind == "json")
    elif kind == "excel":
        yield _ExcelWriter(output)
    else:
        writer = _ParquetWriter(output)
        try:
            yield writer
        finally:
            # After an error too: later pyarrow would find the output closed.
            writer.end()


def output_encoding(table: TableFile) -> TextEncoding:
    """Return the encoding of a text output: the input's if it can encode any class name."""
    encoding = table.format.encoding
    return encoding if encoding is not None and encoding.is_unicode else TextEncoding("utf-8")


class _CsvWriter:
    """Copies the text of rows of a CSV file and appends cells; writes other rows as cells."""

    def __init__(self, output: BinaryIO, table: TableFile, *, tabs: bool) -> None:
        self._output, self._table = output, table
        own = table.format.dialect or CsvDialect()
        self._copies = table.format.dialect is not None and not (tabs and own.separator != "\t")
        self._dialect = own if self._copies else CsvDialect(separator="\t" if tabs else ",")
        self._codec = output_encoding(table).codec
        self._line_end = "\n"
        self._quoted: dict[str, str] = {}

    def begin(self, header: Header) -> None:
        own = header.first or Row(1, "", header.names)
        self._line_end = "\r\n" if own.raw.endswith("\r\n") else self._dialect.line_end
        if self._copies:
            preamble = self._table.preamble
            marked = output_encoding(self._table).mark
            self._put(preamble if marked else preamble.removeprefix(_MARK))
        if header.named:
            cells = (*self._own_cells([own]), *map(self._quote, header.added))
            self._put(self._dialect.separator.join(cells) + self._line_end)

    def write(self, rows: Sequence[Row], answers: pd.DataFrame) -> None:
        columns = (answers[name].tolist() for name in ANSWERS)
        separator, line_end, quoted = self._dialect.separator, self._line_end, self._quote
        lines = [
            f"{own}{separator}{quoted(label)}{separator}{confidence:.4f}{separator}"
            f"{'true' if needs_review else 'false'}{line_end}"
            for own, label, confidence, needs_review in zip(
                self._own_cells(rows), *columns, strict=True
            )
        ]
        self._put("".join(lines))

    def end(self) -> None:
        """Nothing comes after the last row."""

    def _own_cells(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield the text of the input's cells of each row, without a line end."""
        if self._copies:
            return (row.raw.rstrip(_LINE_ENDS) for row in rows)
        separator, cell = self._dialect.separator, self._dialect.cell
        return (separator.join(map(cell, row.cells)) for row in rows)

    def _quote(self, name: str) -> str:
        if name not in self._quoted:
            self._quoted[name] = self._dialect.cell(name)
        return self._quoted[name]

    def _put(self, text: str) -> None:
        self._output.write(text.encode(self._codec, "surrogatepass"))


class _JsonWriter:
    """Copies the text of JSON lines and adds keys; writes other rows as objects of strings."""

    def __init__(self, output: BinaryIO, table: TableFile, *, array: bool) -> None:
        self._output, self._array = output, array
        self._codec = output_encoding(table).codec
        self._copies = table.format.kind == "json-lines" and not array
        self._rows = 0

    def begin(self, header: Header) -> None:
        self._names, self._added = header.names, header.added
        if self._array:
            self._put("[\n")

    def write(self, rows: Sequence[Row], answers: pd.DataFrame) -> None:
        columns = (answers[name].tolist() for name in ANSWERS)
        for row, label, confidence, needs_review in zip(rows, *columns, strict=True):
            values = (label, round(float(confidence), 4), bool(needs_review))
            added = _dumps(dict(zip(self._added, values, strict=True)))
            begin = ",\n" if self._array and self._rows else ""
            self._put(begin + self._object(row, added) + ("" if self._array else "\n"))
            self._rows += 1

    def end(self) -> None:
        if self._array:
            self._put("\n]\n")

    def _object(self, row: Row, added: str) -> str:
        own = row.raw.strip() or "{}"
        if not self._copies:
            own = _dumps(dict(zip(self._names, row.cells, strict=True)))
        own = own.removesuffix("}").rstrip()
        return f"{own}{'' if own == '{' else ', '}{added[1:]}"

    def _put(self, text: str) -> None:
        self._output.write(text.encode(self._codec, "surrogatepass"))


class _ParquetWriter:
    """Writes batches; columns of a Parquet file keep their types, others are text."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._writer: Any = None

    def begin(self, header: Header) -> None:
        self._names, self._added = header.names, header.added

    def write(self, rows: Sequence[Row], answers: pd.DataFrame) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = (pa.string(), pa.float32(), pa.bool_())
        own = _batches(rows) if isinstance(rows[0].cells, BatchCells) else self._as_text(rows)
        added = [
            pa.array(answers[name].tolist(), kind)
            for name, kind in zip(ANSWERS, types, strict=True)
        ]
        columns = [*own.columns, *map(pa.chunked_array, ([each] for each in added))]
        table = pa.table(columns, names=[*own.column_names, *self._added])
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._output, table.schema)
        self._writer.write_table(table)

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _as_text(self, rows: Sequence[Row]) -> Any:
        import pyarrow as pa

        columns = zip(*(row.cells for row in rows), strict=True)
        return pa.table([pa.array(each, pa.string()) for each in columns], names=[*self._names])


class _ExcelWriter:
    """Writes one sheet of text cells and answers."""

    def __init__(self, output: BinaryIO) -> None:
        require_openpyxl()
        from openpyxl import Workbook

        self._output = output
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet("answers")

    def begin(self, header: Header) -> None:
        self._sheet.append([*map(_printable, header.names), *header.added])

    def write(self, rows: Sequence[Row], answers: pd.DataFrame) -> None:
        columns = (answers[name].tolist() for name in ANSWERS)
        for row, label, confidence, needs_review in zip(rows, *columns, strict=True):
            own = map(_printable, row.cells)
            self._sheet.append([*own, label, round(float(confidence), 4), bool(needs_review)])

    def end(self) -> None:
        self._book.save(self._output)


def require_openpyxl() -> None:
    """Check that Excel files can be written.

    Raises:
        RequestError: openpyxl is not installed.

    """
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise RequestError(
            'writing Excel needs openpyxl; install it with pip install "ecomclf[excel]"'
        ) from error


def _batches(rows: Sequence[Row]) -> Any:
    """Return rows of a Parquet file as a table, with the types that they have there."""
    import pyarrow as pa

    cells = [row.cells for row in rows if isinstance(row.cells, BatchCells)]
    parts = groupby(cells, key=lambda each: id(each.batch))
    batches = []
    for _, part in parts:
        same = list(part)
        batches.append(same[0].batch.take(pa.array([each.row for each in same])))
    return pa.Table.from_batches(batches)


def _printable(cell: str) -> str:
    """Return a cell without the control characters that Excel does not allow."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    return str(ILLEGAL_CHARACTERS_RE.sub("", cell))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
