import numpy as np

from ecomclf.data.splitting import Subset
from ecomclf.evaluation.error_tables import error_table, label_suspects, sample_predictions

CLASSES = ("Hats", "Shoes")


def make_rows(texts: list[str], labels: list[int], groups: list[int] | None = None) -> Subset:
    """Return rows; without groups each is one of its own."""
    numbers = list(range(len(texts))) if groups is None else groups
    return Subset(tuple(texts), np.array(labels, np.int32), np.array(numbers, np.int32))


def test_errors_are_listed_the_most_confident_first() -> None:
    """Rows that are right are left out."""
    rows = make_rows(["a", "b", "c"], [0, 1, 1])
    table = error_table(rows, np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]]), CLASSES)
    assert table.to_dict("list") == {
        "text": ["c", "a"],
        "true": ["Shoes", "Hats"],
        "predicted": ["Hats", "Shoes"],
        "confidence": [0.8, 0.6],
    }


def test_samples_are_the_first_rows_right_or_wrong() -> None:
    """In their own order, ten at most; columns as in the list of errors."""
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


def test_a_swapped_label_is_the_first_suspect() -> None:
    """A row that all others contradict stands on top; its own label has not taught the model."""
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


def test_copies_in_one_group_do_not_vouch_for_each_other() -> None:
    """A wrong label that a whole group has is found: none of the group is among the other rows."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    copies = ["straw hat in a box", "straw hat in a bag"]
    rows = make_rows(
        hats + shoes + copies,
        [0] * 20 + [1] * 20 + [1, 1],
        [*range(40), 40, 40],
    )
    assert set(copies) <= set(label_suspects(rows, CLASSES)["text"])


def test_a_class_of_one_group_is_no_suspect() -> None:
    """Where the others are of one class, nothing can be said."""
    rows = make_rows(["straw hat", "wool hat", "leather shoe"], [0, 0, 1], [0, 0, 1])
    assert label_suspects(rows, CLASSES).empty


def test_texts_without_a_word_of_two_letters_are_looked_at_too() -> None:
    """One of twenty single letters has the label of the others' opposite."""
    texts = [f"{'ab'[row % 2]} {row % 7}" for row in range(40)]
    labels = [row % 2 for row in range(40)]
    labels[6] = 1
    assert label_suspects(make_rows(texts, labels), CLASSES)["text"].tolist()[0] == "a 6"
