"""What a file is: its format by its first bytes, its compression, its encoding and dialect."""

import gzip
import io
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, Self, cast

from ecomclf.config.data_section import DataConfig
from ecomclf.data.class_names import list_names
from ecomclf.data.csv_dialect import CsvDialect, detect_dialect
from ecomclf.data.text_encoding import TextEncoding, detect_encoding, given_encoding
from ecomclf.errors import DataError

Kind = Literal["csv", "json-lines", "json", "parquet", "excel"]
_NAMES = {
    "csv": "CSV",
    "json-lines": "JSON lines",
    "json": "JSON",
    "parquet": "Parquet",
    "excel": "Excel",
}
# Bytes that the dialect is detected from.
_BLOCK = 2**18
# The texts of an Excel file are in memory, and it may hold a thousand times its own size.
_LARGEST_WORKBOOK = 2 * 2**30
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
# What is no table, by its first bytes.
_NO_TABLES = {
    b"%PDF": "a PDF document; export its table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); save it as .xlsx or CSV",
    b"\x89PNG": "an image; name a table",
    b"\xff\xd8\xff": "an image; name a table",
    b"GIF8": "an image; name a table",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"\x80\x04": "a Python pickle; write the table as CSV or Parquet",
    b"\x80\x05": "a Python pickle; write the table as CSV or Parquet",
    b"\x89HDF": "an HDF5 file; write the table as CSV or Parquet",
    b"ARROW1": "an Arrow file; write the table as CSV or Parquet",
    b"BZh": "compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or compress it with gzip",
    b"(\xb5/\xfd": "compressed with Zstandard; unpack it, or compress it with gzip",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
}
_MARKUP = ("<!doctype html", "<html", "<head", "<body")


class FileOptions(NamedTuple):
    """How to read a file; None is detected.

    Attributes:
        format: `csv`, `json-lines`, `json`, `parquet` or `excel`.
        encoding: name of a Python codec.
        separator: between the cells of a CSV file.
        quote: around the cells of a CSV file.

    """

    format: Kind | None = None
    encoding: str | None = None
    separator: str | None = None
    quote: str | None = None

    @classmethod
    def of(cls, config: DataConfig) -> Self:
        """Return what a config gives."""
        return cls(config.format, config.encoding, config.separator, config.quote)


# Everything is detected.
DETECTED = FileOptions()


@dataclass(frozen=True)
class FileFormat:
    """How a file is read.

    Attributes:
        kind: what its rows are.
        packed: `gzip`, the name of the table in a zip file, or "".
        encoding: of a text format.
        dialect: of a CSV file.

    Example:
        >>> str(FileFormat("csv", "", TextEncoding("cp1252"), CsvDialect(separator=";")))
        'CSV, cp1252 (detected), separated by semicolons (detected)'

    """

    kind: Kind
    packed: str = ""
    encoding: TextEncoding | None = None
    dialect: CsvDialect | None = None

    def __str__(self) -> str:
        parts = [_NAMES[self.kind], *(str(each) for each in (self.encoding, self.dialect) if each)]
        if self.packed:
            parts.append("gzipped" if self.packed == "gzip" else f"{self.packed} in a zip file")
        return ", ".join(parts)


class FileBytes(NamedTuple):
    """The contents of a file, uncompressed.

    Attributes:
        stream: seekable, at its beginning.
        packed: see `FileFormat`.
        raw: the file itself, whose position shows the progress.
        size: of the file in bytes, None where it has none.

    """

    stream: BinaryIO
    packed: str
    raw: BinaryIO
    size: int | None


@contextmanager
def open_bytes(path: Path) -> Iterator[FileBytes]:
    """Open a file, unpacking it if it is gzipped or a zip file with one table.

    Raises:
        DataError: it cannot be read or unpacked, or is a zip file with several tables.

    """
    with ExitStack() as stack:
        try:
            raw: Any = stack.enter_context(path.open("rb"))
            if not raw.seekable():
                # What can be read only once, such as a pipe.
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(raw, copy)
                raw = copy
            size = raw.seek(0, io.SEEK_END) or None
            raw.seek(0)
            head = raw.read(4)
            raw.seek(0)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        stream, packed = raw, ""
        if head.startswith(_GZIP):
            opened = stack.enter_context(gzip.open(raw))
            stream, packed = cast(BinaryIO, opened), "gzip"
        elif head == _ZIP:
            stream, packed = _open_zip(raw, path, stack)
        yield FileBytes(stream, packed, raw, size)


def detect_format(
    content: FileBytes, source: str, options: FileOptions, names: Sequence[str] = ()
) -> FileFormat:
    """Detect how to read a file; its stream is at its beginning again afterwards.

    Args:
        content: the file.
        source: its name in errors.
        options: what is given, and so not detected.
        names: columns that a CSV file must have.

    Raises:
        DataError: it is no table, or its encoding or dialect cannot be told.

    """
    stream = content.stream
    try:
        head = stream.read(_BLOCK)
        stream.seek(0)
        kind = options.format or _binary_kind(head, source, content.packed)
        if kind in ("parquet", "excel"):
            return FileFormat(kind, content.packed)
        if options.encoding:
            encoding = given_encoding(options.encoding, stream)
        else:
            encoding = detect_encoding(stream, source)
        stream.seek(0)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{source} is not a whole gzip file: {error}; compress it again") from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{source} is not a whole zip file: {error}; pack it again") from error
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror or error}") from error
    block = head.decode(encoding.codec, errors="replace").removeprefix("\ufeff")
    _require_no_markup(block, source)
    kind = options.format or _text_kind(block)
    if kind != "csv":
        return FileFormat(kind, content.packed, encoding)
    dialect = detect_dialect(
        block, source, separator=options.separator, quote=options.quote, names=names
    )
    return FileFormat("csv", content.packed, encoding, dialect)


def _open_zip(raw: BinaryIO, path: Path, stack: ExitStack) -> tuple[BinaryIO, str]:
    """Open the only table of a zip file; an Excel file, which is a zip file too, stays as it is."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a whole zip file: {error}; pack it again") from error
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > _LARGEST_WORKBOOK:
            raise DataError(
                f"{path} would have {size:,} bytes unpacked, more than an Excel file of "
                f"{_LARGEST_WORKBOOK:,} that can be read; save its table as CSV"
            )
        raw.seek(0)
        return raw, ""
    tables = [name for name in names if not _is_hidden(name)]
    if len(tables) != 1:
        found = list_names(map(repr, tables)) if tables else "none"
        raise DataError(
            f"{path} must contain one table but has {len(tables)}: {found}; unpack it, and name one"
        )
    if archive.getinfo(tables[0]).flag_bits & 1:
        raise DataError(f"{path} is encrypted; unpack it")
    return cast(BinaryIO, stack.enter_context(archive.open(tables[0]))), tables[0]


def _is_hidden(name: str) -> bool:
    """Return whether a zip file's entry is a folder, or a file that systems add."""
    path = PurePosixPath(name)
    return name.endswith("/") or path.parts[0] == "__MACOSX" or path.name.startswith(".")


def _binary_kind(head: bytes, source: str, packed: str) -> Kind | None:
    """Return the kind of a file that is not text; None for text."""
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_ZIP):
        if packed:
            raise DataError(f"{source} contains another zip file or an Excel file; unpack it")
        if b"xl/" in head or b"[Content_Types].xml" in head:
            return "excel"
    for first, what in _NO_TABLES.items():
        if head.startswith(first):
            raise DataError(f"{source} is {what}")
    return None


def _require_no_markup(block: str, source: str) -> None:
    begin = block[:200].lstrip().lower()
    if begin.startswith(_MARKUP):
        raise DataError(
            f"{source} is an HTML page, perhaps one of an error or a log-in; download the table"
        )
    if begin.startswith("<?xml"):
        raise DataError(f"{source} is an XML document; export its table as CSV")


def _text_kind(block: str) -> Kind:
    """Return the kind of a text: JSON if its first object is, else CSV."""
    begin = block.lstrip()
    if begin.startswith("{"):
        return "json-lines" if _is_json(begin.partition("\n")[0]) else "csv"
    if begin.startswith("[") and begin[1:].lstrip().startswith(("{", "]")):
        return "json"
    return "csv"


def _is_json(line: str) -> Any:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
