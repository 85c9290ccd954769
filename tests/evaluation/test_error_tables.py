from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ecomclf.data.splitting import Subset, draw_subset
from ecomclf.evaluation.error_tables import error_table, label_suspects, sample_predictions

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


def test_near_duplicates_do_not_confirm_each_others_label() -> None:
    """A wrong label of a whole group is found, since a group is held out as a whole."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    copies = ["straw hat in a box", "straw hat in a bag"]
    rows = make_rows(
        hats + shoes + copies,
        [0] * 20 + [1] * 20 + [1, 1],
        [*range(40), 40, 40],
    )
    assert set(copies) <= set(label_suspects(rows, CLASSES)["text"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("texts", "labels", "groups"),
    [
        # Holding out either group leaves one class.
        (["straw hat", "wool hat", "leather shoe"], [0, 0, 1], [0, 0, 1]),
        # So does holding out the only group of shoes.
        (["straw hat", "wool hat", "leather shoe", "felt hat"], [0, 0, 1, 0], [0, 1, 2, 3]),
        (["straw hat", "leather shoe", "wool hat"], [0, 1, 0], [7, 7, 7]),
        (["straw hat", "wool hat"], [0, 0], [0, 1]),
        (["", "leather shoe"], [0, 1], [0, 1]),
        # Holding out the only text with a word leaves nothing to learn from.
        (["", " ", "leather shoe"], [0, 1, 1], [0, 1, 2]),
        ([], [], []),
    ],
)
def test_without_two_classes_to_train_on_there_are_no_suspects(
    texts: list[str], labels: list[int], groups: list[int]
) -> None:
    """A model must be trained on two classes in every fold, or the table is empty."""
    table = label_suspects(make_rows(texts, labels, groups), CLASSES)
    assert table.empty
    assert list(table.columns) == ["text", "true", "predicted", "confidence"]


@pytest.mark.filterwarnings("error")
def test_a_class_may_be_missing_from_training_folds() -> None:
    """Its probability is 0 in those folds, without a warning; so is that of an absent class."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    rows = make_rows([*hats, *shoes, "wool glove"], [1] * 20 + [3] * 20 + [2])
    table = label_suspects(rows, ("Absent", "Hats", "Gloves", "Shoes"))
    assert table["text"].tolist() == ["wool glove"]
    assert table["true"].tolist() == ["Gloves"]
    assert table["predicted"][0] in ("Hats", "Shoes")


@pytest.mark.filterwarnings("error")
def test_unconverged_fits_do_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranking of suspects does not need the last digits of the coefficients."""
    fit = LogisticRegression.fit

    def stop_early(self: LogisticRegression, *data: Any, **options: Any) -> LogisticRegression:
        return fit(self.set_params(max_iter=1), *data, **options)

    monkeypatch.setattr(LogisticRegression, "fit", stop_early)
    hats, shoes = ([f"{kind} {n} {n % 3}" for n in range(20)] for kind in ("hat", "shoe"))
    label_suspects(make_rows(hats + shoes, [0] * 20 + [1] * 20), CLASSES)


def test_a_sample_of_many_rows_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rows drawn can be suspects; a class that none of them has is no obstacle."""
    monkeypatch.setattr("ecomclf.evaluation.error_tables._MAX_ROWS_CHECKED", 30)
    texts = [f"{('straw hat', 'leather shoe')[row % 2]} {row}" for row in range(60)]
    labels = [1 - row % 2 if row % 5 == 0 else row % 2 for row in range(60)]
    rows = make_rows([*texts, "wool glove"], [*labels, 2])
    table = label_suspects(rows, ("Hats", "Shoes", "Gloves"))
    assert 0 < len(table) <= 12
    assert set(table["text"]) <= set(draw_subset(rows, 30).texts)


def test_texts_of_single_letters_are_checked_too() -> None:
    """The default token pattern of scikit-learn would find no words in them."""
    texts = [f"{'ab'[row % 2]} {row % 7}" for row in range(40)]
    labels = [row % 2 for row in range(40)]
    labels[6] = 1
    assert label_suspects(make_rows(texts, labels), CLASSES)["text"].tolist()[0] == "a 6"
