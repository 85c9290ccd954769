import gzip
import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.sources import read_table
from ecomclf.data.tables import Table
from ecomclf.errors import DataError, DownloadError

PUBLIC_ROWS = {
    "Household": 19_313,
    "Books": 11_820,
    "Electronics": 10_621,
    "Clothing & Accessories": 8_671,
}


# Gzipped rows with one byte changed.
DAMAGED = bytearray(gzip.compress("".join(f"a,{n * n}\n" for n in range(500)).encode(), mtime=0))
DAMAGED[200] ^= 0xFF


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Return a function that writes content to a file and reads it."""

    def read(content: str | bytes | bytearray, name: str = "rows.csv", **keys: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(DataConfig(source=str(path), **keys))

    return read


@pytest.fixture
def refusal(read: Callable[..., Table]) -> Callable[..., str]:
    """Return a function that returns the one-line error for some content."""

    def refusal(content: str | bytes, name: str = "rows.csv", **keys: Any) -> str:
        with pytest.raises(DataError) as caught:
            read(content, name, **keys)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refusal


NAMES = {"label_column": "kind", "text_columns": ["title"]}


@pytest.mark.parametrize(
    ("content", "keys", "texts", "labels"),
    [
        ("a,x\nb,y\n", {"header": False}, ["x", "y"], ["a", "b"]),
        ("a,x\nb,y", {"header": False}, ["x", "y"], ["a", "b"]),
        ("kind,title\na,x\nb,y\n", {"header": True}, ["x", "y"], ["a", "b"]),
        ("kind,title\na,x\nb,y\n", NAMES, ["x", "y"], ["a", "b"]),
        ("title,price,kind\nx,9,a\ny,8,b\n", NAMES, ["x", "y"], ["a", "b"]),
        (" title , kind \nx,a\n", NAMES, ["x"], ["a"]),
        ("x,a\ny,b\n", {"text_columns": [0], "label_column": 1}, ["x", "y"], ["a", "b"]),
        ("kind,title\na,x\n", {"text_columns": ["title"], "label_column": 0}, ["x"], ["a"]),
        ("a,x\r\nb,y\r\n", {"header": False}, ["x", "y"], ["a", "b"]),
        ("\ufeffkind,title\na,x\n", NAMES, ["x"], ["a"]),
        ('\ufeff"kind","title"\r\n"a","x"\r\n', NAMES, ["x"], ["a"]),
        ('a,"x, y"\nb,"say ""hi"""\n', {"header": False}, ["x, y", 'say "hi"'], ["a", "b"]),
        ('a,"x\ny"\nb,z\n', {"header": False}, ["x\ny", "z"], ["a", "b"]),
        ("a, x \n b,y\n", {"header": False}, ["x", "y"], ["a", "b"]),
        ("NA,null\n1,007\n", {"header": False}, ["null", "007"], ["NA", "1"]),
        ("a,x\nb\n,\n", {"header": False}, ["x", "", ""], ["a", "b", ""]),
        ("a,x\n\nb,y\n", {"header": False}, ["x", "y"], ["a", "b"]),
    ],
)
def test_cells_of_a_csv_are_trimmed_text(
    read: Callable[..., Table],
    content: str,
    keys: dict[str, Any],
    texts: list[str],
    labels: list[str],
) -> None:
    """Numbers and "NA" stay text, short rows are padded with "", blank lines skipped."""
    table = read(content, **keys)
    assert (table.texts, table.labels) == (texts, labels)


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        (["title", "about"], ["Mug holds tea", "Pan", "for eggs", ""]),
        (["about", "title"], ["holds tea Mug", "Pan", "for eggs", ""]),
        ([1, 2], ["Mug holds tea", "Pan", "for eggs", ""]),
    ],
)
def test_text_columns_are_joined_in_the_order_given(
    read: Callable[..., Table], columns: list[str | int], texts: list[str]
) -> None:
    """Texts are joined by one space; missing ones leave no space."""
    content = "kind,title,about\na,Mug,holds tea\na,Pan,\nb,,for eggs\nb,,\n"
    table = read(content, text_columns=columns, label_column="kind")
    assert table.texts == texts


def test_a_gzipped_csv_has_the_same_rows(read: Callable[..., Table]) -> None:
    """A file whose name ends in .gz is decompressed."""
    content = b"a,x\nb,y\n"
    gzipped = read(gzip.compress(content), "rows.csv.gz", header=False)
    plain = read(content, header=False)
    assert (
        (gzipped.texts, gzipped.labels) == (plain.texts, plain.labels) == (["x", "y"], ["a", "b"])
    )


@pytest.mark.parametrize(
    ("content", "header"),
    [
        # The first label recurs, so it is a label.
        ("a,t\na,u\na,v\nb,w\nb,x\nb,y\nb,z\n", None),
        # The first label occurs once, the others recur: it is a column name.
        ("kind,title\na,u\na,v\na,w\nb,x\nb,y\nb,z\n", ("kind", "title")),
        # Every label occurs once: the first is not special.
        ("a,x\nb,y\nc,z\n", None),
    ],
)
def test_a_header_is_detected(
    read: Callable[..., Table], content: str, header: tuple[str, ...] | None
) -> None:
    """With columns by position, the first row is a header if only its label occurs once."""
    table = read(content)
    assert table.header == header
    assert len(table.texts) == content.count("\n") - (header is not None)


@pytest.mark.parametrize("header", [True, False])
def test_the_config_overrides_header_detection(read: Callable[..., Table], header: bool) -> None:
    """With `header` true or false the labels are not looked at."""
    table = read("a,x\na,y\na,z\n", header=header)
    assert table.header == (("a", "x") if header else None)
    assert table.texts == (["y", "z"] if header else ["x", "y", "z"])


def test_the_checksum_is_of_the_file(read: Callable[..., Table]) -> None:
    """It is what `sha256sum` prints for the file."""
    assert read("a,x\n").sha256 == hashlib.sha256(b"a,x\n").hexdigest()


def test_sample_columns_can_be_given_by_name_or_position() -> None:
    """The built-in sample is read like a file with a header."""
    by_name = read_table(
        DataConfig(
            source="sample",
            sample_rows=100,
            text_columns=("title", "description"),
            label_column="category",
        )
    )
    by_position = read_table(
        DataConfig(source="sample", sample_rows=100, text_columns=(0, 1), label_column=2)
    )
    assert len(by_name.texts) == 100
    assert by_name == by_position


@pytest.mark.parametrize("source", ["sample", "file"])
def test_default_columns_depend_on_the_source(read: Callable[..., Table], source: str) -> None:
    """The sample has its own; in a file the first column is the label, the second the text."""
    if source == "file":
        assert read("a,x,9\na,y,8\n") == read("a,x,9\na,y,8\n", text_columns=[1], label_column=0)
    else:
        named = {"text_columns": ("title", "description"), "label_column": "category"}
        plain = DataConfig(source="sample", sample_rows=100)
        assert read_table(plain) == read_table(
            DataConfig(source="sample", sample_rows=100, **named)
        )


def test_a_row_with_too_many_cells_is_an_error(refusal: Callable[..., str]) -> None:
    """An unquoted comma in a text is reported with its line; columns are not shifted."""
    assert "line 3" in refusal("a,x\nb,y\nc,z, w\nd,v\n", header=False)


def test_line_numbers_are_those_of_the_file(refusal: Callable[..., str]) -> None:
    """Newlines in quoted cells count as lines."""
    content = 'a,"x\ny"\nb,"z\nw"\nc,d,e\n'
    assert "line 5: 3 cells, but 2 in the first row" in refusal(content, header=False)


def test_an_unclosed_quote_is_an_error(refusal: Callable[..., str]) -> None:
    """The rest of the file does not become one text."""
    assert "line 2: a quote is opened and never closed" in refusal('a,x\nb,"y\nc,z\n', header=False)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            'a,x\nb,"one inch\nc,good\nd,"fine"\ne,z\n',
            "line 2: a closing quote is not followed by a comma",
        ),
        ('a,x\nb,"5" pipe,"6\nc,y"\n', "line 2: a closing quote is not followed by a comma"),
        ("a,x\nb,y\rz\nc,w\n", "line 2: a carriage return in an unquoted cell"),
    ],
)
def test_stray_quotes_never_swallow_rows_silently(
    refusal: Callable[..., str], name: str, content: str, said: str
) -> None:
    """Two rows that would become one, or one that would become two, are an error."""
    raw = gzip.compress(content.encode()) if name.endswith(".gz") else content
    assert said in refusal(raw, name, header=False)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('a,"5" pipe\nb,6" pipe\n', ["5 pipe", '6" pipe']),
        ('a,"x, "y" z"\nb,"5"6\n', ['x, y" z"', "56"]),
        ("a,x\r\n \t\r\n\r\nb,y\r\n", ["x", "y"]),
        ('a,"x\n\n""y"" z"\nb,w\n', ['x\n\n"y" z', "w"]),
    ],
)
def test_harmless_quotes_and_blank_lines_are_accepted(
    read: Callable[..., Table], content: str, texts: list[str]
) -> None:
    """Inch marks, stray quotes in one line, blank lines and multi-line texts lose no row."""
    assert read(content, header=False).texts == texts


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,größer\nb,".encode() + b"caf\xe9\n", ("not UTF-8", "0xe9", "line 2", "encoding")),
        (b"a,x\nb,y\nc,\0\n", ("NUL byte", "line 3", "remove")),
        (b"\xff\xfea\0,\0x\0\n\0b", ("not UTF-16", "encoding")),
    ],
)
def test_bytes_that_are_not_text_are_an_error(
    refusal: Callable[..., str], name: str, content: bytes, said: tuple[str, ...]
) -> None:
    """The message names the first such line and the remedy."""
    raw = gzip.compress(content) if name.endswith(".gz") else content
    message = refusal(raw, name, header=False)
    assert all(words in message for words in said)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_an_error(refusal: Callable[..., str], content: str) -> None:
    """The message says that the file is empty, not that a column is missing."""
    assert "empty" in refusal(content)


def test_a_file_with_only_a_header_has_no_rows(read: Callable[..., Table]) -> None:
    """The header is not counted as a row."""
    table = read("kind,title\n", **NAMES)
    assert (table.texts, table.header) == ([], ("kind", "title"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"a,x\nb,y\n" * 50, mtime=0)[:-12], "ended before"),
        (DAMAGED, "decompressing"),
    ],
)
def test_a_broken_gzip_file_is_an_error(
    refusal: Callable[..., str], content: bytes, said: str
) -> None:
    """A gzip file that is truncated or damaged is rejected as a whole."""
    message = refusal(content, "rows.csv.gz")
    assert "gzip" in message
    assert said in message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The message names the path and the other possible sources."""
    path = tmp_path / "none.csv"
    with pytest.raises(DataError, match="no file") as caught:
        read_table(DataConfig(source=str(path)))
    assert str(path) in str(caught.value)
    assert "sample, ecommerce" in str(caught.value)


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    """The message does not call it a missing file."""
    with pytest.raises(DataError, match="is a folder"):
        read_table(DataConfig(source=str(tmp_path)))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"label_column": "sort", "text_columns": ["title"]}, ("'sort'", "'kind', 'title'")),
        ({"label_column": "kind", "text_columns": ["name"]}, ("'name'", "'kind', 'title'")),
        ({"label_column": 0, "text_columns": [2]}, ("position 2", "it has 2")),
        ({"label_column": -1, "text_columns": [1]}, ("position -1", "it has 2")),
        ({"label_column": "kind", "text_columns": [0]}, ("'kind'", "both text and label")),
        ({"label_column": 0, "text_columns": [0, 1]}, ("both text and label",)),
        ({"label_column": "kind", "text_columns": [1], "header": False}, ("'kind'", "by name")),
    ],
)
def test_impossible_columns_are_an_error(
    refusal: Callable[..., str], keys: dict[str, Any], said: tuple[str, ...]
) -> None:
    """The message names the requested column and the columns of the file."""
    message = refusal("kind,title\na,x\nb,y\n", **keys)
    assert all(words in message for words in said)


def test_a_duplicate_column_name_is_an_error(refusal: Callable[..., str]) -> None:
    """The loader does not pick one of two columns with the requested name."""
    assert "more than one column 'title'" in refusal("kind,title,title\na,x,y\n", **NAMES)


def test_a_byte_order_mark_on_a_blank_line_is_skipped(read: Callable[..., Table]) -> None:
    """The file begins with the first row below it."""
    assert read("\ufeff \r\na,x\nb,y\n", header=False).texts == ["x", "y"]


FRAME = pd.DataFrame(
    {
        "kind": ["a", "b", None, "a"],
        "title": ["Mug", None, " Pan ", float("nan")],
        "about": ["holds tea", pd.NA, "", "for eggs"],
        "price": [1.0, 2.5, float("nan"), 4.0],
    }
)


def test_a_data_frame_is_read_by_name_or_position() -> None:
    """Missing values are "", the source of the config is ignored, the frame stays unchanged."""
    before = FRAME.copy(deep=True)
    named = DataConfig(source="none.csv", text_columns=("title", "about"), label_column="kind")
    table = read_table(named, FRAME)
    assert table.texts == ["Mug holds tea", "", "Pan", "for eggs"]
    assert table.labels == ["a", "b", "", "a"]
    assert table.source == "DataFrame (4 rows)"
    assert table.header == ("kind", "title", "about", "price")
    assert table.text_columns == ("title", "about")
    assert table == read_table(DataConfig(text_columns=(1, 2), label_column=0), FRAME)
    pd.testing.assert_frame_equal(FRAME, before)


def test_default_columns_of_a_data_frame_are_those_of_a_file() -> None:
    """Column 0 is the label and column 1 the text, whatever the source of the config."""
    for source in ("sample", "ecommerce", "none.csv"):
        table = read_table(DataConfig(source=source, header=False), FRAME)
        assert (table.labels, table.text_columns) == (["a", "b", "", "a"], ("title",))


def test_other_cells_of_a_data_frame_are_their_str() -> None:
    """Numbers as pandas has them: 1.0 does not become 1."""
    floats = read_table(DataConfig(text_columns=("title",), label_column="price"), FRAME)
    assert floats.labels == ["1.0", "2.5", "", "4.0"]
    frame = pd.DataFrame(
        {0: [7, 8], "x": pd.Categorical(["p", "q"]), 2: [True, False]}, index=[5, 5]
    )
    assert read_table(DataConfig(), frame).labels == ["7", "8"]
    assert read_table(DataConfig(), frame).texts == ["p", "q"]
    assert read_table(DataConfig(text_columns=(2,)), frame).texts == ["True", "False"]


def test_the_checksum_of_a_data_frame_is_that_of_its_csv(read: Callable[..., Table]) -> None:
    """Written to a file without the index, it has the same table and checksum."""
    content = FRAME.to_csv(index=False)
    from_frame, from_file = read_table(DataConfig(), FRAME), read(content, header=True)
    assert from_frame.sha256 == from_file.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert (from_frame.texts, from_frame.labels) == (from_file.texts, from_file.labels)


@pytest.mark.parametrize(
    ("frame", "keys", "said"),
    [
        (FRAME, {"label_column": "sort"}, "DataFrame (4 rows) has no column 'sort'; it has 'kind'"),
        (FRAME, {"text_columns": [4]}, "no column at position 4; it has 4"),
        (FRAME, {"label_column": "title"}, "'title' is both text and label"),
        (FRAME[["kind"]], {}, "no column at position 1; it has 1, counted from 0"),
        (pd.DataFrame(), {}, "DataFrame (0 rows) is empty"),
        (FRAME.set_axis([*"xyyz"], axis=1), {"label_column": "y"}, "more than one column 'y'"),
        (pd.DataFrame({"kind": ["a"], "title": ["\ud83d"]}, dtype=object), {}, "surrogate"),
        ([("a", "x")], {}, "must be a pandas DataFrame but is a list"),
    ],
)
def test_an_unusable_data_frame_is_an_error(frame: Any, keys: dict[str, Any], said: str) -> None:
    """The messages are those for files, without advice on separators."""
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(**keys), frame)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert "commas" not in message


def test_duplicate_names_of_other_columns_do_not_matter() -> None:
    """Only the requested names must be unique; by position no name has to be."""
    frame = FRAME.set_axis([*"xyzz"], axis=1)
    assert read_table(DataConfig(text_columns=("y",), label_column="x"), frame).texts[0] == "Mug"
    assert read_table(DataConfig(text_columns=(2,)), frame).texts[0] == "holds tea"


def test_reading_a_file_loads_neither_download_libraries_nor_pandas(tmp_path: Path) -> None:
    """They are imported when something is downloaded, or a DataFrame or the sample is read."""
    path = tmp_path / "rows.csv"
    path.write_text("a,x\nb,y\n")
    program = f"""
import sys
from ecomclf.config.data_section import DataConfig
from ecomclf.data.sources import read_table
from ecomclf.data.tables import Table
assert read_table(DataConfig(source={str(path)!r})).texts == ["x", "y"]
print(*({{"pandas", "requests", "pooch"}} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


class FileServer:
    """An HTTP server for one content, cut off by `missing` bytes; counts the requests."""

    def __init__(self, content: bytes, status: int = 200, missing: int = 0) -> None:
        self.requests = 0
        counting = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counting.requests += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(content) + missing))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/file.csv?download=1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a temporary working directory; requests to this machine bypass proxies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def write_public_rows(rows: dict[str, int]) -> bytes:
    """Return a CSV with the given number of rows per class."""
    lines = (f'"{name}",text {at}\n' for name, count in rows.items() for at in range(count))
    return "".join(lines).encode()


def failed_download(url: str) -> str:
    """Return the one-line error of a failing download; check that it has the remedy."""
    with pytest.raises(DownloadError) as caught:
        read_table(DataConfig(source="ecommerce", url=url))
    message = str(caught.value)
    assert "\n" not in message
    assert url in message
    assert "--set data.source=PATH" in message
    return message


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_public_file_is_downloaded_once(folder: Path) -> None:
    """It is stored in data/ under its name; the second read makes no request."""
    with FileServer(write_public_rows(PUBLIC_ROWS)) as server:
        config = DataConfig(source="ecommerce", url=server.url)
        first = read_table(config)
        assert server.requests == 1
        second = read_table(config)
        assert server.requests == 1
    assert files_in(folder) == [folder / "data" / "ecommerceDataset.csv"]
    assert first == second
    assert len(first.texts) == 50_425
    assert first.header is None


@pytest.mark.parametrize(
    "content",
    [
        b"<html>\n<p>Please, log in, first</p>\n</html>\n",
        b"",
        b"\x00\xff",
        write_public_rows({"Household": 3, "Books": 2}),
        write_public_rows({**PUBLIC_ROWS, "Books": 11_819}),
    ],
    ids=["page", "empty", "bytes", "few rows", "a row short"],
)
def test_a_download_with_other_content_is_removed(folder: Path, content: bytes) -> None:
    """A file whose rows per class are not those of the public file is not kept."""
    with FileServer(content) as server:
        assert "not the public file" in failed_download(server.url)
    assert files_in(folder) == []


def test_a_file_of_the_user_is_never_removed(folder: Path) -> None:
    """Another file under the public file's name is an error, and stays."""
    path = folder / "data" / "ecommerceDataset.csv"
    path.parent.mkdir()
    path.write_text("a,my own\nb,work\n")
    with pytest.raises(DataError, match=r"is not the public file: .*; remove it"):
        read_table(DataConfig(source="ecommerce", url="http://127.0.0.1:1/"))
    assert path.read_text() == "a,my own\nb,work\n"


def test_a_404_response_is_an_error(folder: Path) -> None:
    """Its body is not taken for the file."""
    with FileServer(b"gone", status=404) as server:
        assert "404" in failed_download(server.url)
    assert files_in(folder) == []


def test_a_truncated_download_is_an_error(folder: Path) -> None:
    """No partial file is left behind."""
    with FileServer(write_public_rows(PUBLIC_ROWS), missing=7) as server:
        assert "cannot download" in failed_download(server.url)
    assert files_in(folder) == []


def test_an_unreachable_server_is_an_error(folder: Path) -> None:
    """Nothing is left behind, and the message explains the manual download."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert "cannot download" in failed_download(f"http://127.0.0.1:{port}/file.csv")
    assert files_in(folder) == []
