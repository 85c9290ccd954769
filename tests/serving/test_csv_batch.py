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
import pytest
from rich.console import Console

from ecomclf.errors import DataError, JobError, RequestError
from ecomclf.serving.csv_batch import Columns, Summary, check_request, classify_csv

SHORT, LONG = "short, or none", 'a "long" one'
# What is added to the row of a short text, and to that of a long one.
SHORT_CELLS, LONG_CELLS = [SHORT, "0.6250", "true"], [LONG, "0.8750", "false"]
ANSWERS = ["label", "confidence", "needs_review"]
PLAIN = "id,text\n1,mug\n2,a steel mug\n"
# The packed bytes of rows that differ, whole and with one of them changed.
PACKED = gzip.compress(("a,text\n" + "".join(f"a,{n * n}\n" for n in range(500))).encode())
DAMAGED = PACKED[:200] + bytes([PACKED[200] ^ 0xFF]) + PACKED[201:]


class ByLength:
    """Calls texts under 5 letters short, and is not so sure of it."""

    classes: tuple[str, ...] = (SHORT, LONG)
    threshold = 0.75
    text_columns: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.chunks: list[int] = []

    def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
        self.texts += texts
        self.chunks.append(len(texts))
        short = np.array([len(text) < 5 for text in texts])[:, np.newaxis]
        return np.where(short, [[0.625, 0.375]], [[0.125, 0.875]]).astype(np.float32)


class Forgetful(ByLength):
    """Keeps no texts."""

    def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
        self.texts, self.chunks = [], []
        return super().predict_proba(texts)


class Overtaking(ByLength):
    """Lets the second of two calls answer first."""

    def __init__(self) -> None:
        super().__init__()
        self._second_done = threading.Event()

    def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
        answers = super().predict_proba(texts)
        if len(self.chunks) == 1:
            assert self._second_done.wait(timeout=30)
        self._second_done.set()
        return answers


class Failing(ByLength):
    """Fails in the second chunk."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
        if self.chunks:
            raise self._error
        return super().predict_proba(texts)


class Place:
    """A folder with an input, and what classifying it gives."""

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
        return classify_csv(
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
        """Return the one line that refuses a content, checked to leave nothing behind."""
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
    """A folder of its own."""
    return Place(tmp_path)


def test_answers_are_added_to_the_rows(place: Place) -> None:
    """Rows, columns and values stay as they are; label, confidence and needs_review follow."""
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
@pytest.mark.parametrize("packed", [False, True])
def test_cells_are_kept(place: Place, content: str, rows: list[list[str]], packed: bool) -> None:
    """Quotes, newlines in cells, a BOM, CRLF and empty lines are read as CSV has them."""
    if packed:
        place.source = place.folder / "in.csv.gz"
    place.classify(gzip.compress(content.encode()) if packed else content)
    assert [row[:-3] for row in place.rows()[1:]] == rows
    assert {len(row) for row in place.rows()} == {len(rows[0]) + 3}
    assert place.rows()[0][-3:] == ANSWERS


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_in_the_input(place: Place, end: str) -> None:
    """Every line of the output ends as the input's first does, the last one too."""
    place.classify(f"a,text{end}1,x{end}2,y")
    lines = place.target.read_bytes().split(end.encode())
    assert len(lines) == 4
    assert lines[-1] == b""
    assert not any(line.endswith(b"\r") for line in lines)


def test_an_output_may_be_packed(place: Place) -> None:
    """A name that ends in .gz gets the same rows, packed."""
    place.classify(PLAIN)
    plain = place.target.read_bytes()
    place.target = place.folder / "out.csv.gz"
    place.classify(PLAIN)
    assert gzip.decompress(place.target.read_bytes()) == plain


def test_rows_keep_their_order_over_chunks(place: Place) -> None:
    """Each chunk but the last has as many rows as asked for."""
    texts = ["x" * (number * 7 % 25) for number in range(25)]
    place.classify("text,a\n" + "".join(f"{text},\n" for text in texts), chunk_rows=10)
    assert place.classifier.chunks == [10, 10, 5]
    assert place.classifier.texts == texts
    assert [row[0] for row in place.rows()[1:]] == texts
    assert [row[2] for row in place.rows()[1:]] == [
        LONG if len(text) >= 5 else SHORT for text in texts
    ]


def test_equal_texts_of_a_chunk_are_classified_once(place: Place) -> None:
    """Each of their rows has the answer, in its place."""
    place.classify("n,text\n1,mug\n2,a steel mug\n3, mug\n4,\n5,mug\n6,a steel mug\n")
    assert place.classifier.texts == ["mug", "a steel mug", ""]
    short = [place.rows()[row][2] == SHORT for row in range(1, 7)]
    assert short == [True, False, True, True, True, False]


def test_rows_keep_their_order_over_threads(place: Place) -> None:
    """A chunk that is done before the one in front of it waits for it."""
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
    """One space stands between two texts, none where one of them is missing."""
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
def test_columns_that_are_not_given_are_the_classifiers(
    place: Place, header: str, text: str
) -> None:
    """Without all of the columns it was trained on, `text` is taken."""
    place.classifier.text_columns = ("title", "about")
    place.classify(f"{header}\n1,2,3\n")
    assert place.classifier.texts == [text]


def test_an_only_column_is_the_text(place: Place) -> None:
    """Whatever its name is, there is nothing to choose, with a header or without."""
    place.classify("product\nmug\n")
    place.classify("mug\npan\n", header=False)
    assert place.classifier.texts == ["mug", "mug", "pan"]


def test_without_a_header_columns_go_by_position(place: Place) -> None:
    """The first row is classified too, no names are written, and the classifier's mean nothing."""
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
def test_columns_that_cannot_be_are_refused(
    place: Place, content: str, columns: dict[str, Any], said: tuple[str, ...]
) -> None:
    """The message names the column, those that are there and the remedy."""
    message = place.refusal(content, **columns)
    assert all(words in message for words in said)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_file_with_other_separators_is_not_one_column(place: Place, separator: str) -> None:
    """Whole lines are no texts, unless the column is asked for by its name."""
    header = f"id{separator}title"
    content = f"{header}\n1{separator}mug\n"
    assert "cells must be parted by commas" in place.refusal(content)
    place.classify(content, text=(header,))
    assert place.classifier.texts == [f"1{separator}mug"]


def test_a_prefix_makes_room_for_the_answers(place: Place) -> None:
    """With a prefix, a file that has a label already keeps it."""
    place.classify("text,label\nmug,cups\n", prefix="my, ")
    assert place.rows() == [
        ["text", "label", "my, label", "my, confidence", "my, needs_review"],
        ["mug", "cups", *SHORT_CELLS],
    ]


BROKEN = [
    (b"3\n", "1 cells, but 2"),
    (b"3,x,y\n", "3 cells, but 2"),
    (b'3,"x\ny",z\n', "3 cells, but 2"),
    (b"3,caf\xe9\n", "0xe9"),
    (b'3,"x\ncaf\xe9"\n', "0xe9 in line 6"),
    (b"3,\0\n", "zero byte"),
    (b'3,"x"y\n', "closing quote"),
    (b"3,x\ry\n", "a carriage return stands within a cell"),
]


@pytest.mark.parametrize(("row", "said"), BROKEN)
def test_a_broken_row_stops_the_job(place: Place, row: bytes, said: str) -> None:
    """The message names the line in which the row begins, what is wrong, and the remedy."""
    message = place.refusal(b'id,text\n1,"x\ny"\n2,z\n' + row + b"4,x\n")
    assert "in.csv, line 5: " in message
    assert said in message
    assert "--rejects" in message


@pytest.mark.parametrize(("row", "said"), BROKEN)
def test_a_broken_row_is_set_aside(place: Place, row: bytes, said: str) -> None:
    """With a file of rejects its bytes go there unchanged, and the job goes on."""
    good = b'id,text\r\n1,"x\ny"\r\n2,z\r\n'
    summary = place.classify(good + row + b"4,x\r\n", rejects=True)
    assert [row[0] for row in place.rows()[1:]] == ["1", "2", "4"]
    assert place.rejects.read_bytes() == row
    assert (summary.rows, summary.rejected) == (3, 1)


def test_a_quote_that_is_never_closed_stops_the_job(place: Place) -> None:
    """The line of the quote is named, not the end of the file."""
    message = place.refusal('id,text\n1,x\n2,"y\n' + "3,z\n" * 5)
    assert "line 3: a quote is opened and never closed" in message


def test_what_a_never_closed_quote_takes_is_set_aside(place: Place) -> None:
    """The rows before it are classified; nothing after it is guessed at."""
    rest = b'2,"y\n' + b"3,z\n" * 5
    summary = place.classify(b"id,text\n1,x\n" + rest, rejects=True)
    assert place.rows()[1:] == [["1", "x", *SHORT_CELLS]]
    assert place.rejects.read_bytes() == rest
    assert summary.rejected == 1
    assert "1 (6 lines)" in place.printed.getvalue()


def test_a_never_closed_quote_does_not_take_all_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row larger than the bound is broken, and reading goes on below it."""
    monkeypatch.setattr("ecomclf.data.csv_rows._LARGEST_ROW", 1000)
    content = 'id,text\n1,"y\n' + "2,z\n" * 1000
    assert "line 2: a quote is opened and never closed" in place.refusal(content)
    summary = place.classify(content, rejects=True)
    assert len(place.rejects.read_bytes()) < 1000 + len("2,z\n")
    assert summary.rows == len(place.rows()) - 1 > 700


def test_a_line_without_end_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are not taken for rows, even with a file of rejects."""
    monkeypatch.setattr("ecomclf.data.csv_rows._LARGEST_ROW", 1000)
    assert "line 2 is longer than 1,000" in place.refusal("text\n" + "x" * 2500, rejects=True)


def test_all_rows_may_be_broken(place: Place) -> None:
    """They are all in the file of rejects, and the output has its header."""
    summary = place.classify("id,text\n1\n2\n", rejects=True)
    assert (summary.rows, summary.rejected) == (0, 2)
    assert place.rows() == [["id", "text", *ANSWERS]]


def test_without_broken_rows_the_rejects_are_empty(place: Place) -> None:
    """The file says that there were none, in place of what an earlier job left there."""
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
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "line 1"),
        (bytes(range(256)) * 100, "line 1"),
        (PLAIN.encode("utf-16"), "line 1"),
        (gzip.compress(PLAIN.encode()), "line 1"),
    ],
)
@pytest.mark.parametrize("rejects", [False, True])
def test_what_is_no_csv_with_rows_is_refused(
    place: Place, content: bytes, said: str, rejects: bool
) -> None:
    """One line says so, and there is no output."""
    assert said in place.refusal(content, rejects=rejects)


@pytest.mark.parametrize(
    "content", [PLAIN.encode(), PACKED[:-20], DAMAGED], ids=["plain", "cut", "damaged"]
)
def test_a_packed_file_must_be_whole(place: Place, content: bytes) -> None:
    """A name that ends in .gz on something else, or a part of it, is refused."""
    place.source = place.folder / "in.csv.gz"
    assert "not a whole gzip file" in place.refusal(content, rejects=True)


def test_long_texts_are_texts(place: Place) -> None:
    """A cell of some megabytes is classified; csv's own limit stays as it was for others."""
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
    """What is held at a time is bounded in bytes too."""
    place.classify("text\n" + "".join("x" * (2**20 + row) + "\n" for row in range(20)))
    assert max(place.classifier.chunks) < 20
    assert sum(place.classifier.chunks) == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_nothing_half_written_is_left(place: Place, error: BaseException) -> None:
    """A job that ends early leaves the output of an earlier one, and no file of its own."""
    place.classify(PLAIN)
    before = place.target.read_bytes()
    place.classifier = Failing(error)
    with pytest.raises(type(error)):
        place.classify(PLAIN, rejects=True, chunk_rows=1)
    assert place.classifier.chunks == [1]
    assert sorted(place.folder.iterdir()) == [place.source, place.target]
    assert place.target.read_bytes() == before


def test_the_output_appears_when_it_is_complete(place: Place) -> None:
    """While rows are classified, neither the output nor the rejects have their names."""
    seen: list[bool] = []

    class Looking(ByLength):
        def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
            seen.append(place.target.exists() or place.rejects.exists())
            return super().predict_proba(texts)

    place.classifier = Looking()
    place.classify(PLAIN, rejects=True, chunk_rows=1)
    assert seen == [False, False]
    assert place.target.exists()
    assert place.rejects.exists()


def test_a_full_disk_is_an_error_of_the_job(place: Place) -> None:
    """What the system says stands in one line, and nothing is left."""
    content = "text\n" + "x\n" * 10_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content), before[1]))
    try:
        with pytest.raises(JobError, match=r"cannot write .*out\.csv: File too large"):
            place.classify(content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(place.folder.iterdir()) == [place.source]


def test_an_output_behind_a_link_is_written_there(place: Place) -> None:
    """A link stays a link; the file that it leads to is replaced."""
    (place.folder / "far").mkdir()
    place.target.symlink_to(place.folder / "far" / "out.csv")
    place.classify(PLAIN)
    assert place.target.is_symlink()
    assert len(read_rows((place.folder / "far" / "out.csv").read_bytes())) == 3


def test_one_line_says_what_was_done(place: Place) -> None:
    """Where there is no terminal, no bar is drawn."""
    place.classify(PLAIN + "3\n", rejects=True)
    (line,) = place.printed.getvalue().splitlines()
    assert all(words in line for words in ("out.csv: 2 rows", "to review: 1", "1 (1 lines)"))


def test_a_terminal_shows_a_bar(place: Place) -> None:
    """The rows a second and the time left are shown; brackets in a name are no markup."""
    place.console = Console(file=place.printed, force_terminal=True, width=200)
    place.target = place.folder / "[red]out.csv"
    place.classify(PLAIN, chunk_rows=1)
    assert "100%" in place.printed.getvalue()
    assert "a second), left" in place.printed.getvalue()
    assert "[red]out.csv: 2 rows" in place.printed.getvalue()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows take at most a fifth more memory."""

    def measure(rows: int) -> int:
        source = tmp_path / "in.csv"
        source.write_text("text\n" + "steel mug\n" * rows)
        tracemalloc.start()
        try:
            classify_csv(
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

    assert measure(100_000) <= 1.2 * measure(20_000)


class TestRequest:
    """What is refused before anything is read."""

    @pytest.fixture(autouse=True)
    def in_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in a folder with an input."""
        monkeypatch.chdir(tmp_path)
        Path("in.csv").write_text(PLAIN)

    @pytest.mark.parametrize("target", ["out.csv", "./out.csv.gz"])
    def test_a_request_that_can_be_done(self, target: str) -> None:
        """It is let through, and no file is made."""
        check_request(Path("in.csv"), Path(target), Path("rejects.csv"), force=False)
        assert os.listdir() == ["in.csv"]

    @pytest.mark.parametrize(
        ("source", "said"), [("no.csv", "no file at no.csv"), (".", "is a folder")]
    )
    def test_an_input_that_is_no_file(self, source: str, said: str) -> None:
        """A missing file is told apart from a folder."""
        with pytest.raises(DataError, match=said):
            check_request(Path(source), Path("out.csv"), None, force=True)

    @pytest.mark.parametrize("name", ["in.csv", "../{folder}/in.csv", "soft.csv", "hard.csv"])
    @pytest.mark.parametrize("role", ["output", "file of rejects"])
    def test_a_file_is_not_written_over_itself(self, name: str, role: str) -> None:
        """By another spelling or a link it is still the input, whatever is forced."""
        Path("soft.csv").symlink_to("in.csv")
        Path("hard.csv").hardlink_to("in.csv")
        path = Path(name.format(folder=Path.cwd().name))
        files = (path, None) if role == "output" else (Path("out.csv"), path)
        with pytest.raises(RequestError, match=f"the {role} .* is the input itself"):
            check_request(Path("in.csv"), *files, force=True)

    def test_output_and_rejects_differ(self) -> None:
        """Both cannot have one name, before either exists."""
        with pytest.raises(RequestError, match="is the output itself"):
            check_request(Path("in.csv"), Path("out.csv"), Path("./out.csv"), force=True)

    @pytest.mark.parametrize("files", [("there.csv", None), ("out.csv", "there.csv")])
    def test_a_file_that_is_there_is_kept(self, files: tuple[str, str | None]) -> None:
        """Only --force lets it be replaced."""
        Path("there.csv").write_text("kept")
        target, rejects = Path(files[0]), Path(files[1]) if files[1] else None
        with pytest.raises(RequestError, match=r"there\.csv is there already; pass --force"):
            check_request(Path("in.csv"), target, rejects, force=False)
        check_request(Path("in.csv"), target, rejects, force=True)

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("no/out.csv", "no folder .*no; make it first"),
            ("in.csv/out.csv", "no folder .*in.csv; make it first"),
            (".", "is a folder or a device"),
            (os.devnull, "is a folder or a device"),
        ],
    )
    def test_an_output_that_cannot_be_written(self, target: str, said: str) -> None:
        """The message says what is in the way."""
        with pytest.raises(RequestError, match=said):
            check_request(Path("in.csv"), Path(target), None, force=True)

    def test_a_folder_that_is_not_writable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is found before a model is loaded."""
        monkeypatch.setattr("os.access", lambda path, mode: False)
        with pytest.raises(RequestError, match="is not writable"):
            check_request(Path("in.csv"), Path("out.csv"), None, force=False)
