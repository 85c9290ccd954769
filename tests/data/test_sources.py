import gzip
import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from ecomclf.config.schema import DataConfig
from ecomclf.data.sources import Table, read_table
from ecomclf.errors import DataError, DownloadError

PUBLIC_ROWS = {
    "Household": 19_313,
    "Books": 11_820,
    "Electronics": 10_621,
    "Clothing & Accessories": 8_671,
}


# The packed bytes of rows that differ, one of them changed.
DAMAGED = bytearray(gzip.compress("".join(f"a,{n * n}\n" for n in range(500)).encode()))
DAMAGED[200] ^= 0xFF


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Give a function that reads some content as a file."""

    def read(content: str | bytes | bytearray, name: str = "rows.csv", **keys: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(DataConfig(source=str(path), **keys))

    return read


@pytest.fixture
def refusal(read: Callable[..., Table]) -> Callable[..., str]:
    """Give a function that returns the one line with which a content is refused."""

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
def test_a_csv_is_read_as_it_is(
    read: Callable[..., Table],
    content: str,
    keys: dict[str, Any],
    texts: list[str],
    labels: list[str],
) -> None:
    """Every cell is text, trimmed; what a short row lacks is empty."""
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
    """One space stands between two texts, none where one of them is missing."""
    content = "kind,title,about\na,Mug,holds tea\na,Pan,\nb,,for eggs\nb,,\n"
    table = read(content, text_columns=columns, label_column="kind")
    assert table.texts == texts


def test_a_gzipped_csv_gives_the_same_rows(read: Callable[..., Table]) -> None:
    """A name that ends in .gz is unpacked while reading."""
    content = b"a,x\nb,y\n"
    packed = read(gzip.compress(content), "rows.csv.gz", header=False)
    plain = read(content, header=False)
    assert (packed.texts, packed.labels) == (plain.texts, plain.labels) == (["x", "y"], ["a", "b"])


@pytest.mark.parametrize(
    ("content", "header"),
    [
        # The first label recurs: it is one.
        ("a,t\na,u\na,v\nb,w\nb,x\nb,y\nb,z\n", None),
        # The first label stands alone above labels that recur: a name.
        ("kind,title\na,u\na,v\na,w\nb,x\nb,y\nb,z\n", ("kind", "title")),
        # Every label stands alone: nothing tells the first from the others.
        ("a,x\nb,y\nc,z\n", None),
    ],
)
def test_a_header_is_told_from_a_row(
    read: Callable[..., Table], content: str, header: tuple[str, ...] | None
) -> None:
    """With columns by position, the first row is a header if its label is in no other row."""
    table = read(content)
    assert table.header == header
    assert len(table.texts) == content.count("\n") - (header is not None)


@pytest.mark.parametrize("header", [True, False])
def test_the_config_may_say_whether_there_is_a_header(
    read: Callable[..., Table], header: bool
) -> None:
    """Told yes or no, the loader does not look at the labels."""
    table = read("a,x\na,y\na,z\n", header=header)
    assert table.header == (("a", "x") if header else None)
    assert table.texts == (["y", "z"] if header else ["x", "y", "z"])


def test_the_checksum_is_of_the_file(read: Callable[..., Table]) -> None:
    """The sha256 is the one that `sha256sum` prints for the file."""
    assert read("a,x\n").sha256 == hashlib.sha256(b"a,x\n").hexdigest()


def test_the_sample_needs_no_file() -> None:
    """The embedded catalogue is read like a file with a header, by name or by position."""
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
def test_columns_that_are_not_given_are_those_of_the_source(
    read: Callable[..., Table], source: str
) -> None:
    """The sample has its own; of another file the first is the label, the second the text."""
    if source == "file":
        assert read("a,x,9\na,y,8\n") == read("a,x,9\na,y,8\n", text_columns=[1], label_column=0)
    else:
        named = {"text_columns": ("title", "description"), "label_column": "category"}
        plain = DataConfig(source="sample", sample_rows=100)
        assert read_table(plain) == read_table(
            DataConfig(source="sample", sample_rows=100, **named)
        )


def test_a_row_with_too_many_cells_is_named(refusal: Callable[..., str]) -> None:
    """A comma that was meant to be quoted is an error with its line, not a shifted column."""
    assert "line 3" in refusal("a,x\nb,y\nc,z, w\nd,v\n", header=False)


def test_a_broken_row_is_named_by_its_line_in_the_file(refusal: Callable[..., str]) -> None:
    """Newlines within quotes count as the lines that they are in an editor."""
    content = 'a,"x\ny"\nb,"z\nw"\nc,d,e\n'
    assert "line 5 has 3 cells, the first 2" in refusal(content, header=False)


def test_a_quote_that_is_never_closed_is_refused(refusal: Callable[..., str]) -> None:
    """The rest of the file is not taken for one text."""
    assert "not a regular CSV" in refusal('a,x\nb,"y\nc,z\n', header=False)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('a,x\nb,"one inch\nc,good\nd,"fine"\ne,z\n', "begins in line 2, a closing quote"),
        ("a,x\nb,y\rz\nc,w\n", "begins in line 2, a carriage return stands within a cell"),
    ],
)
def test_rows_that_a_stray_mark_swallows_are_not_lost_in_silence(
    refusal: Callable[..., str], name: str, content: str, said: str
) -> None:
    """Two rows would become one text, or one row two, and nothing would tell."""
    packed = gzip.compress(content.encode()) if name.endswith(".gz") else content
    assert said in refusal(packed, name, header=False)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('a,"5" pipe\nb,6" pipe\n', ["5 pipe", '6" pipe']),
        ("a,x\r\n \t\r\n\r\nb,y\r\n", ["x", "y"]),
        ('a,"x\n\n""y"" z"\nb,w\n', ['x\n\n"y" z', "w"]),
    ],
)
def test_marks_that_swallow_nothing_are_read_as_they_are(
    read: Callable[..., Table], content: str, texts: list[str]
) -> None:
    """Quotes for inches, blank lines, and texts of several lines are no damage."""
    assert read(content, header=False).texts == texts


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,x\nb,caf\xe9\n", ("not UTF-8", "0xe9", "line 2")),
        (b"a,x\nb,y\nc,\0\n", ("zero byte", "line 3")),
        ("a,x\nb,y\n".encode("utf-16"), ("not UTF-8", "line 1")),
    ],
)
def test_bytes_that_are_no_text_are_refused(
    refusal: Callable[..., str], name: str, content: bytes, said: tuple[str, ...]
) -> None:
    """The message names the line with the first of them."""
    packed = gzip.compress(content) if name.endswith(".gz") else content
    message = refusal(packed, name, header=False)
    assert all(words in message for words in said)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(refusal: Callable[..., str], content: str) -> None:
    """A file without any row is told apart from one with wrong columns."""
    assert "empty" in refusal(content)


def test_a_file_of_only_a_header_has_no_rows(read: Callable[..., Table]) -> None:
    """The header is not taken for a row."""
    table = read("kind,title\n", **NAMES)
    assert (table.texts, table.header) == ([], ("kind", "title"))


@pytest.mark.parametrize(
    ("content", "packed"),
    [
        (gzip.compress(b"a,x\nb,y\n" * 50)[:-12], "ended before"),
        (b"a,x\nb,y\n", "Not a gzipped file"),
        (DAMAGED, "decompressing"),
    ],
)
def test_a_broken_gzip_file_is_refused(
    refusal: Callable[..., str], content: bytes, packed: str
) -> None:
    """A file cut short, or never packed, is refused as a whole."""
    message = refusal(content, "rows.csv.gz")
    assert "gzip" in message
    assert packed in message


def test_other_archives_are_no_csv(refusal: Callable[..., str]) -> None:
    """A ZIP file is refused like any other file that holds no text."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rows.csv", "a,x\nb,y\n")
    assert "rows.zip" in refusal(packed.getvalue(), "rows.zip")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message names the path and what else the source may be."""
    path = tmp_path / "none.csv"
    with pytest.raises(DataError, match="no file") as caught:
        read_table(DataConfig(source=str(path)))
    assert str(path) in str(caught.value)
    assert "sample, ecommerce" in str(caught.value)


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    """A folder is told apart from a file that is missing."""
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
def test_columns_that_cannot_be_are_refused(
    refusal: Callable[..., str], keys: dict[str, Any], said: tuple[str, ...]
) -> None:
    """The message names the column asked for and the columns that are there."""
    message = refusal("kind,title\na,x\nb,y\n", **keys)
    assert all(words in message for words in said)


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ("kind;title\na;x\n", NAMES),
        ("kind\ttitle\na\tx\n", {"label_column": 0, "text_columns": [1]}),
        ("kind;title\na;x, y\n", NAMES),
        ("\nkind;title\na;x, y\n", NAMES),
    ],
)
def test_other_separators_are_refused_by_their_reason(
    refusal: Callable[..., str], content: str, keys: dict[str, Any]
) -> None:
    """A file whose lines have one cell says what parts cells."""
    assert "cells must be parted by commas" in refusal(content, **keys)


def test_a_name_that_two_columns_have_is_refused(refusal: Callable[..., str]) -> None:
    """The loader does not choose between two columns."""
    assert "more than one column 'title'" in refusal("kind,title,title\na,x,y\n", **NAMES)


class FileServer:
    """Serves one content at a port of its own, `missing` bytes short; counts the requests."""

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
    """Give the folder that is worked in, and let no proxy stand before this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def write_public_rows(rows: dict[str, int]) -> bytes:
    """Return a CSV with so many rows of each class."""
    lines = (f'"{name}",text {at}\n' for name, count in rows.items() for at in range(count))
    return "".join(lines).encode()


def failed_download(url: str) -> str:
    """Return the one line with which a download fails, checked to say what to do."""
    with pytest.raises(DownloadError) as caught:
        read_table(DataConfig(source="ecommerce", url=url))
    message = str(caught.value)
    assert "\n" not in message
    assert url in message
    assert "--set data.source=PATH" in message
    return message


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder and of those in it."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_public_file_is_downloaded_once(folder: Path) -> None:
    """It lands in data/ under its name, and the second reading asks no server."""
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
def test_anything_else_that_arrives_is_not_kept(folder: Path, content: bytes) -> None:
    """A file with other rows a class than the public one is refused and removed."""
    with FileServer(content) as server:
        assert "not the public file" in failed_download(server.url)
    assert files_in(folder) == []


def test_a_file_put_there_by_hand_is_never_removed(folder: Path) -> None:
    """Another file under the public one's name is refused, and stays."""
    path = folder / "data" / "ecommerceDataset.csv"
    path.parent.mkdir()
    path.write_text("a,my own\nb,work\n")
    with pytest.raises(DataError, match=r"is not the public file: .*; remove it"):
        read_table(DataConfig(source="ecommerce", url="http://127.0.0.1:1/"))
    assert path.read_text() == "a,my own\nb,work\n"


def test_a_server_that_has_no_such_file_is_an_error(folder: Path) -> None:
    """The page that comes with status 404 is not taken for the file."""
    with FileServer(b"gone", status=404) as server:
        assert "404" in failed_download(server.url)
    assert files_in(folder) == []


def test_a_download_cut_short_is_an_error(folder: Path) -> None:
    """A connection that ends before the file does leaves no part of it behind."""
    with FileServer(write_public_rows(PUBLIC_ROWS), missing=7) as server:
        assert "cannot download" in failed_download(server.url)
    assert files_in(folder) == []


def test_a_server_that_is_gone_is_an_error(folder: Path) -> None:
    """Without a connection nothing is left behind, and the message says what to do by hand."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert "cannot download" in failed_download(f"http://127.0.0.1:{port}/file.csv")
    assert files_in(folder) == []
