import csv
from pathlib import Path
from typing import Any

import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.dataset import load
from ecomclf.errors import DataError

HEADER = ("id", "label", "text")
ROWS = [(f"SKU-{n:04}", ("good", "bad")[n % 2], f"text {n} in words") for n in range(400)]


def load_rows(folder: Path, rows: list[tuple[str, ...]], **keys: Any) -> str:
    """Load rows that cannot be used and return the message."""
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source=str(path), **keys))
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({}, "perhaps 'label'"),
        ({"header": True}, "perhaps 'label', whose values are 'bad', 'good'"),
        ({"text_columns": ["text"], "label_column": "id"}, "perhaps 'label'"),
        ({"text_columns": ["text"], "label_column": 0}, "perhaps 'label'"),
    ],
)
def test_a_column_of_ids_is_no_label_column(
    tmp_path: Path, keys: dict[str, Any], hint: str
) -> None:
    """One line names it and a column that may be the label; the columns given or not."""
    assert load_rows(tmp_path, [HEADER, *ROWS], **keys) == (
        "column 'id' looks like ids (400 different values in 400 rows); name the label column with "
        f"data.label_column, {hint}"
    )


def test_without_a_header_the_position_is_named(tmp_path: Path) -> None:
    """The text column may hold the labels, or be a text."""
    message = load_rows(tmp_path, ROWS)
    assert message.startswith("column 0 looks like ids (400 different values in 400 rows);")
    assert message.endswith("perhaps the text column, whose values are 'bad', 'good'")
    message = load_rows(tmp_path, [(row[0], row[2]) for row in ROWS])
    assert message.endswith("; name the label column with data.label_column")


def test_texts_in_the_label_column_are_called_so(tmp_path: Path) -> None:
    """Text and label are given the wrong way round."""
    keys = {"text_columns": ["label"], "label_column": "text"}
    message = load_rows(tmp_path, [HEADER, *ROWS], **keys)
    assert message.startswith("column 'text' looks like texts (400 different values")
