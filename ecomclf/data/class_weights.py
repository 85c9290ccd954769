"""Weights of classes in a loss, so that rare classes count for more than their rows."""

import numpy as np

from ecomclf.config.values import ClassWeight
from ecomclf.data.resampling import require_classes


def class_weights(
    labels: np.ndarray, classes: tuple[str, ...], wanted: ClassWeight
) -> np.ndarray | None:
    """Return the weight of each class, as scikit-learn's parameter `class_weight` defines it.

    Args:
        labels: int32 [rows], indices into `classes`, of the training rows.
        classes: class names.
        wanted: `none`; `balanced`, rows / (classes with rows · rows of the class); or a weight by
            class name, where classes that are not named weigh 1.

    Returns:
        float32 [classes]; None for `none`.

    Raises:
        ConfigError: a name in `wanted` is not a class.

    >>> labels = np.array([0, 0, 0, 1], np.int32)
    >>> [round(float(each), 3) for each in class_weights(labels, ("Books", "Toys"), "balanced")]
    [0.667, 2.0]
    >>> class_weights(labels, ("Books", "Toys"), {"Toys": 5.0}).tolist()
    [1.0, 5.0]

    """
    if wanted == "none":
        return None
    if isinstance(wanted, dict):
        require_classes(classes, wanted, "train.class_weight")
        return np.array([wanted.get(name, 1.0) for name in classes], np.float32)
    rows = np.bincount(labels, minlength=len(classes))
    # A class without rows has no weight; 1 stands in for a division by 0.
    return np.asarray(len(labels) / ((rows > 0).sum() * np.maximum(rows, 1)), np.float32)
