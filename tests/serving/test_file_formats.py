import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from rich.console import Console

from ecomclf.data.file_format import DETECTED, FileOptions
from ecomclf.errors import DataError, RequestError
from ecomclf.serving.file_batch import Columns, Summary, check_request, classify_file

NAMES = ["id", "text", "price"]
ROWS = [
    [1, "café – £5, great", 5.5],
    [2, 'a "good" mug; über', 10.0],
    [3, "it's", None],
]


class Stars:
    """Answers with a class name that cp1252 lacks."""

    text_columns = ("text",)

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        """Return the same answer for each text, and remember the texts."""
        self.texts = list(texts)
        count = len(texts)
        return pd.DataFrame(
            {
                "label": ["Tassen, 杯子"] * count,
                "confidence": [0.75] * count,
                "needs_review": [False] * count,
            }
        )


class Place:
    """A folder to classify in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.classifier = Stars()
        self.printed = io.StringIO()

    def classify(
        self, content: bytes, name: str, target: str, options: FileOptions = DETECTED, **keys: Any
    ) -> Summary:
        """Write a file, classify it, and return the summary."""
        source = self.folder / name
        source.write_bytes(content)
        return classify_file(
            self.classifier,
            source,
            self.folder / target,
            Columns(**keys),
            options=options,
            console=Console(file=self.printed, width=500),
        )

    def output(self, target: str) -> bytes:
        """Return the bytes of the output."""
        return (self.folder / target).read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder of its own."""
    return Place(tmp_path)


def csv_text(**dialect: Any) -> str:
    """Return the rows as CSV."""
    text = io.StringIO()
    csv.writer(text, **dialect).writerows([NAMES, *ROWS])
    return text.getvalue()


def frame() -> pd.DataFrame:
    """Return the rows as a DataFrame."""
    return pd.DataFrame(ROWS, columns=NAMES)


def parquet() -> bytes:
    """Return the rows as a Parquet file."""
    content = io.BytesIO()
    frame().to_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("dialect", "codec"),
    [
        ({"delimiter": ";"}, "utf-8"),
        ({"delimiter": "\t"}, "utf-16"),
        ({"delimiter": "|", "lineterminator": "\n"}, "utf-8-sig"),
        ({"quotechar": "'", "escapechar": "\\", "doublequote": False}, "utf-16-be"),
        ({"lineterminator": "\r"}, "utf-8"),
    ],
)
def test_dialect_encoding_and_text_are_kept(
    place: Place, dialect: dict[str, Any], codec: str
) -> None:
    """Each line is that of the input and three more cells, in the file's own dialect."""
    content = csv_text(quoting=csv.QUOTE_ALL, **dialect)
    place.classify(content.encode(codec), "in.csv", "out.csv")
    end = dialect.get("lineterminator", "\r\n")
    before = content.split(end)
    after = place.output("out.csv").decode(codec).split(end)
    assert place.output("out.csv")[:3] == content.encode(codec)[:3]
    assert all(new.startswith(old) for old, new in zip(before, after, strict=True))
    arguments = {key: value for key, value in dialect.items() if key != "lineterminator"}
    rows = list(csv.reader(after[:-1], strict=True, **arguments))
    assert rows[1][-3:] == ["Tassen, 杯子", "0.7500", "false"]
    assert place.classifier.texts == [row[1] for row in ROWS]


def test_an_encoding_that_lacks_characters_becomes_utf8(place: Place) -> None:
    """The result line says so."""
    place.classify(csv_text().encode("cp1252"), "in.csv", "out.csv")
    rows = list(csv.reader(io.StringIO(place.output("out.csv").decode())))
    assert rows[1] == ["1", "café – £5, great", "5.5", "Tassen, 杯子", "0.7500", "false"]
    assert "read as cp1252 (detected), written as UTF-8" in place.printed.getvalue()


def test_json_lines_keep_their_text(place: Place) -> None:
    """Three keys are added at the end of each object."""
    lines = ['{"id":1, "text": "caf\\u00e9" }', '{ "text": "x", "more": {"a": [1]}}']
    place.classify("\n".join(lines).encode(), "in.jsonl", "out.jsonl")
    after = place.output("out.jsonl").decode().splitlines()
    added = ', "label": "Tassen, 杯子", "confidence": 0.75, "needs_review": false}'
    assert after == [line.removesuffix("}").rstrip() + added for line in lines]
    assert place.classifier.texts == ["café", "x"]


def test_parquet_keeps_its_types(place: Place) -> None:
    """The added columns have types too."""
    place.classify(parquet(), "in.parquet", "out.parquet")
    after = pd.read_parquet(place.folder / "out.parquet")
    pd.testing.assert_frame_equal(after[NAMES], frame())
    assert after["label"].tolist() == ["Tassen, 杯子"] * 3
    assert after["confidence"].dtype == "float32"
    assert after["needs_review"].dtype == bool


def test_a_json_array_stays_one(place: Place) -> None:
    """Its objects get three keys."""
    content = json.dumps([{"text": "a"}, {"text": "b"}]).encode()
    place.classify(content, "in.json", "out.json")
    answers = {"label": "Tassen, 杯子", "confidence": 0.75, "needs_review": False}
    assert json.loads(place.output("out.json")) == [{"text": each} | answers for each in "ab"]


@pytest.mark.parametrize("target", ["out.csv", "out.tsv", "out.jsonl", "out.parquet", "out.xlsx"])
@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.xlsx"])
def test_the_outputs_ending_is_its_format(place: Place, name: str, target: str) -> None:
    """Every format becomes every other one, with the same rows in it."""
    excel = io.BytesIO()
    frame().to_excel(excel, index=False)
    inputs = {
        "in.csv": csv_text().encode(),
        "in.jsonl": frame().to_json(orient="records", lines=True).encode(),
        "in.parquet": parquet(),
        "in.xlsx": excel.getvalue(),
    }
    place.classify(inputs[name], name, target)
    path = place.folder / target
    readers = {
        "out.csv": lambda: pd.read_csv(path),
        "out.tsv": lambda: pd.read_csv(path, sep="\t"),
        "out.jsonl": lambda: pd.read_json(path, lines=True),
        "out.parquet": lambda: pd.read_parquet(path),
        "out.xlsx": lambda: pd.read_excel(path),
    }
    after = readers[target]()
    assert after.columns.tolist() == [*NAMES, "label", "confidence", "needs_review"]
    assert after["text"].tolist() == [row[1] for row in ROWS]
    assert after["id"].astype(int).tolist() == [1, 2, 3]
    assert after["label"].tolist() == ["Tassen, 杯子"] * 3


def test_packed_files_and_given_formats(place: Place) -> None:
    """A gzipped output of a gzipped input; a separator that is given."""
    options = FileOptions(separator=";", encoding="cp1252")
    content = csv_text(delimiter=";").encode("cp1252")
    place.classify(gzip.compress(content), "in.csv.gz", "out.jsonl.gz", options)
    lines = gzip.decompress(place.output("out.jsonl.gz")).decode().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [row[1] for row in ROWS]


def test_a_malformed_json_line_is_an_error(place: Place) -> None:
    """It names the line."""
    with pytest.raises(DataError, match=r"in.jsonl, line 2: not valid JSON"):
        place.classify(b'{"text": "a"}\n{"text": \n', "in.jsonl", "out.jsonl")
    assert not (place.folder / "out.jsonl").exists()


def test_excel_output_needs_its_extra(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is refused before a model is loaded."""
    (place.folder / "in.csv").write_bytes(b"text\na\n")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(RequestError, match="needs openpyxl"):
        check_request(place.folder / "in.csv", place.folder / "o.xlsx", None, force=False)


def test_control_characters_do_not_stop_an_excel_output(place: Place) -> None:
    """They cannot be in a sheet, so they are left out there."""
    place.classify(b"id,text\n1,a\x01b\n", "in.csv", "out.xlsx")
    sheet = openpyxl.load_workbook(place.folder / "out.xlsx").worksheets[0]
    assert sheet["B2"].value == "ab"


@pytest.mark.parametrize(
    "texts",
    [
        ["red hat, warm", "blue shoes", "a phone case, black, small"],
        ["red hat, warm; new", "blue shoes", "one, two"],
        ["red hat, warm", "blue shoes, cold"],
        ["red hat", "blue shoes"],
    ],
)
def test_one_column_of_texts_is_read_whole(place: Place, texts: list[str]) -> None:
    """A header without any separator above prose: the commas and semicolons belong to the texts."""
    place.classify("\n".join(["text", *texts, ""]).encode(), "texts.csv", "out.csv")
    assert place.classifier.texts == texts
    table = pd.read_csv(io.BytesIO(place.output("out.csv")), sep=None, engine="python")
    assert list(table.columns) == ["text", "label", "confidence", "needs_review"]
    assert table["text"].tolist() == texts


def test_a_title_above_a_table_is_no_column(place: Place) -> None:
    """A first line of one cell above rows of three is a mistake, not a column of prose."""
    with pytest.raises(DataError, match=r"line 2: 3 cells, but 1 in the first row"):
        place.classify(b"Export 2024\nid,text,price\n1,hat,5\n2,mug,6\n", "a.csv", "b.csv")
