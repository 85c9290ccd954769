"""Rows of Parquet and Excel files."""

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, overload

from ecomclf.data.json_rows import cell_of
from ecomclf.data.row import Row
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 8_192


class BatchCells(Sequence[str]):
    """The cells of a row of a Parquet file; a column is converted to text when it is first read.

    Attributes:
        batch: the rows that are read together.
        row: number of this one among them.

    """

    def __init__(self, batch: "pa.RecordBatch", row: int, texts: dict[int, list[str]]) -> None:
        self.batch, self.row = batch, row
        self._texts = texts

    def __len__(self) -> int:
        return int(self.batch.num_columns)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[position] for position in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        if at not in self._texts:
            self._texts[at] = [_as_text(value) for value in self.batch.column(at).to_pylist()]
        return self._texts[at][self.row]


class ParquetRows:
    """Iterator over the rows of a Parquet file, read in batches.

    Attributes:
        names: the columns.

    Raises:
        DataError: it is not a whole Parquet file.

    """

    def __init__(self, stream: BinaryIO, source: str) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._source = source
        try:
            self._file = parquet.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            raise self._broken(error) from error
        self.names = tuple(self._file.schema_arrow.names)

    def __iter__(self) -> Iterator[Row]:
        import pyarrow as pa

        line = 0
        try:
            for batch in self._file.iter_batches(_BATCH_ROWS):
                texts: dict[int, list[str]] = {}
                for row in range(batch.num_rows):
                    line += 1
                    yield Row(line, "", BatchCells(batch, row, texts))
        except (pa.ArrowException, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> DataError:
        reason = " ".join(str(error).split())
        return DataError(f"{self._source} is not a whole Parquet file: {reason}; write it again")


class ExcelRows:
    """Iterator over the rows of the first sheet of an Excel file.

    Attributes:
        sheet: name of the sheet.
        sheets: how many there are.

    Raises:
        DataError: openpyxl is not installed, or it is not a whole Excel file.

    """

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self._source = source
        try:
            from openpyxl import load_workbook
        except ImportError as error:
            raise DataError(
                f'reading {source} needs openpyxl; install it with pip install "ecomclf[excel]"'
            ) from error
        # openpyxl raises many types, also for other zip files.
        try:
            book = load_workbook(stream, read_only=True, data_only=True)
            self._sheet = book.worksheets[0]
        except Exception as error:
            raise self._broken(error) from error
        self.sheet, self.sheets = str(self._sheet.title), len(book.worksheets)

    def __iter__(self) -> Iterator[Row]:
        try:
            for line, cells in enumerate(self._sheet.iter_rows(values_only=True), start=1):
                texts = [_as_text(cell) for cell in cells]
                yield Row(line, "", texts if any(texts) else [])
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> DataError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return DataError(f"{self._source} is not a whole Excel file: {reason}; save it again")


def _as_text(value: Any) -> str:
    """Return a typed value as the text that a person sees in the cell.

    >>> [_as_text(value) for value in ("a", None, 5, 5.0, 0.5, True)]
    ['a', '', '5', '5', '0.5', 'true']
    """
    if isinstance(value, float):
        return "" if value != value else f"{value:.0f}" if value.is_integer() else repr(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    if value is None or isinstance(value, str | int | list | dict):
        return cell_of(value)
    return str(value)
