import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from ecomclf.data.class_weights import class_weights
from ecomclf.errors import ConfigError

CLASSES = ("Books", "Hats", "Toys")


def test_balanced_weights_are_scikit_learns() -> None:
    """A class without rows does not count; all rows together weigh as much as without weights."""
    labels = np.array([0] * 7 + [2] * 2, np.int32)
    weights = class_weights(labels, CLASSES, "balanced")
    assert weights is not None
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels)
    np.testing.assert_allclose(weights[[0, 2]], expected, rtol=1e-6)
    assert weights[labels].sum() == pytest.approx(len(labels))


def test_weights_may_be_given_by_name() -> None:
    """Classes that are not named weigh 1; without weights there are none."""
    labels = np.array([0, 1, 2], np.int32)
    weights = class_weights(labels, CLASSES, {"Toys": 5.0})
    assert weights is not None
    assert (weights.tolist(), weights.dtype) == ([1.0, 1.0, 5.0], np.float32)
    assert class_weights(labels, CLASSES, "none") is None


def test_an_unknown_class_is_an_error_that_names_near_ones() -> None:
    """In one line, with the key."""
    said = r"^train.class_weight names the class 'toy', .*; did you mean 'Toys'\?$"
    with pytest.raises(ConfigError, match=said):
        class_weights(np.zeros(3, np.int32), CLASSES, {"Books": 2.0, "toy": 5.0})
