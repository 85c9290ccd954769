import numpy as np
import pytest

from ecomclf.data.splitting import Subset, draw_subset
from ecomclf.evaluation.error_tables import (
    describe_label_check,
    error_table,
    label_suspects,
    sample_predictions,
)

CLASSES = ("Hats", "Shoes")


def make_rows(texts: list[str], labels: list[int], groups: list[int] | None = None) -> Subset:
    """Return rows; without `groups` each row is a group of its own."""
    numbers = list(range(len(texts))) if groups is None else groups
    return Subset(tuple(texts), np.array(labels, np.int32), np.array(numbers, np.int32))


def test_errors_are_sorted_by_confidence() -> None:
    """Correct rows are left out."""
    rows = make_rows(["a", "b", "c"], [0, 1, 1])
    table = error_table(rows, np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]]), CLASSES)
    assert table.to_dict("list") == {
        "text": ["c", "a"],
        "true": ["Shoes", "Hats"],
        "predicted": ["Hats", "Shoes"],
        "confidence": [0.8, 0.6],
    }


def test_samples_are_the_first_rows() -> None:
    """At most ten, correct or not, in their order; columns as in the table of errors."""
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]])
    table = sample_predictions(make_rows(["a", "b", "c"], [0, 1, 1]), probabilities, CLASSES)
    assert table.to_dict("list") == {
        "text": ["a", "b", "c"],
        "true": ["Hats", "Shoes", "Shoes"],
        "predicted": ["Shoes", "Shoes", "Hats"],
        "confidence": [0.6, 0.9, 0.8],
    }
    many = make_rows([f"text {row}" for row in range(25)], [0] * 25)
    table = sample_predictions(many, np.tile([0.7, 0.3], (25, 1)), CLASSES)
    assert table["text"].tolist() == [f"text {row}" for row in range(10)]


def test_a_wrong_label_is_the_first_suspect() -> None:
    """The model that predicts a row was not trained on it."""
    hats = [f"straw hat with {word} brim and feather" for word in ("a", "wide", "red", "no")] * 5
    shoes = [f"leather shoe with {word} lace and sole" for word in ("a", "long", "blue", "no")] * 5
    labels = [0] * len(hats) + [1] * len(shoes)
    labels[3] = 1
    table = label_suspects(make_rows(hats + shoes, labels), CLASSES)
    assert (table["text"][0], table["true"][0], table["predicted"][0]) == (
        hats[3],
        "Shoes",
        "Hats",
    )
    assert table["confidence"][0] > 0.5


def test_suspects_are_sorted_by_the_probability_of_their_label() -> None:
    """The least probable label comes first, and only contradicted labels are listed."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    both = ["straw hat and leather shoe", "a leather shoe and a leather hat"]
    rows = make_rows([*hats, *shoes, *both], [1, 1] + [0] * 18 + [1] * 20 + [0, 0])
    table = label_suspects(rows, CLASSES)
    assert {*hats[:2], both[1]} <= set(table["text"])
    assert (table["true"] != table["predicted"]).all()
    assert (table["label_probability"] < table["confidence"]).all()
    assert table["label_probability"].is_monotonic_increasing


def test_without_enough_groups_there_are_no_suspects() -> None:
    """The empty table has all columns."""
    table = label_suspects(make_rows(["straw hat", "felt hat"], [0, 0]), CLASSES)
    assert table.empty
    columns = ["text", "true", "predicted", "confidence", "label_probability"]
    assert list(table.columns) == columns


def test_a_sample_of_many_rows_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rows drawn can be suspects; a class that none of them has is no obstacle."""
    monkeypatch.setattr("ecomclf.evaluation.error_tables._MAX_ROWS_CHECKED", 30)
    texts = [f"{('straw hat', 'leather shoe')[row % 2]} {row}" for row in range(60)]
    labels = [1 - row % 2 if row % 5 == 0 else row % 2 for row in range(60)]
    rows = make_rows([*texts, "wool glove"], [*labels, 2])
    table = label_suspects(rows, ("Hats", "Shoes", "Gloves"))
    assert 0 < len(table) <= 12
    assert set(table["text"]) <= set(draw_subset(rows, 30).texts)


def test_how_labels_are_checked_is_described_only_where_something_is_cut() -> None:
    """Few rows and classes are checked in full, so there is nothing to say."""
    rows = make_rows(["red shoe"] * 6000, [0] * 6000)
    assert describe_label_check(rows, CLASSES) is None
    many = tuple(f"Leaf {number}" for number in range(2000))
    assert describe_label_check(rows, many) == (
        "labels checked: all 6,000 training rows, by naive Bayes for 2,000 classes"
    )
