"""Which rows are trained on: classes resampled to given numbers of rows, suspects dropped."""

from collections.abc import Iterable, Mapping

import numpy as np

from ecomclf.data.class_names import list_names, similar_names
from ecomclf.errors import ConfigError


def resample_rows(
    labels: np.ndarray, classes: tuple[str, ...], wanted: Mapping[str, int], seed: int
) -> np.ndarray:
    """Draw rows so that each class in `wanted` has the given number of rows.

    A class with more rows is undersampled without replacement. A class with fewer keeps all its
    rows, and the missing ones are drawn from them with replacement. Other classes keep their rows.

    Args:
        labels: int32 [rows], indices into `classes`.
        classes: class names.
        wanted: number of rows by class name.
        seed: random seed.

    Returns:
        int64 [drawn rows], indices into `labels`, ascending.

    Raises:
        ConfigError: a name in `wanted` is not a class.

    >>> labels = np.array([0, 0, 0, 1], np.int32)
    >>> rows = resample_rows(labels, ("Books", "Toys"), {"Books": 2, "Toys": 3}, seed=0)
    >>> labels[rows].tolist()
    [0, 0, 1, 1, 1]

    """
    require_classes(classes, wanted, "resample")
    generator = np.random.default_rng(seed)
    drawn = []
    for number, name in enumerate(classes):
        rows = np.flatnonzero(labels == number)
        count = wanted.get(name, len(rows))
        more = max(0, count - len(rows))
        kept = generator.permutation(rows)[: count - more]
        drawn.append(np.concatenate([kept, generator.choice(rows, more)]))
    return np.sort(np.concatenate(drawn))


def drop_suspects(labels: np.ndarray, support: np.ndarray, least: float) -> np.ndarray:
    """Return the rows whose label has at least some support, without losing a class.

    Args:
        labels: int32 [rows].
        support: float [rows], how well predictions support the label of each row.
        least: rows with less support are left out, unless it is all rows of a class.

    Returns:
        int64 [kept rows], indices into `labels`, ascending.

    >>> labels = np.array([0, 0, 0, 1, 1], np.int32)
    >>> support = np.array([1, 0.1, 0.9, 0.1, 0.2])
    >>> drop_suspects(labels, support, least=0.5).tolist()
    [0, 2, 3, 4]

    """
    supported = support >= least
    lost = np.setdiff1d(labels, labels[supported])
    return np.flatnonzero(supported | np.isin(labels, lost))


def require_classes(classes: tuple[str, ...], wanted: Iterable[str], key: str) -> None:
    """Check that every name that a config key gives is a class.

    Raises:
        ConfigError: a name is not a class.

    """
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        similar = similar_names(unknown[0], classes)
        hint = (
            f"did you mean {' or '.join(map(repr, similar))}?"
            if similar
            else f"it has {list_names(classes)}"
        )
        raise ConfigError(
            f"{key} names the class {unknown[0]!r}, which the data does not have; {hint}"
        )
