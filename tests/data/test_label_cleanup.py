import csv
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.data_report import DataReport
from ecomclf.data.dataset import Dataset, load
from ecomclf.data.label_cleanup import plan_labels
from ecomclf.data.splitting import split_dataset
from ecomclf.errors import DataError


def load_labels(labels: list[str], **keys: Any) -> tuple[Dataset, DataReport]:
    """Load a frame with these labels, each row with a text of its own."""
    texts = [f"text {number}" for number in range(len(labels))]
    return load(DataConfig(**keys), pd.DataFrame({"label": labels, "text": texts}))


def load_with_test(folder: Path, labels: list[str], test: list[str], **keys: Any) -> Any:
    """Load two files with these labels, each row with a text of its own."""
    paths = {}
    for name, of_file in (("source", labels), ("test_source", test)):
        paths[name] = str(folder / f"{name}.csv")
        with open(paths[name], "w", newline="", encoding="utf-8") as stream:
            rows = [(label, f"{name} {number}") for number, label in enumerate(of_file)]
            csv.writer(stream).writerows(rows)
    return load(DataConfig(header=False, **paths, **keys))


def test_renamed_labels_are_one_class_and_said() -> None:
    """The report counts the rows of each old name."""
    labels = ["CPU", "CPUs", "CPUs", "cpu", "fan"]
    dataset, report = load_labels(labels, rename_labels={"CPUs": "CPU", "cpu": "CPU"})
    assert report.rows_a_class == {"CPU": 4, "fan": 1}
    assert report.renamed_labels == {"CPUs": 2, "cpu": 1}
    assert "labels       renamed in 3 rows: 'CPUs' and 'cpu'" in report.as_text()
    assert dataset.classes == ("CPU", "fan")


def test_each_label_is_renamed_once() -> None:
    """Two names can be swapped."""
    _, report = load_labels(["a", "a", "b"], rename_labels={"a": "b", "b": "a"})
    assert report.rows_a_class == {"b": 2, "a": 1}


def test_labels_are_renamed_before_texts_are_deduplicated() -> None:
    """Two spellings of a class do not make a conflict."""
    frame = pd.DataFrame({"label": ["a", "A", "b"], "text": ["one", "one", "two"]})
    _, report = load(DataConfig(rename_labels={"A": "a"}), frame)
    assert report.dropped["duplicates"] == 1
    assert report.texts_with_two_labels == 0


def test_dropped_labels_are_counted() -> None:
    """Every row is kept or counted once."""
    _, report = load_labels(["a", "NULL", "b", "nan", "NULL"], drop_labels=("NULL", "nan"))
    assert report.dropped["with dropped labels"] == 3
    assert report.rows_a_class == {"a": 1, "b": 1}


def test_rare_labels_are_dropped_after_duplicates() -> None:
    """A class of three rows, two of them duplicates, has two."""
    frame = pd.DataFrame({"label": [*"aaabbbc"], "text": ["x", "X!", *"qrstu"]})
    dataset, report = load(DataConfig(min_rows_a_label=2), frame)
    assert dataset.classes == ("a", "b")
    assert report.dropped["of rare labels"] == 1
    with pytest.raises(DataError, match=r"only one class, 'b' after 3 rows of others"):
        load(DataConfig(min_rows_a_label=3), frame)
    with pytest.raises(DataError, match=r"no class has the 9 rows .* 'b', has 3; lower"):
        load(DataConfig(min_rows_a_label=9), frame)


@pytest.mark.parametrize("seed", range(8))
def test_counts_add_up_whatever_is_done_to_labels(seed: int) -> None:
    """In random tables no row is lost and none is counted twice."""
    chance = Random(seed)
    labels = [chance.choice(["x", "X", "1", "1.0", "NULL", "", "rare"]) for _ in range(80)]
    texts = [chance.choice(["", *"abcdefghijklmnopqrstuvwxyz"]) for _ in labels]
    frame = pd.DataFrame({"label": ["x", "1", "1.0", "NULL", "X", *labels],
                          "text": ["p p", "q q", "r r", "s s", "t t", *texts]})  # fmt: skip
    keys: dict[str, Any] = {"drop_labels": ["NULL"], "rename_labels": {"X": "x"}}
    dataset, report = load(DataConfig(min_rows_a_label=2, **keys), frame)
    assert report.rows_read == report.rows_kept + sum(report.dropped.values()) == 85
    assert report.rows_kept == len(dataset.texts) == len(dataset.groups)
    assert set(dataset.classes) <= {"x", "1", "rare"}
    assert sorted(set(dataset.groups)) == list(range(max(dataset.groups) + 1))


def test_both_forms_of_a_whole_number_are_one_class() -> None:
    """`0` and `0.0` of one file, as pandas writes them, are the class `0`."""
    _, report = load_labels(["0", "0.0", "1.0", "2.5", "0"])
    assert report.rows_a_class == {"0": 3, "1": 1, "2.5": 1}
    assert report.merged_labels == {"0.0": 1, "1.0": 1}
    assert "counted as whole numbers in 2 rows: '0.0' and '1.0'" in report.as_text()


def test_numbers_of_one_form_keep_their_names() -> None:
    """A file with `1.0` and `2.0` only has these classes."""
    _, report = load_labels(["1.0", "2.0", "2.0"])
    assert report.rows_a_class == {"2.0": 2, "1.0": 1}
    assert report.merged_labels == {}


def test_the_config_may_name_either_form_of_a_number() -> None:
    """Where `1.0` became `1`, both name it."""
    _, report = load_labels(["0", "1", "1.0"], rename_labels={"1.0": "yes", "0": "no"})
    assert report.rows_a_class == {"yes": 2, "no": 1}


def test_both_unicode_forms_of_a_label_are_one_class() -> None:
    """A decomposed "é" is the same letter."""
    dataset, _ = load_labels(["caf\u00e9", "cafe\u0301", "tea"])
    assert dataset.classes == ("caf\u00e9", "tea")


@pytest.mark.parametrize("key", ["drop_labels", "rename_labels"])
def test_a_label_that_no_row_has_is_an_error(key: str) -> None:
    """The message names the label and similar ones, whatever their case."""
    value: Any = ["CPUS"] if key == "drop_labels" else {"CPUS": "x"}
    with pytest.raises(DataError) as caught:
        load_labels(["CPUs", "cpus", "Books"], **{key: value})
    assert str(caught.value) == (
        f"data.{key} names the label 'CPUS', which no row of DataFrame (3 rows) has; did you mean "
        "'CPUs' or 'cpus'?"
    )


def test_without_a_similar_label_the_error_lists_some() -> None:
    """Of many labels, only the first."""
    labels = [f"class {number:04}" for number in range(2000)]
    with pytest.raises(DataError, match=r"it has 'class 0000', .* and 1,980 more$") as caught:
        plan_labels(DataConfig(drop_labels=("xyz",)), labels, "rows.csv")
    assert len(str(caught.value)) < 500


def test_the_test_file_is_treated_alike(tmp_path: Path) -> None:
    """Numbers, dropped, renamed and rare labels; a name that only the test file has is known."""
    dataset, report = load_with_test(
        tmp_path,
        ["1.0"] * 3 + ["2.0"] * 3 + ["rare"],
        ["1", "2", "two", "NULL", "rare"],
        rename_labels={"two": "2"},
        drop_labels=["NULL"],
        min_rows_a_label=2,
    )
    assert dataset.classes == ("1", "2")
    assert dataset.labels[-3:].tolist() == [0, 1, 1]
    assert (report.test_rows_read, report.test_rows_kept) == (5, 3)
    assert report.dropped["of rare labels"] == 1
    assert len(dataset.groups) == len(dataset.texts) == 9


def test_ordered_labels_must_be_numbers() -> None:
    """The names that are none are listed; otherwise the split knows that distances count."""
    with pytest.raises(DataError, match=r"needs class names that are numbers.* 'good' and 'nan'"):
        load_labels(["1", "good", "nan"], ordered_labels=True)
    dataset, _ = load_labels([*"123"] * 4, ordered_labels=True)
    assert split_dataset(dataset, DataConfig()).ordered
    dataset, _ = load_labels([*"123"] * 4)
    assert not split_dataset(dataset, DataConfig()).ordered


def test_too_few_rows_of_a_class_name_the_remedy() -> None:
    """The message names the keys that drop such classes."""
    dataset, _ = load_labels(["a"] * 5 + ["b"] * 5 + ["c"])
    with pytest.raises(DataError, match=r"'c' \(1\).*data.min_rows_a_label or data.drop_labels"):
        split_dataset(dataset, DataConfig())
