import random
from collections.abc import Callable

import pytest

from ecomclf.data.column_roles import Roles, ask_for_label, find_roles, has_header
from ecomclf.errors import DataError

WORDS = ("red", "blue", "steel", "mug", "shoe", "lamp", "great", "small", "wooden", "soft")
Cell = Callable[[int, random.Random], str]

CELLS: dict[str, Cell] = {
    "sku": lambda row, _: f"SKU-{row:05}",
    "number": lambda row, _: str(row),
    "price": lambda _, draw: f"{draw.random() * 100:.2f} €",
    "date": lambda row, _: f"2026-{row % 12 + 1:02}-{row % 28 + 1:02}",
    "link": lambda row, _: f"https://shop.example/{row}",
    "empty": lambda *_: "",
    "constant": lambda *_: "shop",
    "label": lambda _, draw: draw.choice(["good", "bad"]),
    "stars": lambda _, draw: str(draw.randint(1, 5)),
    "leaf": lambda _, draw: f"Home > Kitchen > Leaf {draw.randint(1, 60)}",
    "title": lambda _, draw: " ".join(draw.choices(WORDS, k=4)),
    "text": lambda row, draw: " ".join(draw.choices(WORDS, k=15)) + f" {row}",
    "chinese": lambda row, draw: "".join(draw.choices("质量好差送货快慢价格", k=9)) + str(row),
}


def roles_of(**columns: str) -> Roles:
    """Return the roles in a table whose columns have these cells, by column name."""
    draw = random.Random(0)
    rows = [[CELLS[cell](row, draw) for cell in columns.values()] for row in range(400)]
    return find_roles(list(columns), rows, "rows.csv")


def names_of(roles: Roles) -> tuple[list[str | None], list[str | None]]:
    """Return the names of the text columns, and of the candidates for the label."""
    return [column.name for column in roles.text], [column.name for column in roles.labels]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"label": "label", "text": "text"}, ["text"], ["label"]),
        ({"id": "sku", "text": "text", "label": "label"}, ["text"], ["label"]),
        ({"id": "number", "body": "text", "kind": "label"}, ["body"], ["kind"]),
        ({"v1": "label", "v2": "text"}, ["v2"], ["v1"]),
        ({"x": "text", "y": "stars"}, ["x"], ["y"]),
        (
            {"title": "title", "description": "text", "category": "leaf", "price": "price"},
            ["title", "description"],
            ["category"],
        ),
        ({"a": "date", "b": "link", "c": "text", "d": "label", "e": "empty"}, ["c"], ["d"]),
        ({"shop": "constant", "c": "chinese", "d": "label"}, ["c"], ["d"]),
        ({"brand": "label", "category": "leaf", "text": "text"}, ["text"], ["category"]),
        ({"id": "label", "category_id": "number", "text": "text"}, ["text"], ["id"]),
    ],
)
def test_columns_are_found_by_their_contents(
    columns: dict[str, str], text: list[str], label: list[str]
) -> None:
    """Names decide only among columns that look alike."""
    assert names_of(roles_of(**columns)) == (text, label)


def test_several_labels_are_asked_for() -> None:
    """Two columns of categories, and no name that decides between them."""
    roles = roles_of(rating="stars", category="leaf", text="text")
    assert names_of(roles)[1] == ["rating", "category"]
    error = ask_for_label(roles.labels, "rows.csv")
    assert error.candidates == ("rating", "category")
    assert "--label-column" in str(error)


def test_a_template_whose_texts_recur_is_text_all_the_same() -> None:
    """In few rows whole texts recur."""
    rows = [["ab"[row % 2], f"a steel mug of kind {row % 9}"] for row in range(90)]
    roles = find_roles(None, rows, "rows.csv")
    assert [column.key for column in (*roles.text, *roles.labels)] == [1, 0]


@pytest.mark.parametrize("columns", [{"id": "sku", "n": "price"}, {"text": "text", "id": "sku"}])
def test_a_table_without_text_or_label_is_refused(columns: dict[str, str]) -> None:
    """The error says what each column looks like."""
    with pytest.raises(DataError, match=r"rows.csv: no column looks like .*: .*name the columns"):
        roles_of(**columns)


@pytest.mark.parametrize(
    ("first", "header"),
    [
        (["label", "text"], True),
        (["good", "a great mug"], False),
        (["", ""], False),
        (["5", "text"], False),
        (["kind", "x" * 200], False),
    ],
)
def test_a_header_is_told_from_a_first_row(first: list[str], header: bool) -> None:
    """A label recurs below, names do not; numbers and long texts are no names."""
    rows = [["good" if row % 3 else "bad", f"a mug {row}"] for row in range(60)]
    assert has_header(first, rows) is header
