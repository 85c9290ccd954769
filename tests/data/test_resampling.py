import numpy as np
import pytest

from ecomclf.data.resampling import drop_suspects, require_classes, resample_rows
from ecomclf.errors import ConfigError

CLASSES = ("a", "b", "c")
# Class a has rows 0, 3, 6 and 9, class b rows 1, 4 and 7, class c rows 2, 5 and 8.
LABELS = np.arange(10, dtype=np.int32) % 3


def draw(seed: int = 0, labels: np.ndarray = LABELS, **wanted: int) -> list[int]:
    """Return the rows drawn."""
    return resample_rows(labels, CLASSES, wanted, seed).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_undersampling_is_without_replacement(seed: int) -> None:
    """A class with more rows than wanted is left with distinct rows."""
    of_a = [row for row in draw(seed, a=3) if LABELS[row] == 0]
    assert len(of_a) == len(set(of_a)) == 3
    assert set(of_a) < {0, 3, 6, 9}


@pytest.mark.parametrize("seed", range(5))
def test_oversampling_keeps_all_rows(seed: int) -> None:
    """A class with fewer rows than wanted keeps them all; the others are copies of them."""
    of_b = [row for row in draw(seed, b=8) if LABELS[row] == 1]
    assert len(of_b) == 8
    assert set(of_b) == {1, 4, 7}


def test_the_present_number_of_rows_changes_nothing() -> None:
    """No row is drawn twice and none is left out."""
    assert draw(a=4, b=3, c=3) == list(range(10))


def test_classes_that_are_not_named_keep_their_rows() -> None:
    """Each of their rows is drawn once, whatever is drawn of other classes."""
    drawn = draw(a=1, b=20)
    assert [row for row in drawn if LABELS[row] == 2] == [2, 5, 8]
    assert draw() == list(range(10))


def test_rows_keep_their_order() -> None:
    """The drawn rows are ascending."""
    drawn = draw(a=2, b=9, c=5)
    assert drawn == sorted(drawn)
    assert len(drawn) == 16


def test_the_draw_depends_on_the_seed() -> None:
    """The same seed draws the same rows, another seed other rows."""
    labels = np.zeros(1000, np.int32)
    assert draw(3, labels, a=500) == draw(3, labels, a=500)
    assert draw(3, labels, a=500) != draw(4, labels, a=500)


def test_suspects_are_dropped() -> None:
    """Rows with less than the least support are left out; the others keep their order."""
    support = np.linspace(0, 0.9, 10, dtype=np.float32)
    assert drop_suspects(LABELS, support, 0.35).tolist() == [4, 5, 6, 7, 8, 9]
    assert drop_suspects(LABELS, support, 0.0).tolist() == list(range(10))


def test_a_class_of_suspects_keeps_its_rows() -> None:
    """No class vanishes, whatever is thought of its labels."""
    support = np.where(LABELS == 1, 0.01, 0.8)
    support[0] = 0.02
    assert drop_suspects(LABELS, support, 0.5).tolist() == list(range(1, 10))


def test_an_unknown_class_is_an_error() -> None:
    """The message names it and the classes of the data."""
    for refuse in (
        lambda: draw(a=1, d=5),
        lambda: require_classes(CLASSES, {"a": 1, "d": 5}, "resample"),
    ):
        with pytest.raises(ConfigError) as caught:
            refuse()
        message = str(caught.value)
        assert "'d'" in message
        assert "a, b, c" in message
        assert "\n" not in message
    require_classes(CLASSES, {"c": 5}, "resample")


def test_the_error_lists_at_most_20_classes() -> None:
    """The number of the others is given."""
    with pytest.raises(ConfigError, match=r"it has c00, c01, .*, c19 and 57 more$"):
        require_classes(tuple(f"c{number:02}" for number in range(77)), {"d": 5}, "x")


def test_the_error_names_near_classes_where_there_are_some() -> None:
    """Upper and lower case are alike."""
    with pytest.raises(ConfigError, match=r"'toy', .* have; did you mean 'TOYS' or 'Toys'\?$"):
        require_classes(("Books", "Toys", "TOYS"), ["toy"], "resample")
