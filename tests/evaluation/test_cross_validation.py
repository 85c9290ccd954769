from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ecomclf.data.splitting import Subset
from ecomclf.evaluation import cross_validation
from ecomclf.evaluation.cross_validation import (
    OutOfFold,
    label_support,
    predict_out_of_fold,
    uses_logistic_regression,
)

MODELS = ("logistic regression", "naive Bayes")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The model that is fitted, whatever the number of words and classes."""
    name: str = request.param
    limit = 0 if name == "naive Bayes" else 10**9
    monkeypatch.setattr("ecomclf.evaluation.cross_validation._MAX_WORDS_X_CLASSES", limit)
    return name


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, where the cache lands."""
    monkeypatch.chdir(tmp_path)


def make_rows(texts: list[str], labels: list[int], groups: list[int] | None = None) -> Subset:
    """Return rows; without `groups` each row is a group of its own."""
    numbers = list(range(len(texts))) if groups is None else groups
    return Subset(tuple(texts), np.array(labels, np.int32), np.array(numbers, np.int32))


def make_catalogue(classes: int, flipped: int) -> tuple[Subset, np.ndarray]:
    """Return 30 texts a class, a third of which do not name it, and which labels were flipped."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 30)
    texts = [
        f"{'something' if row % 3 == 0 else f'kind{label} mark{label}'} from shelf {label // 5}"
        for row, label in enumerate(labels.tolist())
    ]
    named = np.flatnonzero(np.arange(len(labels)) % 3)
    wrong = generator.choice(named, flipped, replace=False)
    labels[wrong] = (labels[wrong] + generator.integers(1, classes, flipped)) % classes
    return make_rows(texts, labels.tolist()), wrong


def out_of_fold(rows: Subset, classes: int) -> OutOfFold:
    """Return the predictions, where models can be trained."""
    found = predict_out_of_fold(rows, classes)
    assert found is not None
    return found


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("classes", [5, 40])
def test_flipped_labels_have_least_support(classes: int) -> None:
    """Most of them are found; texts that leave several classes open keep their support."""
    rows, wrong = make_catalogue(classes, flipped=2 * classes)
    support = label_support(rows, classes)
    assert support.dtype == np.float32
    assert support.min() >= 0
    assert support.max() == 1
    assert np.isin(np.argsort(support, kind="stable")[: len(wrong)], wrong).mean() > 0.9
    right = np.setdiff1d(np.arange(len(rows)), wrong)
    assert (support[wrong] < 0.3).mean() > 0.8
    assert (support[right] < 0.3).mean() < 0.02


@pytest.mark.usefixtures("model")
def test_the_model_that_predicts_a_row_was_not_trained_on_its_group() -> None:
    """A wrong label of a whole group of near-duplicates is contradicted."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    copies = ["straw hat in a box", "straw hat in a bag"]
    rows = make_rows(
        hats + shoes + copies,
        [0] * 20 + [1] * 20 + [1, 1],
        [*range(40), 40, 40],
    )
    found = out_of_fold(rows, 2)
    assert found.predicted.tolist() == [0] * 20 + [1] * 20 + [0, 0]
    assert (found.of_label[-2:] < 0.5).all()
    assert found.confidence[-2:] + found.of_label[-2:] == pytest.approx(1)


@pytest.mark.usefixtures("model")
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
def test_without_two_classes_to_train_on_nothing_is_predicted(
    texts: list[str], labels: list[int], groups: list[int]
) -> None:
    """Models need two classes and a word in every fold; otherwise all labels are supported."""
    rows = make_rows(texts, labels, groups)
    assert predict_out_of_fold(rows, 2) is None
    assert label_support(rows, 2).tolist() == [1.0] * len(texts)


@pytest.mark.usefixtures("model")
@pytest.mark.filterwarnings("error")
def test_a_class_may_be_missing_from_training_folds() -> None:
    """Its probability is 0 in those folds, without a warning; so is that of an absent class."""
    hats = [f"straw hat number {n}" for n in range(20)]
    shoes = [f"leather shoe number {n}" for n in range(20)]
    rows = make_rows([*hats, *shoes, "wool glove"], [1] * 20 + [3] * 20 + [2])
    found = out_of_fold(rows, 4)
    assert found.of_label[-1] == 0
    assert set(found.predicted.tolist()) == {1, 3}


@pytest.mark.usefixtures("model")
def test_labels_of_rare_classes_are_not_doubted() -> None:
    """With fewer than 10 groups too few rows are left to learn the class from."""
    hats = [f"straw hat number {n}" for n in range(30)]
    shoes = [f"leather shoe number {n}" for n in range(30)]
    gloves = [f"straw glove {n % 3}" for n in range(18)]
    labels = [0] * 30 + [1] * 29 + [0] + [2] * 18
    groups = [*range(60), *(60 + n % 9 for n in range(18))]
    rows = make_rows([*hats, *shoes, *gloves], labels, groups)
    support = label_support(rows, 3)
    assert support[-18:].tolist() == [1.0] * 18
    assert support[59] < 0.3


@pytest.mark.usefixtures("model")
def test_texts_that_say_nothing_support_a_large_class() -> None:
    """A class that most rows have is not doubted because its texts have no words of their own."""
    kinds = [f"from shelf {n % 3} kind{n % 10} mark{n % 10}" for n in range(300)]
    others = [f"from shelf {n % 3}" for n in range(300)]
    rows = make_rows([*kinds, *others], [n % 10 for n in range(300)] + [10] * 300)
    assert label_support(rows, 11).min() > 0.5


@pytest.mark.filterwarnings("error")
def test_unconverged_fits_do_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranking of labels does not need the last digits of the coefficients."""
    fit = LogisticRegression.fit

    def stop_early(self: LogisticRegression, *data: Any, **options: Any) -> LogisticRegression:
        return fit(self.set_params(max_iter=1), *data, **options)

    monkeypatch.setattr(LogisticRegression, "fit", stop_early)
    hats, shoes = ([f"{kind} {n} {n % 3}" for n in range(20)] for kind in ("hat", "shoe"))
    assert predict_out_of_fold(make_rows(hats + shoes, [0] * 20 + [1] * 20), 2) is not None


@pytest.mark.usefixtures("model")
def test_texts_of_single_letters_are_read_too() -> None:
    """The default token pattern of scikit-learn would find no words in them."""
    texts = [f"{'ab'[row % 2]} {row % 7}" for row in range(40)]
    labels = [row % 2 for row in range(40)]
    labels[6] = 1
    assert out_of_fold(make_rows(texts, labels), 2).of_label.argmin() == 6


@pytest.mark.usefixtures("model")
def test_predictions_do_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out rows are predicted in blocks, which bounds the memory for many classes."""
    rows, _ = make_catalogue(5, flipped=10)
    monkeypatch.setattr(cross_validation, "_CALIBRATION_ROWS", 20)
    whole = out_of_fold(rows, 5)
    monkeypatch.setattr(cross_validation, "_MAX_SCORES", 20 * 5)
    in_blocks = out_of_fold(rows, 5)
    assert in_blocks.predicted.tolist() == whole.predicted.tolist()
    assert in_blocks.of_label == pytest.approx(whole.of_label, rel=1e-4)


def test_many_classes_are_left_to_naive_bayes() -> None:
    """Words count, not characters, and so do rows and classes."""
    assert uses_logistic_regression(("one two three",) * 1000, classes=3000)
    assert not uses_logistic_regression(("one two three",) * 1000, classes=4000)


def test_the_support_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All trials share it; other labels or groups have a support of their own."""
    made = []
    predict = cross_validation.predict_out_of_fold

    def count(rows: Subset, classes: int) -> OutOfFold | None:
        made.append(rows)
        return predict(rows, classes)

    monkeypatch.setattr(cross_validation, "predict_out_of_fold", count)
    rows, _ = make_catalogue(5, flipped=10)
    first, again = (label_support(rows, 5) for _ in range(2))
    assert first.tolist() == again.tolist()
    assert len(made) == 1
    labels = rows.labels[::-1].copy()
    label_support(Subset(rows.texts, labels, rows.groups), 5)
    label_support(Subset(rows.texts, rows.labels, rows.groups // 2), 5)
    assert len(made) == 3
