import csv
import gzip
import io
import json
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.sources import read_table
from ecomclf.data.tables import Table
from ecomclf.errors import DataError

ROWS = [
    ("label", "text"),
    ("good", "works very well – café £5, great"),
    ("bad", 'arrived broken; "useless"'),
    ("good", "größer als gedacht, it's fine"),
    ("bad", "Très déçu, cassé à l’arrivée"),
] * 1
NAMES: dict[str, Any] = {"label_column": "label", "text_columns": ["text"]}
COLUMNS = ([text for _, text in ROWS[1:]], [label for label, _ in ROWS[1:]])


def csv_text(rows: list[tuple[str, str]] = ROWS, **dialect: Any) -> str:
    """Write rows with Python's csv module."""
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Return a function that writes bytes to a file and reads its columns."""

    def read(content: bytes, name: str = "rows.csv", **keys: Any) -> Table:
        (tmp_path / name).write_bytes(content)
        return read_table(DataConfig(source=str(tmp_path / name), **(NAMES | keys)))

    return read


@pytest.fixture
def refusal(read: Callable[..., Table]) -> Callable[..., str]:
    """Return a function that returns the one-line error for some bytes."""

    def refusal(content: bytes, name: str = "rows.csv", **keys: Any) -> str:
        with pytest.raises(DataError) as caught:
            read(content, name, **keys)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refusal


def zipped(**files: str) -> bytes:
    """Return a zip file; `_` in a name stands for a dot, `__` for a slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return content.getvalue()


def parquet() -> bytes:
    """Return the rows as a Parquet file with a column of numbers before them."""
    content = io.BytesIO()
    frame = pd.DataFrame(ROWS[1:], columns=list(ROWS[0]))
    frame.insert(0, "id", range(len(frame)))
    frame.to_parquet(content)
    return content.getvalue()


def excel(sheets: int = 1) -> bytes:
    """Return the rows as an Excel file."""
    content = io.BytesIO()
    frame = pd.DataFrame(ROWS[1:], columns=list(ROWS[0]))
    with pd.ExcelWriter(content) as writer:
        for sheet in range(sheets):
            frame.to_excel(writer, sheet_name=f"Sheet {sheet}", index=False)
    return content.getvalue()


def json_lines() -> str:
    """Return the rows as JSON lines."""
    objects = [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in objects)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (csv_text().encode(), "CSV, UTF-8, separated by commas (detected)"),
        (csv_text().encode("utf-8-sig"), "UTF-8 (byte-order mark)"),
        (csv_text(delimiter="\t").encode("utf-16"), "UTF-16-LE (byte-order mark)"),
        (csv_text().encode("utf-16-be"), "UTF-16-BE (detected)"),
        (csv_text().encode("cp1252"), "cp1252 (detected)"),
        (csv_text(delimiter=";").encode(), "separated by semicolons (detected)"),
        (csv_text(delimiter="|").encode(), "separated by pipes (detected)"),
        (csv_text(delimiter="\t").encode(), "separated by tabs (detected)"),
        (b"sep=;\r\n" + csv_text(delimiter=";").encode(), "separated by semicolons"),
        (csv_text(lineterminator="\r").encode(), "CSV, UTF-8"),
        (
            csv_text(
                delimiter=";",
                quotechar="'",
                escapechar="\\",
                doublequote=False,
                quoting=csv.QUOTE_ALL,
            ).encode(),
            "quoted by ', escaped by \\ (detected)",
        ),
        (gzip.compress(csv_text().encode("cp1252")), "gzipped"),
        (zipped(reviews_csv=csv_text(), __MACOSX___reviews_csv="x"), "reviews.csv in a zip file"),
        (json_lines().encode(), "JSON lines, UTF-8"),
        (f"[{json_lines()}]".replace("\n", ",").encode(), "JSON, UTF-8"),
        (parquet(), "Parquet"),
        (excel(), "Excel"),
        (excel(2), "Excel, the first of 2 sheets, 'Sheet 0'"),
    ],
)
def test_files_are_read_as_downloaded(
    read: Callable[..., Table], content: bytes, said: str
) -> None:
    """Texts and labels are the same in every format, and the report says how they were read."""
    table = read(content)
    assert (table.texts, table.labels) == COLUMNS
    assert said in table.read_as


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_quotes_may_be_characters_as_any_other(read: Callable[..., Table], separator: str) -> None:
    """Files without quoting have quotes at the beginning of some cells, closed or not."""
    texts = [f'"great {n}' if n % 5 == 0 else f'6" pipe "x" {n}' for n in range(100)]
    lines = [f"{'ab'[n % 2]}{separator}{text}" for n, text in enumerate(texts)]
    table = read("\n".join([f"label{separator}text", *lines]).encode())
    assert table.texts == texts
    assert "not quoted (detected)" in table.read_as
    assert read(b'label,text\na,"x\n', quote="none").texts == ['"x']


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.xlsx", "rows.gz"])
def test_the_bytes_decide_and_not_the_ending(read: Callable[..., Table], name: str) -> None:
    """A file is read whatever it is called."""
    assert read(csv_text().encode(), name).texts == COLUMNS[0]
    assert read(parquet(), name).texts == COLUMNS[0]


@pytest.mark.parametrize(
    ("content", "keys", "said"),
    [
        (csv_text().encode("cp1252"), {"encoding": "cp1252"}, "cp1252 (given)"),
        (csv_text(delimiter=";").encode(), {"separator": ";"}, "separated by semicolons"),
        (csv_text(delimiter="\t").encode(), {"separator": "tab"}, "separated by tabs"),
        (csv_text(delimiter="^").encode(), {"separator": "^"}, "separated by '^'"),
        (csv_text(quotechar="'").encode(), {"quote": "'"}, "quoted by '"),
        (csv_text().encode(), {"format": "csv"}, "CSV"),
    ],
)
def test_what_is_given_is_not_detected(
    read: Callable[..., Table], content: bytes, keys: dict[str, Any], said: str
) -> None:
    """The report does not call it detected."""
    table = read(content, **keys)
    assert (table.texts, table.labels) == COLUMNS
    assert said in table.read_as
    assert f"{said} (detected)" not in table.read_as


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7 x", "is a PDF document; export"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Excel file (.xls); save it as .xlsx"),
        (b"\x89PNG\r\n", "is an image"),
        (b"<!DOCTYPE html>\n<html>", "is an HTML page"),
        (b"<?xml version='1.0'?><a/>", "is an XML document"),
        (b"SQLite format 3\0", "is an SQLite database"),
        (zipped(a_csv="a", b_csv="b"), "must contain one table but has 2: 'a.csv', 'b.csv'"),
        (zipped(folder__="", _hidden="x"), "must contain one table but has 0"),
        (b"PK\x03\x04 not a zip", "is not a whole zip file"),
        (b"PAR1 not parquet", "is not a whole Parquet file"),
        (parquet()[:-50], "is not a whole Parquet file"),
        (b'{"label": "a", "text": "x"}\n{"label": "b", "tex\n', "line 2: not valid JSON"),
        (b'{"label": "a", "text": "x"}\n[1]\n', "line 2: not a JSON object"),
        (b'{"label": "a"}\n', "has no column 'text'; it has 'label'"),
    ],
)
def test_what_is_no_table_is_named_as_what_it_is(
    refusal: Callable[..., str], content: bytes, said: str
) -> None:
    """The error says what the file is, in one line."""
    assert said in refusal(content)


def test_thin_evidence_is_asked_for(refusal: Callable[..., str]) -> None:
    """Two separators that fit equally well, and an encoding that two texts fit, are not guessed."""
    message = refusal(b"a,x;y\nb,z;w\n", label_column=0, text_columns=[1])
    assert "separated by commas or semicolons; name the separator with data.separator" in message
    japanese = "label,text\nA,一週間で壊れました\n".encode("cp932")
    assert "name it with data.encoding" in refusal(japanese)


def test_a_wrong_encoding_that_is_given_is_an_error(refusal: Callable[..., str]) -> None:
    """The line of the first byte that does not fit is named."""
    message = refusal(csv_text().encode("cp1252"), encoding="utf-8")
    assert "line 2 is not UTF-8; correct it, or name the file's encoding" in message


def test_excel_needs_its_extra(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without openpyxl the error names what to install."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert 'pip install "ecomclf[excel]"' in refusal(excel(), "rows.xlsx")


def test_json_values_become_text(read: Callable[..., Table]) -> None:
    """Numbers, lists and missing keys too; keys may come in any order."""
    lines = '{"text": 5, "label": "a"}\n\n{"label": true, "text": ["x", 1]}\n{"label": "c"}\n'
    table = read(lines.encode())
    assert table.texts == ["5", '["x", 1]', ""]
    assert table.labels == ["a", "true", "c"]


def test_typed_cells_are_as_a_person_sees_them(read: Callable[..., Table], tmp_path: Path) -> None:
    """Whole numbers have no decimals, and missing cells are empty."""
    frame = pd.DataFrame({"label": [5.0, 4.5, None], "text": ["x", "y", "z"]})
    frame.to_parquet(tmp_path / "typed.parquet")
    frame.to_excel(tmp_path / "typed.xlsx", index=False)
    for name in ("typed.parquet", "typed.xlsx"):
        content = (tmp_path / name).read_bytes()
        assert read(content, name).labels == ["5", "4.5", ""]


def test_empty_cells_beyond_the_header_are_ignored(
    read: Callable[..., Table], refusal: Callable[..., str]
) -> None:
    """Others are an error, since a cell would be lost."""
    assert read(b"label,text\na,x,\nb,y,,\n").texts == ["x", "y"]
    assert "3 cells, but 2 in the first row" in refusal(b"label,text\na,x,z\n")


def test_several_files_are_one_table(tmp_path: Path) -> None:
    """Paths and patterns are read in order, whatever the format of each."""
    (tmp_path / "a.csv").write_text("label,text\na,one\n", encoding="utf-8")
    (tmp_path / "b1.csv").write_text("text;label\ntwo;b\n", encoding="utf-8")
    pd.DataFrame({"text": ["three"], "label": ["c"]}).to_parquet(tmp_path / "b2.parquet")
    source = (str(tmp_path / "a.csv"), str(tmp_path / "b*"))
    table = read_table(DataConfig(source=source, **NAMES))
    assert (table.texts, table.labels) == (["one", "two", "three"], ["a", "b", "c"])
    assert table.source.startswith("3 files: ")
    (tmp_path / "b3.csv").write_text("text,kind\nx,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b3.csv has no column 'label'"):
        read_table(DataConfig(source=source, **NAMES))
    with pytest.raises(DataError, match="no file matches the pattern"):
        read_table(DataConfig(source=str(tmp_path / "c*"), **NAMES))


def zipped(content: bytes, repeat: int) -> bytes:
    """Pack a content that is repeated, in a zip file of little size."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("rows.csv", "w") as entry,
    ):
        for _ in range(repeat):
            entry.write(content)
    return packed.getvalue()


def test_a_file_that_unpacks_to_no_end_does_not_fill_the_memory(
    refusal: Callable[..., str],
) -> None:
    """200 MB in one line, from a file of 200 kB: the error comes after a part of it."""
    bomb = zipped(bytes(2**20).replace(b"\0", b"a"), 200)
    assert len(bomb) < 500_000
    tracemalloc.start()
    try:
        assert "longer than 16,777,216 characters" in refusal(bomb, encoding="utf-8")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150e6


def test_formats_that_are_read_as_a_whole_have_a_largest_size(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A JSON array and an Excel file; the message names a format without one."""
    monkeypatch.setattr("ecomclf.data.json_rows.LARGEST_ARRAY", 100)
    array = json.dumps([dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]).encode()
    assert "is longer than 100 characters, and a JSON array is read as a whole" in refusal(array)
    pd.DataFrame(ROWS[1:], columns=ROWS[0]).to_excel(tmp_path / "x.xlsx", index=False)
    monkeypatch.setattr("ecomclf.data.file_format._LARGEST_WORKBOOK", 100)
    content = (tmp_path / "x.xlsx").read_bytes()
    assert "more than an Excel file of 100 that can be read" in refusal(content, "x.xlsx")
