import csv
import gzip
import io
import os
import resource
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ecomclf.errors import DataError, JobError, RequestError
from ecomclf.serving.file_batch import Columns, Summary, check_request, classify_file

SHORT, LONG = "short, or none", 'a "long" one'
# The cells added to the row of a short text, and to that of a long one.
SHORT_CELLS, LONG_CELLS = [SHORT, "0.6250", "true"], [LONG, "0.8750", "false"]
ANSWERS = ["label", "confidence", "needs_review"]
PLAIN = "id,text\n1,mug\n2,a steel mug\n"
# Gzipped rows, intact and with one byte changed.
GZIPPED = gzip.compress(
    ("a,text\n" + "".join(f"a,{n * n}\n" for n in range(500))).encode(), mtime=0
)
DAMAGED = GZIPPED[:200] + bytes([GZIPPED[200] ^ 0xFF]) + GZIPPED[201:]


class ByLength:
    """Labels texts by their length; those under 5 letters need a review."""

    text_columns: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.chunks: list[int] = []

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        self.texts += texts
        self.chunks.append(len(texts))
        short = [len(text) < 5 for text in texts]
        return pd.DataFrame(
            {
                "label": [SHORT if each else LONG for each in short],
                "confidence": np.array([0.625 if each else 0.875 for each in short], np.float32),
                "needs_review": short,
            }
        )


class Forgetful(ByLength):
    """Does not keep the texts."""

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        self.texts, self.chunks = [], []
        return super().predict(texts)


class Overtaking(ByLength):
    """Finishes the second of two calls first."""

    def __init__(self) -> None:
        super().__init__()
        self._second_done = threading.Event()

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        answers = super().predict(texts)
        if len(self.chunks) == 1:
            assert self._second_done.wait(timeout=30)
        self._second_done.set()
        return answers


class Failing(ByLength):
    """Fails in the second chunk."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        if self.chunks:
            raise self._error
        return super().predict(texts)


class Place:
    """A folder with an input file and the results of classifying it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.classifier = ByLength()
        self.source = folder / "in.csv"
        self.target = folder / "out.csv"
        self.rejects = folder / "rejects.csv"
        self.printed = io.StringIO()
        self.console = Console(file=self.printed)

    def classify(
        self,
        content: str | bytes,
        *,
        rejects: bool = False,
        chunk_rows: int = 4096,
        threads: int = 1,
        **columns: Any,
    ) -> Summary:
        self.source.write_bytes(content.encode() if isinstance(content, str) else content)
        return classify_file(
            self.classifier,
            self.source,
            self.target,
            Columns(**columns),
            rejects=self.rejects if rejects else None,
            console=self.console,
            chunk_rows=chunk_rows,
            threads=threads,
        )

    def refusal(self, content: str | bytes, **options: Any) -> str:
        """Return the error message for an input, and check that no file is left behind."""
        with pytest.raises(DataError) as caught:
            self.classify(content, **options)
        assert "\n" not in str(caught.value)
        assert list(self.folder.iterdir()) == [self.source]
        return str(caught.value)

    def rows(self) -> list[list[str]]:
        """Return the rows of the output."""
        return read_rows(self.target.read_bytes())


def read_rows(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV."""
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty folder."""
    return Place(tmp_path)


def test_predictions_are_added_to_the_rows(place: Place) -> None:
    """Rows and cells are unchanged; label, confidence and needs_review follow."""
    summary = place.classify("id,text,n\n007,mug,NA\n2,a steel mug, 1\n3,,\n")
    assert place.rows() == [
        ["id", "text", "n", *ANSWERS],
        ["007", "mug", "NA", *SHORT_CELLS],
        ["2", "a steel mug", " 1", *LONG_CELLS],
        ["3", "", "", *SHORT_CELLS],
    ]
    assert (summary.rows, summary.rejected, summary.review) == (3, 0, 2)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,text\n1,"x\ny"\n2,z\n', [["1", "x\ny"], ["2", "z"]]),
        ('a,text\r\n1,"x\r\ny"\r\n2,z\r\n', [["1", "x\r\ny"], ["2", "z"]]),
        ('a,text\n1,"x\ry"\n', [["1", "x\ry"]]),
        ('text,a\n"x, y","say ""hi"""\n', [["x, y", 'say "hi"']]),
        ('text,a\n19" tube,z\n', [['19" tube', "z"]]),
        ('\ufeff"text",a\nx,y\n', [["x", "y"]]),
        ("a,text\n1,x\n2,y", [["1", "x"], ["2", "y"]]),
        ("a,text\n1,x\n\n2,y\n\n", [["1", "x"], ["2", "y"]]),
        ("\n\na,text\n1,x\n", [["1", "x"]]),
        ("text\nx\n\ny\n", [["x"], [""], ["y"]]),
        ("text,a\n,\n", [["", ""]]),
        ("text,a\n\u00fcber \U0001f600,\u2028\n", [["\u00fcber \U0001f600", "\u2028"]]),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_cells_are_kept(place: Place, content: str, rows: list[list[str]], gzipped: bool) -> None:
    """Quotes, newlines in cells, a BOM, CRLF and blank lines are read as in other CSV readers."""
    if gzipped:
        place.source = place.folder / "in.csv.gz"
    place.classify(gzip.compress(content.encode()) if gzipped else content)
    assert [row[:-3] for row in place.rows()[1:]] == rows
    assert {len(row) for row in place.rows()} == {len(rows[0]) + 3}
    assert place.rows()[0][-3:] == ANSWERS


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_in_the_input(place: Place, end: str) -> None:
    """All lines of the output, including the last, end like the first line of the input."""
    place.classify(f"a,text{end}1,x{end}2,y")
    lines = place.target.read_bytes().split(end.encode())
    assert len(lines) == 4
    assert lines[-1] == b""
    assert not any(line.endswith(b"\r") for line in lines)


def test_the_output_may_be_gzipped(place: Place) -> None:
    """A target whose name ends in .gz holds the same rows, gzipped."""
    place.classify(PLAIN)
    plain = place.target.read_bytes()
    place.target = place.folder / "out.csv.gz"
    place.classify(PLAIN)
    assert gzip.decompress(place.target.read_bytes()) == plain


def test_rows_keep_their_order_over_chunks(place: Place) -> None:
    """Each chunk but the last has `chunk_rows` rows."""
    texts = ["x" * (number * 7 % 25) for number in range(25)]
    place.classify("text,a\n" + "".join(f"{text},\n" for text in texts), chunk_rows=10)
    assert place.classifier.chunks == [10, 10, 5]
    assert place.classifier.texts == texts
    assert [row[0] for row in place.rows()[1:]] == texts
    assert [row[2] for row in place.rows()[1:]] == [
        LONG if len(text) >= 5 else SHORT for text in texts
    ]


def test_duplicates_within_a_chunk_are_classified_once(place: Place) -> None:
    """All rows with that text get the prediction."""
    place.classify("n,text\n1,mug\n2,a steel mug\n3, mug\n4,\n5,mug\n6,a steel mug\n")
    assert place.classifier.texts == ["mug", "a steel mug", ""]
    short = [place.rows()[row][2] == SHORT for row in range(1, 7)]
    assert short == [True, False, True, True, True, False]


def test_rows_keep_their_order_over_threads(place: Place) -> None:
    """A chunk that is finished early is written after the one before it."""
    place.classifier = Overtaking()
    place.classify("text\na\na long one\n", chunk_rows=1, threads=2)
    assert place.rows()[1:] == [["a", *SHORT_CELLS], ["a long one", *LONG_CELLS]]


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        (("title", "about"), ["Mug holds tea", "Pan", "for eggs", ""]),
        (("about", "title"), ["holds tea Mug", "Pan", "for eggs", ""]),
        (("about",), ["holds tea", "", "for eggs"]),
    ],
)
def test_text_columns_are_joined_in_the_order_given(
    place: Place, columns: tuple[str, ...], texts: list[str]
) -> None:
    """Cells are separated by one space; empty ones are skipped."""
    place.classify("title , n,about\nMug ,1, holds tea\nPan,2,\n,3,for eggs\n,4,\n", text=columns)
    assert place.classifier.texts == texts


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("title,text,about", "1 3"),
        ("title,text,other", "2"),
        ("x,text,y", "2"),
    ],
)
def test_text_columns_default_to_the_classifiers(place: Place, header: str, text: str) -> None:
    """If the file lacks one of them, the column `text` is used."""
    place.classifier.text_columns = ("title", "about")
    place.classify(f"{header}\n1,2,3\n")
    assert place.classifier.texts == [text]


def test_a_single_column_is_the_text(place: Place) -> None:
    """Its name does not matter, and it needs no header."""
    place.classify("product\nmug\n")
    place.classify("mug\npan\n", header=False)
    assert place.classifier.texts == ["mug", "mug", "pan"]


def test_without_a_header_columns_are_given_by_position(place: Place) -> None:
    """The first row is classified, no header is written, the classifier's columns are ignored."""
    place.classifier.text_columns = ("1",)
    assert "--text-column" in place.refusal(PLAIN, header=False)
    place.classify("1,mug\n2,a steel mug\n", header=False, text=("1",))
    assert place.rows() == [["1", "mug", *SHORT_CELLS], ["2", "a steel mug", *LONG_CELLS]]


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        ("id,title\n1,x\n", {}, ("'id', 'title'", "--text-column")),
        ("id,title\n1,x\n", {"text": ("name",)}, ("no column 'name'", "'id', 'title'")),
        ("id,title\n1,x\n", {"text": ("1",)}, ("no column '1'", "'id', 'title'")),
        ("t,t\n1,x\n", {"text": ("t",)}, ("more than one column 't'",)),
        ("1,x\n", {"header": False}, ("'0', '1'", "--text-column")),
        ("1,x\n", {"header": False, "text": ("2",)}, ("'2'", "'0', '1'", "no header")),
        ("text,label\nx,y\n", {}, ("'label'", "--prefix")),
        ("text,my_label\nx,y\n", {"prefix": "my_"}, ("'my_label'", "--prefix")),
    ],
)
def test_unusable_columns_are_refused(
    place: Place, content: str, columns: dict[str, Any], said: tuple[str, ...]
) -> None:
    """The message names the requested column, the existing ones and the remedy."""
    message = place.refusal(content, **columns)
    assert all(words in message for words in said)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_files_own_separator_is_kept(place: Place, separator: str) -> None:
    """Rows keep their text, and added cells are separated as the others."""
    content = f"id{separator}text\n1{separator}mug, red\n2{separator}'hat'\n"
    place.classify(content)
    assert place.classifier.texts == ["mug, red", "'hat'"]
    lines = place.target.read_text().splitlines()
    assert [separator.join(line.split(separator)[:2]) for line in lines] == content.splitlines()
    assert lines[0].endswith(separator.join(("", *ANSWERS)))


def test_a_prefix_renames_the_added_columns(place: Place) -> None:
    """An existing column `label` is kept."""
    place.classify("text,label\nmug,cups\n", prefix="my, ")
    assert place.rows() == [
        ["text", "label", "my, label", "my, confidence", "my, needs_review"],
        ["mug", "cups", *SHORT_CELLS],
    ]


MALFORMED = [
    (b"3\n", "1 cells, but 2"),
    (b"3,x,y\n", "3 cells, but 2"),
    (b'3,"x\ny",z\n', "3 cells, but 2"),
    ("3,größer ".encode() + b"caf\xe9\n", "0xe9"),
    ('3,"größer\n'.encode() + b'caf\xe9"\n', "0xe9 in line 6"),
    (b"3,\0\n", "NUL byte"),
    (b'3,"x"y\n', "closing quote"),
    (b"3,x\ry\n", "a carriage return in an unquoted cell"),
]


@pytest.mark.parametrize(("row", "said"), MALFORMED)
def test_a_malformed_row_is_an_error(place: Place, row: bytes, said: str) -> None:
    """The message names the first line of the row, the fault and the remedy."""
    message = place.refusal(b'id,text\n1,"x\ny"\n2,z\n' + row + b"4,x\n")
    assert "in.csv, line 5: " in message
    assert said in message
    assert "--rejects" in message


@pytest.mark.parametrize(("row", "said"), MALFORMED)
def test_a_malformed_row_is_rejected(place: Place, row: bytes, said: str) -> None:
    """With a file of rejects its bytes are written there, and the other rows are classified."""
    good = b'id,text\r\n1,"x\ny"\r\n2,z\r\n'
    summary = place.classify(good + row + b"4,x\r\n", rejects=True)
    assert [row[0] for row in place.rows()[1:]] == ["1", "2", "4"]
    assert place.rejects.read_bytes() == row
    assert (summary.rows, summary.rejected) == (3, 1)


def test_an_unclosed_quote_is_an_error(place: Place) -> None:
    """The message names the line of the quote, not the end of the file."""
    message = place.refusal('id,text\n1,x\n2,"y\n' + "3,z\n" * 5)
    assert "line 3: a quote is opened and never closed" in message


def test_rows_after_an_unclosed_quote_are_rejected(place: Place) -> None:
    """The rows before it are classified; all lines after it count as one malformed row."""
    rest = b'2,"y\n' + b"3,z\n" * 5
    summary = place.classify(b"id,text\n1,x\n" + rest, rejects=True)
    assert place.rows()[1:] == [["1", "x", *SHORT_CELLS]]
    assert place.rejects.read_bytes() == rest
    assert summary.rejected == 1
    assert "rejects.csv: 1 (lines: 6)" in place.printed.getvalue()


def test_an_unclosed_quote_does_not_use_up_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row above the size limit is malformed, and reading continues after it."""
    monkeypatch.setattr("ecomclf.data.csv_rows.LARGEST_ROW", 1000)
    content = 'id,text\n1,"y\n' + "2,z\n" * 1000
    assert "line 2: a quote is opened and never closed" in place.refusal(content)
    summary = place.classify(content, rejects=True)
    assert len(place.rejects.read_bytes()) < 1000 + len("2,z\n")
    assert summary.rows == len(place.rows()) - 1 > 700


def test_an_overlong_line_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are not read as rows, even with a file of rejects."""
    monkeypatch.setattr("ecomclf.data.csv_rows.LARGEST_ROW", 1000)
    assert "line 2 is longer than 1,000" in place.refusal("text\n" + "x" * 2500, rejects=True)


def test_all_rows_may_be_malformed(place: Place) -> None:
    """They are all in the file of rejects, and the output has only a header."""
    summary = place.classify("id,text\n1\n2\n", rejects=True)
    assert (summary.rows, summary.rejected) == (0, 2)
    assert place.rows() == [["id", "text", *ANSWERS]]


def test_without_malformed_rows_the_file_of_rejects_is_empty(place: Place) -> None:
    """The empty file replaces that of an earlier job."""
    place.rejects.write_text("old")
    place.classify(PLAIN, rejects=True)
    assert place.rejects.read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"id,text\n", "no rows"),
        (b"id,text", "no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is an image"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"<html><body>", "is an HTML page"),
        (bytes(range(256)) * 100, "is a binary file"),
    ],
)
@pytest.mark.parametrize("rejects", [False, True])
def test_files_without_csv_rows_are_refused(
    place: Place, content: bytes, said: str, rejects: bool
) -> None:
    """The message is one line, and no output is written."""
    assert said in place.refusal(content, rejects=rejects)


@pytest.mark.parametrize("content", [GZIPPED[:-20], DAMAGED], ids=["cut", "damaged"])
def test_a_gzip_file_must_be_complete(place: Place, content: bytes) -> None:
    """A gzipped file that is truncated or damaged is refused."""
    place.source = place.folder / "in.csv.gz"
    assert "not a whole gzip file" in place.refusal(content, rejects=True)


def test_long_texts_are_classified(place: Place) -> None:
    """A cell may have megabytes; the csv module's global limit is restored afterwards."""
    long = "steel mug, " * 250_000
    before = csv.field_size_limit(1000)
    try:
        place.classify(f'text,a\n"{long}",1\nmug,2\n')
    finally:
        after = csv.field_size_limit(before)
    assert after == 1000
    assert place.classifier.texts == [long.strip(), "mug"]
    assert f'\n"{long}",1,'.encode() in place.target.read_bytes()


def test_chunks_of_long_texts_have_fewer_rows(place: Place) -> None:
    """Chunks are limited in bytes too."""
    place.classify("text\n" + "".join("x" * (2**20 + row) + "\n" for row in range(20)))
    assert max(place.classifier.chunks) < 20
    assert sum(place.classifier.chunks) == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_no_partial_output_is_left(place: Place, error: BaseException) -> None:
    """After an error the output of an earlier job is unchanged, and there are no other files."""
    place.classify(PLAIN)
    before = place.target.read_bytes()
    place.classifier = Failing(error)
    with pytest.raises(type(error)):
        place.classify(PLAIN, rejects=True, chunk_rows=1)
    assert place.classifier.chunks == [1]
    assert sorted(place.folder.iterdir()) == [place.source, place.target]
    assert place.target.read_bytes() == before


def test_the_output_appears_when_it_is_complete(place: Place) -> None:
    """While rows are classified, neither the output nor the file of rejects exists."""
    seen: list[bool] = []

    class Looking(ByLength):
        def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
            seen.append(place.target.exists() or place.rejects.exists())
            return super().predict(texts)

    place.classifier = Looking()
    place.classify(PLAIN, rejects=True, chunk_rows=1)
    assert seen == [False, False]
    assert place.target.exists()
    assert place.rejects.exists()


def test_a_full_disk_is_a_job_error(place: Place) -> None:
    """The message quotes the system's, and no file is left."""
    content = "text\n" + "x\n" * 10_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content), before[1]))
    try:
        with pytest.raises(JobError, match=r"cannot write .*out\.csv: File too large"):
            place.classify(content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(place.folder.iterdir()) == [place.source]


def test_a_symbolic_link_as_output_is_followed(place: Place) -> None:
    """The link is kept, and the file that it points to is replaced."""
    (place.folder / "far").mkdir()
    place.target.symlink_to(place.folder / "far" / "out.csv")
    place.classify(PLAIN)
    assert place.target.is_symlink()
    assert len(read_rows((place.folder / "far" / "out.csv").read_bytes())) == 3


def test_one_line_reports_the_result(place: Place) -> None:
    """Without a terminal there is no progress bar."""
    place.classify(PLAIN + "3\n", rejects=True)
    (line,) = place.printed.getvalue().splitlines()
    assert all(
        words in line for words in ("out.csv: 2 rows", "to review: 1", "rejects.csv: 1 (lines: 1)")
    )


def test_a_terminal_shows_a_progress_bar(place: Place) -> None:
    """It shows rows per second and the time left; brackets in a file name are not markup."""
    place.console = Console(file=place.printed, force_terminal=True, width=200)
    place.target = place.folder / "[red]out.csv"
    place.classify(PLAIN, chunk_rows=1)
    assert "100%" in place.printed.getvalue()
    assert "rows/s), left" in place.printed.getvalue()
    assert "[red]out.csv: 2 rows" in place.printed.getvalue()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Five times the rows need at most a fifth more memory."""

    def measure(rows: int) -> int:
        source = tmp_path / "in.csv"
        source.write_text("text\n" + "steel mug\n" * rows)
        tracemalloc.start()
        try:
            classify_file(
                Forgetful(),
                source,
                tmp_path / "out.csv",
                Columns(),
                console=Console(file=io.StringIO()),
                chunk_rows=1000,
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert measure(150_000) <= 1.2 * measure(50_000)


class TestRequest:
    """Paths that are refused before anything is read."""

    @pytest.fixture(autouse=True)
    def in_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Change to a folder with an input file."""
        monkeypatch.chdir(tmp_path)
        Path("in.csv").write_text(PLAIN)

    @pytest.mark.parametrize("target", ["out.csv", "./out.csv.gz"])
    def test_a_valid_request_is_accepted(self, target: str) -> None:
        """No file is created."""
        check_request(Path("in.csv"), Path(target), Path("rejects.csv"), force=False)
        assert os.listdir() == ["in.csv"]

    @pytest.mark.parametrize(
        ("source", "said"), [("no.csv", "no file at no.csv"), (".", "is a folder")]
    )
    def test_the_input_must_be_a_file(self, source: str, said: str) -> None:
        """The messages for a missing file and for a folder differ."""
        with pytest.raises(DataError, match=said):
            check_request(Path(source), Path("out.csv"), None, force=True)

    @pytest.mark.parametrize("name", ["in.csv", "../{folder}/in.csv", "soft.csv", "hard.csv"])
    @pytest.mark.parametrize("role", ["output", "file of rejects"])
    def test_the_input_is_not_overwritten(self, name: str, role: str) -> None:
        """Another spelling of the path and links are noticed, also with `force`."""
        Path("soft.csv").symlink_to("in.csv")
        Path("hard.csv").hardlink_to("in.csv")
        path = Path(name.format(folder=Path.cwd().name))
        files = (path, None) if role == "output" else (Path("out.csv"), path)
        with pytest.raises(RequestError, match=f"the {role} .* is also the input"):
            check_request(Path("in.csv"), *files, force=True)

    def test_output_and_rejects_must_differ(self) -> None:
        """Two spellings of one path are noticed even if the file does not exist."""
        with pytest.raises(RequestError, match="is also the output"):
            check_request(Path("in.csv"), Path("out.csv"), Path("./out.csv"), force=True)

    @pytest.mark.parametrize("files", [("there.csv", None), ("out.csv", "there.csv")])
    def test_an_existing_file_is_kept(self, files: tuple[str, str | None]) -> None:
        """It is replaced only with `force`."""
        Path("there.csv").write_text("kept")
        target, rejects = Path(files[0]), Path(files[1]) if files[1] else None
        with pytest.raises(RequestError, match=r"there\.csv already exists; pass --force"):
            check_request(Path("in.csv"), target, rejects, force=False)
        check_request(Path("in.csv"), target, rejects, force=True)

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("no/out.csv", "no folder .*no; create it first"),
            ("in.csv/out.csv", "no folder .*in.csv; create it first"),
            (".", "is a folder or a device"),
            (os.devnull, "is a folder or a device"),
        ],
    )
    def test_an_unusable_output_path_is_refused(self, target: str, said: str) -> None:
        """The message says why."""
        with pytest.raises(RequestError, match=said):
            check_request(Path("in.csv"), Path(target), None, force=True)

    def test_the_output_folder_must_be_writable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is checked before a model is loaded."""
        monkeypatch.setattr("os.access", lambda path, mode: False)
        with pytest.raises(RequestError, match="you may not write to"):
            check_request(Path("in.csv"), Path("out.csv"), None, force=False)
