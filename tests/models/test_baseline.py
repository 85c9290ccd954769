import numpy as np
import pytest

from ecomclf.data.splitting import Subset
from ecomclf.models import baseline
from ecomclf.models.baseline import fit_baseline, tune_baseline


def make_rows(labels: dict[str, int]) -> Subset:
    """Return rows given as text and label, each a group of its own."""
    values = np.array(list(labels.values()), np.int32)
    return Subset(tuple(labels), values, np.arange(len(labels), dtype=np.int32))


TRAIN = make_rows(
    {
        "leather shoe with laces": 0,
        "running shoe": 0,
        "shoe for walking": 0,
        "straw hat": 1,
        "wool hat for winter": 1,
        "hat with feathers": 1,
    }
)


CLASSES = ("Shoes", "Hats")


def test_classes_that_a_word_tells_apart_are_told_apart() -> None:
    """When one word decides, every row is right."""
    report = fit_baseline(TRAIN, CLASSES).evaluate(make_rows({"hat": 1, "SHOE!": 0, "old hat": 1}))
    assert (report.rows, report.f1_macro, report.loss) == (3, 1.0, None)
    assert report.confusion == ((1, 0), (0, 2))


def test_wrong_labels_are_counted_as_mistakes() -> None:
    """Each side is judged on its own rows."""
    fitted = fit_baseline(TRAIN, CLASSES)
    assert fitted.evaluate(make_rows({"blue shoe": 0, "green hat": 1})).accuracy == 1.0
    assert fitted.evaluate(make_rows({"hat": 0, "shoe": 0})).accuracy == 0.5


def test_tuning_takes_what_the_validation_rows_need() -> None:
    """Where only the order of words tells the classes apart, rows of two words are chosen."""
    fillers = ("red", "blue", "green", "black", "white", "grey")
    train = make_rows(
        {f"phone case {word}": 0 for word in fillers}
        | {f"case phone {word}": 1 for word in fillers}
    )
    rows = make_rows({"phone case pink": 0, "case phone brown": 1})
    assert fit_baseline(train, CLASSES).evaluate(rows).accuracy < 1
    tuned = tune_baseline(train, rows, CLASSES, "accuracy")
    assert tuned.settings()["baseline.ngrams"] == 2
    assert tuned.evaluate(rows).accuracy == 1.0


def test_with_nothing_to_choose_between_the_defaults_stay() -> None:
    """The first of equals is scikit-learn's own setting."""
    tuned = tune_baseline(TRAIN, make_rows({"hat": 1, "shoe": 0}), CLASSES, "accuracy")
    assert tuned.settings() == fit_baseline(TRAIN, CLASSES).settings()
    assert tuned.settings() == {
        "baseline.ngrams": 1,
        "baseline.sublinear": False,
        "baseline.c": 1.0,
    }


@pytest.mark.parametrize("limit", [("_MOST_FEATURES", 2), ("_MOST_WEIGHTS", 5)])
def test_of_more_features_than_memory_holds_the_most_frequent_are_kept(
    monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    """Whatever the settings, an SVM has no more numbers, a class or in all, than that."""
    monkeypatch.setattr(baseline, *limit)
    rows = make_rows({"shoe one": 0, "shoe two": 0, "hat three": 1, "hat four": 1})
    tuned = tune_baseline(rows, rows, CLASSES, "accuracy")
    for fitted in (fit_baseline(rows, CLASSES), tuned):
        assert set(fitted.features.get_feature_names_out()) == {"hat", "shoe"}
        assert fitted.evaluate(rows).accuracy == 1.0


def test_texts_without_a_word_of_two_letters_have_a_baseline_too() -> None:
    """What stands between spaces is a word there."""
    rows = make_rows({"5 3 1": 0, "5 5": 0, "☎": 1, "☎ 7": 1})
    for fitted in (fit_baseline(rows, CLASSES), tune_baseline(rows, rows, CLASSES, "accuracy")):
        assert fitted.evaluate(rows).accuracy == 1.0
