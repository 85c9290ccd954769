"""Properties of reading and classifying that hold for any table."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ecomclf.config.data_section import DataConfig
from ecomclf.data.file_format import FileOptions
from ecomclf.data.kept_rows import keep_rows
from ecomclf.data.label_cleanup import plan_labels
from ecomclf.data.sources import read_table
from ecomclf.data.table_file import open_table
from ecomclf.errors import DataError
from ecomclf.serving.answer_writers import ANSWERS
from ecomclf.serving.file_batch import Columns, classify_file

# Any characters but NUL and halves of emojis, which no CSV file in an encoding can hold.
CELLS = st.text(
    st.one_of(
        st.sampled_from(list(",;|\t\"'\\ ab9é\n\u0600\u200f日🙂\ufeff")),
        st.characters(blacklist_characters="\0\r", blacklist_categories=("Cs",)),
    ),
    max_size=12,
)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8)
DIALECTS = st.tuples(
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(['"', "'"]),
    st.sampled_from(["\n", "\r\n"]),
)
MARKED = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"])


# Every text that JSON can hold: NUL bytes, controls, right-to-left marks, halves of emojis.
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\0\ud83d\ude00\u200f")), max_size=12)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), ANY_TEXT)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {"text": ANY_TEXT}, optional={"more": st.lists(VALUES, max_size=3), "n": VALUES}
    ),
    min_size=1,
    max_size=6,
)


class Echo:
    """Answers with the length of the text."""

    text_columns = ("text",)

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        """Return an answer for each text."""
        answers = {
            "label": list(map(str, map(len, texts))),
            "confidence": 0.5,
            "needs_review": True,
        }
        return pd.DataFrame(answers, index=range(len(texts)))


# Few examples in the fast tests, many in the slow ones.
many = pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=pytest.mark.slow)])


def check(
    holds: Callable[..., None], *strategies: st.SearchStrategy[object], examples: int
) -> None:
    """Check that a property holds for so many examples."""
    settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )(given(*strategies)(holds))()


def written(rows: list[tuple[str, ...]], dialect: tuple[str, str, str]) -> str:
    """Write rows as CSV with all cells quoted, below a header."""
    separator, quote, line_end = dialect
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=separator,
        quotechar=quote,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL,
    )
    writer.writerows([("id", "label", "text"), *rows])
    return text.getvalue()


def read_what_was_written(
    rows: list[tuple[str, ...]], dialect: tuple[str, str, str], codec: str
) -> None:
    """With the dialect given, a file has the cells that were written to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(written(rows, dialect).encode(codec))
        options = FileOptions("csv", codec, dialect[0], dialect[1])
        with open_table(path, options) as table:
            found = [tuple(row.cells) for row in table.rows if not row.wrong]
        assert found == [("id", "label", "text"), *rows]


@many
def test_a_file_has_the_cells_that_were_written(examples: int) -> None:
    """With the dialect given, no cell is changed."""
    check(read_what_was_written, ROWS, DIALECTS, ENCODINGS, examples=examples)


def count_every_row(rows: list[tuple[str, ...]], dialect: tuple[str, str, str], codec: str) -> None:
    """Rows that were read are kept or dropped for a reason that is counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(written(rows, dialect).encode(codec))
        config = DataConfig(
            source=str(path),
            separator=dialect[0],
            quote=dialect[1],
            label_column="label",
            text_columns=("text",),
        )
        table = read_table(config)
        assert len(table.texts) == len(rows)
        try:
            kept = keep_rows(table, config, plan_labels(config, set(table.labels), "rows.csv"))
        except DataError:
            return  # nothing to learn from, which is said
        assert len(rows) == len(kept.texts) + sum(kept.dropped.values())


@many
def test_counts_add_up(examples: int) -> None:
    """No row is lost without being counted."""
    check(count_every_row, ROWS, DIALECTS, MARKED, examples=examples)


def keep_every_byte(rows: list[tuple[str, ...]], dialect: tuple[str, str, str], codec: str) -> None:
    """What `classify` writes begins, in each row, with the text of the input's row."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.csv", Path(folder) / "out.csv"
        source.write_bytes(written(rows, dialect).encode(codec))
        options = FileOptions("csv", None, dialect[0], dialect[1])
        columns = Columns(text=("text",), prefix="new ")
        quiet = Console(file=io.StringIO())
        classify_file(Echo(), source, target, columns, options=options, console=quiet)
        with open_table(source, options) as before, open_table(target, options) as after:
            assert before.preamble == after.preamble
            assert before.format.encoding == after.format.encoding
            for old, new in zip(before.rows, after.rows, strict=True):
                assert new.raw.startswith(old.raw.rstrip("\r\n"))
                assert list(new.cells[:-3]) == list(old.cells)


@many
def test_classify_keeps_every_byte(examples: int) -> None:
    """It only adds to a row."""
    check(keep_every_byte, ROWS, DIALECTS, MARKED, examples=examples)


def keep_every_object(objects: list[dict[str, object]]) -> None:
    """JSON lines keep their values, halves of emojis and NUL among them, and get three more."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        lines = [json.dumps(each) for each in objects]
        source.write_text("\n".join(lines), encoding="utf-8", newline="")
        columns = Columns(text=("text",), prefix="new ")
        classify_file(Echo(), source, target, columns, console=Console(file=io.StringIO()))
        written = target.read_text(encoding="utf-8")
        after = [json.loads(line) for line in written.split("\n")[:-1]]
        added = [{key: each.pop(f"new {key}") for key in ANSWERS} for each in after]
    assert [each["needs_review"] for each in added] == [True] * len(objects)
    assert after == [json.loads(line) for line in lines]


def refuse_in_one_line(content: bytes, name: str) -> None:
    """Any bytes are read as a table, or refused in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            read_table(DataConfig(source=str(path)))
        except DataError as error:
            message = str(error)
        else:
            message = ""
    assert "\n" not in message


@many
def test_json_lines_keep_every_object(examples: int) -> None:
    """It only adds keys."""
    check(keep_every_object, OBJECTS, examples=examples)


@many
def test_any_bytes_are_read_or_refused(examples: int) -> None:
    """There is no other outcome."""
    check(
        refuse_in_one_line,
        st.binary(max_size=300),
        st.sampled_from(["rows.csv", "rows.jsonl", "rows.xlsx"]),
        examples=examples,
    )
