import numpy as np
import pytest

from ecomclf.data.resampling import require_classes, resample_rows
from ecomclf.errors import ConfigError

CLASSES = ("a", "b", "c")
# Rows 0, 3, 6 and 9 are a, rows 1, 4 and 7 are b, rows 2, 5 and 8 are c.
LABELS = np.arange(10, dtype=np.int32) % 3


def draw(seed: int = 0, labels: np.ndarray = LABELS, **wanted: int) -> list[int]:
    """Give the rows drawn."""
    return resample_rows(labels, CLASSES, wanted, seed).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_fewer_rows_are_drawn_without_repeats(seed: int) -> None:
    """Of a class with more rows than wanted, so many different ones are left."""
    of_a = [row for row in draw(seed, a=3) if LABELS[row] == 0]
    assert len(of_a) == len(set(of_a)) == 3
    assert set(of_a) < {0, 3, 6, 9}


@pytest.mark.parametrize("seed", range(5))
def test_more_rows_are_all_there_are_and_some_of_them_again(seed: int) -> None:
    """No row of a class that lacks rows is lost; the rest are its own, drawn again."""
    of_b = [row for row in draw(seed, b=8) if LABELS[row] == 1]
    assert len(of_b) == 8
    assert set(of_b) == {1, 4, 7}


def test_a_class_may_be_wanted_as_it_is() -> None:
    """With the count that it has, nothing is drawn and nothing left out."""
    assert draw(a=4, b=3, c=3) == list(range(10))


def test_classes_that_are_not_named_are_left_alone() -> None:
    """Their rows stand once each, whatever is drawn of others; with no wish all rows do."""
    drawn = draw(a=1, b=20)
    assert [row for row in drawn if LABELS[row] == 2] == [2, 5, 8]
    assert draw() == list(range(10))


def test_rows_keep_their_order() -> None:
    """Rows come in rising order, copies beside each other."""
    drawn = draw(a=2, b=9, c=5)
    assert drawn == sorted(drawn)
    assert len(drawn) == 16


def test_the_same_seed_draws_the_same_rows() -> None:
    """Another seed draws others."""
    labels = np.zeros(1000, np.int32)
    assert draw(3, labels, a=500) == draw(3, labels, a=500)
    assert draw(3, labels, a=500) != draw(4, labels, a=500)


def test_a_class_that_there_is_not_is_refused() -> None:
    """The message names it and the classes that there are."""
    for refuse in (
        lambda: draw(a=1, d=5),
        lambda: require_classes(CLASSES, {"a": 1, "d": 5}),
    ):
        with pytest.raises(ConfigError) as caught:
            refuse()
        message = str(caught.value)
        assert "'d'" in message
        assert "a, b, c" in message
        assert "\n" not in message
    require_classes(CLASSES, {"c": 5})
