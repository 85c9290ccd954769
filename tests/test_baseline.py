import numpy as np

from ecomclf.baseline import fit_baseline
from ecomclf.split import Rows, Split


def make_rows(labels: dict[str, int]) -> Rows:
    """Return rows given as text and label, each a group of its own."""
    values = np.array(list(labels.values()), np.int32)
    return Rows(tuple(labels), values, np.arange(len(labels), dtype=np.int32))


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


def test_classes_that_a_word_tells_apart_are_told_apart() -> None:
    """When one word decides, every validation and test row is right."""
    validation = make_rows({"blue shoe": 0, "green hat": 1})
    test = make_rows({"hat": 1, "SHOE!": 0, "old hat": 1})
    baseline = fit_baseline(Split(TRAIN, validation, test, ("Shoes", "Hats"), ""))
    assert baseline.validation.f1_macro == 1.0
    assert baseline.test.f1_macro == 1.0
    assert (baseline.validation.rows, baseline.test.rows) == (2, 3)
    assert baseline.test.confusion == ((1, 0), (0, 2))
    assert baseline.test.loss is None


def test_the_sides_are_judged_on_their_own_rows() -> None:
    """Wrong labels among the test rows lower the test figures and no other."""
    validation = make_rows({"blue shoe": 0, "green hat": 1})
    test = make_rows({"hat": 0, "shoe": 0})
    baseline = fit_baseline(Split(TRAIN, validation, test, ("Shoes", "Hats"), ""))
    assert baseline.validation.accuracy == 1.0
    assert baseline.test.accuracy == 0.5
