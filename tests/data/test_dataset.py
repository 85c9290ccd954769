import csv
import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.data_report import DataReport
from ecomclf.data.dataset import Dataset, load
from ecomclf.errors import DataError

Row = tuple[str, ...]

# Nine rows, of which two are kept: one of Shoes, one of Hats.
MIXED: list[Row] = [
    ("Shoes", "Red shoe"),
    ("Shoes", "RED SHOE!!"),
    ("Hats", "red, shoe"),
    ("Hats", "Blue hat"),
    ("Shoes", "blue - hat"),
    ("Hats", ""),
    ("", "Green hat"),
    ("Hats", "Green hat"),
    ("", " "),
]


def load_rows(folder: Path, rows: list[Row], **keys: Any) -> tuple[Dataset, DataReport]:
    """Write rows to a file, by default without a header, and load it."""
    path = write(folder / "rows.csv", rows)
    return load(DataConfig(source=path, **{"header": False, **keys}))


def load_with_test(
    folder: Path, rows: list[Row], test_rows: list[Row], **keys: Any
) -> tuple[Dataset, DataReport]:
    """Write rows and test rows to two files and load them."""
    return load_rows(folder, rows, test_source=write(folder / "test.csv", test_rows), **keys)


def write(path: Path, rows: list[Row]) -> str:
    """Write rows to a file and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return str(path)


def names(dataset: Dataset) -> list[tuple[str, str]]:
    """Return each text with the name of its class."""
    return [
        (text, dataset.classes[label])
        for text, label in zip(dataset.texts, dataset.labels, strict=True)
    ]


def test_every_row_is_kept_or_counted_as_dropped(tmp_path: Path) -> None:
    """Rows without text or label, duplicates and ties are dropped, each counted once."""
    dataset, report = load_rows(tmp_path, MIXED)
    assert names(dataset) == [("Red shoe", "Shoes"), ("Green hat", "Hats")]
    assert report.rows_read == 9
    assert report.rows_kept == 2
    assert report.dropped == {
        "without a text": 2,
        "without a label": 1,
        "duplicates": 2,
        "with tied labels": 2,
    }
    assert report.texts_with_two_labels == 2
    assert report.rows_a_class == {"Shoes": 1, "Hats": 1}


@pytest.mark.parametrize("seed", range(8))
def test_rows_read_is_the_sum_of_rows_kept_and_dropped(tmp_path: Path, seed: int) -> None:
    """In random tables no row is lost and none is counted twice."""
    chance = Random(seed)
    texts = ["", "a", "A!", "b", "b c", "B, c", "c", "d", "d.", "e f"]
    rows = [(chance.choice(["x", "y", "z", ""]), chance.choice(texts)) for _ in range(60)]
    rows += [("x", "only in x"), ("y", "only in y")]
    dataset, report = load_rows(tmp_path, rows)
    assert report.rows_read == 62
    assert report.rows_kept == len(dataset.texts) == len(dataset.labels) == len(dataset.groups)
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    assert sum(report.rows_a_class.values()) == report.rows_kept


@pytest.mark.parametrize(
    "duplicate", ["red shoe", "RED SHOE", "Red-shoe!", " red  shoe ", "Ｒed shoe", "red s hoe"]
)
def test_texts_are_deduplicated(tmp_path: Path, duplicate: str) -> None:
    """Case, punctuation, spaces and the Unicode form are ignored."""
    rows = [("Shoes", "Red shoe"), ("Hats", "Blue hat"), ("Shoes", duplicate)]
    dataset, report = load_rows(tmp_path, rows)
    assert dataset.texts == ("Red shoe", "Blue hat")
    assert report.dropped["duplicates"] == 1
    assert report.texts_with_two_labels == 0


@pytest.mark.parametrize(
    ("labels", "kept", "ties"),
    [
        (["a", "b", "b"], "b", 0),
        (["a", "a", "b"], "a", 0),
        (["c", "a", "b", "b"], "b", 0),
        (["a", "b"], None, 2),
        (["a", "a", "b", "b", "c"], None, 5),
        (["a", "b", "c"], None, 3),
    ],
)
def test_a_text_with_several_labels_takes_the_most_frequent(
    tmp_path: Path, labels: list[str], kept: str | None, ties: int
) -> None:
    """With a tie, all rows of the text are dropped and counted."""
    others = [("a", "one"), ("b", "two"), ("c", "three")]
    rows = [(label, "the text") for label in labels] + others
    dataset, report = load_rows(tmp_path, rows)
    assert dict(names(dataset)).get("the text") == kept
    assert len(dataset.texts) == 3 + (kept is not None)
    assert report.dropped["with tied labels"] == ties
    assert report.texts_with_two_labels == 1


def test_labels_are_indices_into_sorted_classes(tmp_path: Path) -> None:
    """Class names are those of the data; the rows keep their order."""
    dataset, _ = load_rows(tmp_path, [("b", "one"), ("C", "two"), ("a", "three"), ("b", "four")])
    assert dataset.classes == ("C", "a", "b")
    assert dataset.labels.tolist() == [2, 0, 1, 2]
    assert dataset.texts == ("one", "two", "three", "four")


def test_near_duplicates_share_a_group(tmp_path: Path) -> None:
    """A text and its continuation are in one group; the report counts the groups."""
    beginning = "one two three four five six seven eight"
    rows = [("a", beginning), ("b", "another text"), ("a", f"{beginning} nine")]
    dataset, report = load_rows(tmp_path, rows)
    assert dataset.groups.tolist() == [0, 1, 0]
    assert (report.groups, report.largest_group) == (2, 2)


def test_word_percentiles_are_those_of_the_kept_texts(tmp_path: Path) -> None:
    """Of texts with 1 to 5 words the median is 3 and the maximum 5, without duplicates."""
    texts = ["a", "a, b", "a b c", "a b c d", "a b c d e", "A B C D E"]
    rows = [("x" if at % 2 else "y", text) for at, text in enumerate(texts[:5])]
    rows.append(("y", texts[5]))
    _, report = load_rows(tmp_path, rows)
    assert report.rows_kept == 5
    assert report.word_percentiles["50 %"] == 3
    assert report.word_percentiles["25 %"] == 2
    assert report.word_percentiles["100 %"] == 5


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "one"), ("a", "two")], ("only one class", "'a'")),
        ([("a", "one"), ("", "two")], ("only one class", "'a'")),
        ([("a", ""), ("b", " ")], ("2 rows", "data.text_columns")),
        ([("", "one"), ("", "two")], ("2 rows", "data.label_column")),
        ([("a", "one"), ("b", "one")], ("one label as for another",)),
    ],
)
def test_data_without_two_classes_is_an_error(
    tmp_path: Path, rows: list[Row], said: tuple[str, ...]
) -> None:
    """The message says which it is: one class, no texts, no labels or only ties."""
    with pytest.raises(DataError) as caught:
        load_rows(tmp_path, rows)
    message = str(caught.value)
    assert all(words in message for words in said)
    assert "rows.csv" in message
    assert "\n" not in message


def test_a_file_with_only_a_header_is_an_error(tmp_path: Path) -> None:
    """A header is not a row."""
    with pytest.raises(DataError, match="no rows"):
        load_rows(tmp_path, [("kind", "title")], header=True)


TABLE: list[Row] = [("a", "one", "10"), ("b", "two", "20"), ("a", "three", "30")]


@pytest.mark.parametrize(
    ("rows", "is_same"),
    [
        (TABLE, True),
        ([("a", "one", "99"), *TABLE[1:]], True),
        ([*TABLE, ("a", "ONE", "40")], True),
        ([*TABLE, ("a", "", "40")], True),
        ([("b", "one", "10"), *TABLE[1:]], False),
        ([("a", "One", "10"), *TABLE[1:]], False),
        ([("a", "one more", "10"), *TABLE[1:]], False),
        ([TABLE[1], TABLE[0], TABLE[2]], False),
        ([*TABLE, ("a", "four", "40")], False),
    ],
)
def test_the_fingerprint_depends_on_kept_texts_and_labels(
    tmp_path: Path, rows: list[Row], is_same: bool
) -> None:
    """It changes with a kept text, a label or their order, not with anything else."""
    before, report = load_rows(tmp_path, TABLE)
    after, _ = load_rows(tmp_path, rows)
    assert (before.fingerprint == after.fingerprint) is is_same
    assert report.fingerprint == before.fingerprint


def test_the_fingerprint_separates_text_and_label(tmp_path: Path) -> None:
    """The same characters, divided differently, have another fingerprint."""
    one, _ = load_rows(tmp_path, [("a", "xb"), ("b", "y")])
    other, _ = load_rows(tmp_path, [("ax", "b"), ("b", "y")])
    assert one.fingerprint != other.fingerprint


def test_the_report_as_text_lists_the_counts(tmp_path: Path) -> None:
    """It has the file, the rows read, kept and dropped, and the rows per class."""
    _, report = load_rows(tmp_path, MIXED)
    lines = dict(line.split(maxsplit=1) for line in report.as_text().splitlines())
    text = report.as_text()
    assert lines["data"].endswith("rows.csv")
    assert lines["rows"].startswith("kept")
    assert "rows read    9" in text
    assert "2 in 2 near-duplicate groups, the largest 1" in text
    assert "2 without a text, 1 without a label, 2 duplicates, 2 with tied labels" in text
    assert "Shoes: 1" in text
    assert "Hats: 1" in text
    assert report.fingerprint in text
    assert report.sha256 in text


def test_the_report_as_text_omits_reasons_without_rows(tmp_path: Path) -> None:
    """If nothing was dropped, it says so."""
    _, report = load_rows(tmp_path, [("kind", "title"), ("a", "x"), ("b", "y")], header=True)
    assert "dropped      none" in report.as_text()
    assert "header       kind, title" in report.as_text()


def test_the_report_converts_to_json(tmp_path: Path) -> None:
    """The dictionary has only JSON types."""
    _, report = load_rows(tmp_path, MIXED)
    written = json.loads(json.dumps(report.to_dict()))
    assert written["rows_read"] == 9
    assert written["dropped"]["duplicates"] == 2


def test_the_fingerprint_is_stable_across_versions(tmp_path: Path) -> None:
    """Study names depend on it. Without a test file it is the hash of labels and texts."""
    dataset, _ = load_rows(tmp_path, TABLE)
    written = b"a\x1fone\x1eb\x1ftwo\x1ea\x1fthree\x1e"
    assert dataset.fingerprint == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize(("classes", "last"), [(20, "t019: 1"), (23, "and 3 more classes")])
def test_the_report_as_text_lists_at_most_20_classes(
    tmp_path: Path, classes: int, last: str
) -> None:
    """Of more, the largest are listed and the others counted; the report itself has all."""
    rows = [(f"t{number:03}", f"text {number}") for number in range(classes)]
    _, report = load_rows(tmp_path, [("t007", "one more"), *rows])
    lines = [line for line in report.as_text().splitlines() if line.startswith("class  ")]
    assert lines[0] == "class        t007: 2"
    assert lines[-1] == f"class        {last}"
    assert len(lines) == min(classes, 20) + (classes > 20)
    assert len(report.rows_a_class) == classes


def test_a_frame_has_the_fingerprint_of_its_csv_file(tmp_path: Path) -> None:
    """Read by pandas with its defaults, a file gives the same data set."""
    rows = [("kind", "title"), *((kind, text) for kind, text in MIXED if text != " ")]
    from_file, file_report = load_rows(tmp_path, rows, header=True)
    frame = pd.read_csv(tmp_path / "rows.csv")
    assert frame.isna().any(axis=None)
    from_frame, frame_report = load(DataConfig(), frame)
    assert from_frame.fingerprint == from_file.fingerprint
    assert names(from_frame) == names(from_file)
    assert frame_report.source == "DataFrame (8 rows)"
    assert frame_report.dropped == file_report.dropped


def test_a_frame_without_rows_is_an_error() -> None:
    """As is a file with only a header."""
    with pytest.raises(DataError, match=r"^DataFrame \(0 rows\) has no rows"):
        load(DataConfig(), pd.DataFrame(columns=["kind", "title"]))


@pytest.mark.parametrize("header", ["auto", False])
def test_a_test_file_beside_a_frame(tmp_path: Path, header: Any) -> None:
    """It has a header like the frame, unless the config says otherwise."""
    frame = pd.DataFrame(PLAIN, columns=["kind", "title"])
    test_rows = [("a", "five"), ("b", "Two!")]
    test_source = write(tmp_path / "test.csv", [("kind", "title")] * (header == "auto") + test_rows)
    config = DataConfig(source="none.csv", test_source=test_source, header=header)
    dataset, report = load(config, frame)
    assert names(dataset)[-2:] == [("five", "a"), ("Two!", "b")]
    assert report.dropped["shared with the test file"] == 1
    assert report.test_rows_read == dataset.test_rows == 2


PLAIN: list[Row] = [("b", "one"), ("a", "two"), ("b", "three"), ("a", "four")]
LONG = "one two three four five six seven eight"


def test_the_rows_of_a_test_file_come_last(tmp_path: Path) -> None:
    """They are counted separately, use the classes of the source, and share no group."""
    dataset, report = load_with_test(tmp_path, PLAIN, [("a", "five"), ("b", "Two!"), ("b", "six")])
    assert names(dataset) == [
        ("one", "b"), ("three", "b"), ("four", "a"), ("five", "a"), ("Two!", "b"), ("six", "b"),
    ]  # fmt: skip
    assert dataset.test_rows == 3
    assert sorted(dataset.groups.tolist()) == list(range(6))
    assert report.rows_kept == 3
    assert (report.groups, report.largest_group) == (3, 1)
    assert report.rows_a_class == {"b": 2, "a": 1}
    assert report.dropped["shared with the test file"] == 1
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    assert (report.test_rows_read, report.test_rows_kept) == (3, 3)


@pytest.mark.parametrize(
    ("texts", "test_text", "dropped"),
    [
        (["red shoe"], "RED - shoe", 1),
        (["girls shoe"], "girl s shoe", 1),
        ([f"{LONG} nine"], LONG, 1),
        ([LONG], f"{LONG} nine", 1),
        ([f"{LONG} nine", f"{LONG} ten"], LONG, 2),
        # The first is linked to the test text only through the second.
        ([f"{LONG} a b c d e", f"{LONG} a b"], f"{LONG} a b c x", 2),
        # The same, where the second differs from the test text only in spaces.
        ([f"{LONG} nine", LONG], "one two three four five six seveneight", 2),
        (["one two three four"], "one two three four five", 0),
    ],
)
def test_near_duplicates_of_test_texts_are_dropped(
    tmp_path: Path, texts: list[str], test_text: str, dropped: int
) -> None:
    """Duplicates, continuations and whatever is linked to them are not trained on."""
    others = [("a", "something"), ("b", "else")]
    rows = [("a", text) for text in texts] + others
    dataset, report = load_with_test(tmp_path, rows, [("b", test_text)])
    assert report.dropped["shared with the test file"] == dropped
    assert report.rows_kept == len(rows) - dropped
    groups = dataset.groups.tolist()
    assert groups[-1] not in groups[:-1]
    assert sorted(set(groups)) == list(range(len(set(groups))))


def test_a_test_file_has_a_header_if_the_source_has_one(tmp_path: Path) -> None:
    """The file itself may be too short, or have too many classes, to detect a header."""
    names_of_columns = ("kind", "title")
    rows = [("ab"[n % 2], f"text {n}") for n in range(8)]
    test_rows = [("a", "one"), ("b", "two"), ("b", "three"), ("b", "four"), ("b", "five")]
    headed = load_with_test(
        tmp_path, [names_of_columns, *rows], [names_of_columns, *test_rows[:2]], header="auto"
    )
    plain = load_with_test(tmp_path, rows, test_rows, header="auto")
    assert [report.test_rows_read for _, report in (headed, plain)] == [2, 5]


def test_test_rows_are_deduplicated_too(tmp_path: Path) -> None:
    """Most frequent labels, ties and missing values are handled as in the source."""
    test_rows = [("a", "x"), ("b", "X"), ("b", "x."), ("a", "y"), ("b", "y"), ("a", ""), ("", "z")]
    dataset, report = load_with_test(tmp_path, PLAIN, test_rows)
    assert names(dataset)[4:] == [("x", "b")]
    assert (report.test_rows_read, report.test_rows_kept) == (7, 1)


def test_a_test_file_may_lack_a_class(tmp_path: Path) -> None:
    """The classes remain those of the source."""
    dataset, _ = load_with_test(tmp_path, PLAIN, [("b", "five")])
    assert dataset.classes == ("a", "b")
    assert dataset.labels[-1] == 1


@pytest.mark.parametrize(
    ("test_rows", "said"),
    [
        ([("a", "five"), ("c", "six")], ("test.csv", "class 'c'", "rows.csv")),
        ([("a", "One"), ("b", "two"), ("c", "x")], ("test.csv", "class 'c'")),
        ([], ("test.csv is empty",)),
        ([("a", ""), ("b", "")], ("test.csv", "2 rows", "data.text_columns")),
        ([("a", "five"), ("b", "five")], ("test.csv", "one label as for another")),
        (
            [("a", "one"), ("a", "two"), ("a", "three"), ("a", "four")],
            ("rows.csv", "no row left to train on"),
        ),
        ([("a", "two"), ("a", "four")], ("rows.csv", "only one class", "'b'")),
    ],
)
def test_an_unusable_test_file_is_an_error(
    tmp_path: Path, test_rows: list[Row], said: tuple[str, ...]
) -> None:
    """The message says why: an unknown class, no rows, or nothing left to train on."""
    with pytest.raises(DataError) as caught:
        load_with_test(tmp_path, PLAIN, test_rows)
    message = str(caught.value)
    assert all(words in message for words in said)
    assert "\n" not in message


def test_the_fingerprint_depends_on_the_test_rows(tmp_path: Path) -> None:
    """A test row, its label and its subset change it; a duplicate does not."""
    test_rows = [("a", "five"), ("b", "six")]

    def fingerprint(rows: list[Row], test: list[Row]) -> str:
        return load_with_test(tmp_path, rows, test)[0].fingerprint

    plain = fingerprint(PLAIN, test_rows)
    assert fingerprint(PLAIN, [*test_rows, ("b", "SIX")]) == plain
    others = [
        load_rows(tmp_path, [*PLAIN, *test_rows])[0].fingerprint,
        fingerprint([*PLAIN, test_rows[0]], test_rows[1:]),
        fingerprint(PLAIN, [test_rows[0]]),
        fingerprint(PLAIN, [test_rows[0], ("a", "six")]),
    ]
    assert len({plain, *others}) == 5


def test_the_report_describes_the_test_file(tmp_path: Path) -> None:
    """It has its path, hash and rows; without a test file nothing about it."""
    _, report = load_with_test(tmp_path, PLAIN, [("a", "five"), ("b", "one"), ("b", "One")])
    sha256 = hashlib.sha256((tmp_path / "test.csv").read_bytes()).hexdigest()
    text = report.as_text()
    assert f"test file    {tmp_path / 'test.csv'}" in text
    assert f"test sha256  {sha256}" in text
    assert "test rows    3 read, 2 kept" in text
    assert "1 shared with the test file" in text
    written = json.loads(json.dumps(report.to_dict()))
    assert written["test_source"] == str(tmp_path / "test.csv")
    assert written["test_sha256"] == sha256
    assert (written["test_rows_read"], written["test_rows_kept"]) == (3, 2)

    _, plain = load_rows(tmp_path, PLAIN)
    assert "test" not in plain.as_text().replace(str(tmp_path), "")
    assert not [key for key in plain.to_dict() if key.startswith("test_")]
    assert "shared with the test file" not in plain.dropped


def test_random_rows_are_not_deduplicated(tmp_path: Path) -> None:
    """Duplicates and conflicting labels stay; only incomplete rows are dropped."""
    dataset, report = load_rows(tmp_path, MIXED, split="random_rows")
    assert names(dataset) == [row[::-1] for row in MIXED[:5] + MIXED[7:8]]
    assert dataset.protocol == report.protocol == "random_rows"
    assert dataset.groups.tolist() == list(range(6))
    assert {why: count for why, count in report.dropped.items() if count} == {
        "without a text": 2,
        "without a label": 1,
    }
    assert (report.rows_read, report.rows_kept, report.texts_with_two_labels) == (9, 6, 2)
    assert "6 including duplicates and conflicting labels" in report.as_text()
    assert "groups" not in report.as_text()


def test_random_rows_keep_texts_with_tied_labels(tmp_path: Path) -> None:
    """Rows that deduplication would drop are kept."""
    dataset, _ = load_rows(tmp_path, [("a", "one"), ("b", "one")], split="random_rows")
    assert names(dataset) == [("one", "a"), ("one", "b")]


GAPS: list[Row] = [("a", "one"), ("b", " "), ("a", "two"), ("b", "three"), ("b", ""), ("", "")]


@pytest.mark.parametrize("split", ["groups", "random_rows"])
def test_missing_texts_can_be_replaced_by_a_word(tmp_path: Path, split: str) -> None:
    """Rows without a text are dropped only if no word is given; labels remain required."""
    filled, report = load_rows(tmp_path, GAPS, split=split, fill_missing="none")
    copies = [("none", "b")] * (1 if split == "groups" else 2)
    assert sorted(names(filled)) == [*copies, ("one", "a"), ("three", "b"), ("two", "a")]
    assert {why: count for why, count in report.dropped.items() if count} == {
        "without a label": 1,
        **({"duplicates": 1} if split == "groups" else {}),
    }
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())

    dropped, report = load_rows(tmp_path, GAPS, split=split)
    assert names(dropped) == [("one", "a"), ("two", "a"), ("three", "b")]
    assert report.dropped["without a text"] == 3
    assert (filled.fill_missing, dropped.fill_missing) == ("none", "")


def test_missing_texts_of_a_test_file_are_replaced_too(tmp_path: Path) -> None:
    """The word counts as their text, so no text is in two subsets."""
    dataset, report = load_with_test(tmp_path, GAPS, [("a", "")], fill_missing="none")
    assert names(dataset)[-1] == ("none", "a")
    assert dataset.texts.count("none") == 1
    assert report.dropped["shared with the test file"] == 1
