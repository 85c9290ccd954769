"""Three sides that share no text: training, validation and test rows."""

from dataclasses import dataclass

import numpy as np

from ecomclf.config import DataConfig
from ecomclf.data import Dataset
from ecomclf.errors import DataError, JobError


@dataclass(frozen=True)
class Rows:
    """One side of a split: `texts` [rows], `labels` int32 [rows], `groups` int32 [rows]."""

    texts: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Split:
    """A data set in three sides that share no group."""

    train: Rows
    validation: Rows
    test: Rows
    classes: tuple[str, ...]
    fingerprint: str
    text_columns: tuple[str, ...] = ()


def split_rows(dataset: Dataset, config: DataConfig) -> Split:
    """Part a data set in three, groups whole, every class on every side in like shares.

    Class by class, the groups go in a seeded random order, larger ones first, each to the side
    that lacks most rows. A group counts for the class that most of its rows have.

    Raises:
        DataError: a class has too few groups for three sides.

    """
    shares = np.array([1 - config.validation_size - config.test_size,
                       config.validation_size, config.test_size])  # fmt: skip
    for name, groups in zip(dataset.classes, _groups_of_classes(dataset), strict=True):
        if len(groups) < 3:
            raise DataError(
                f"too few rows of the class {name!r} to split into training, validation and test "
                f"rows: groups of like texts {len(groups)}, needed 3; add rows or drop the class"
            )
    side = _assign_sides(dataset, shares, np.random.default_rng(config.split_seed))
    train, validation, test = (
        _rows(dataset, np.flatnonzero(side == number)) for number in (0, 1, 2)
    )
    parted = Split(
        train, validation, test, dataset.classes, dataset.fingerprint, dataset.text_columns
    )
    check_split(parted)
    return parted


def check_split(parted: Split) -> None:
    """Refuse a split in which two sides share a group or a side lacks a class.

    Raises:
        JobError: what the figures say would not be honest.

    """
    sides = {"train": parted.train, "validation": parted.validation, "test": parted.test}
    owner: dict[int, str] = {}
    for name, rows in sides.items():
        for group in np.unique(rows.groups).tolist():
            if group in owner:
                raise JobError(
                    f"text group {group} is on two sides of the split, {owner[group]} and {name}; "
                    "nothing is trained on it: its figures would not be honest"
                )
            owner[group] = name
        missing = sorted(set(range(len(parted.classes))) - set(rows.labels.tolist()))
        if missing:
            raise JobError(f"the {name} rows hold no row of class {parted.classes[missing[0]]!r}")


def _groups_of_classes(dataset: Dataset) -> list[np.ndarray]:
    """Give for each class the groups in which it has most rows; int32 [groups of the class]."""
    counts = np.zeros((int(dataset.groups.max()) + 1, len(dataset.classes)), np.int32)
    np.add.at(counts, (dataset.groups, dataset.labels), 1)
    majority = counts.argmax(axis=1)
    return [np.flatnonzero(majority == label) for label in range(len(dataset.classes))]


def _assign_sides(
    dataset: Dataset, shares: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Give the number of its side for each row; int8 [rows]."""
    sizes = np.bincount(dataset.groups)
    side_of_group = np.zeros(len(sizes), np.int8)
    for groups in _groups_of_classes(dataset):
        shuffled = generator.permutation(groups)
        largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        lacking = shares * sizes[groups].sum()
        empty = {0, 1, 2}
        for position, group in enumerate(largest_first):
            left = len(largest_first) - position
            # The last groups go to the sides that would otherwise have none of this class.
            candidates = sorted(empty) if left <= len(empty) else [0, 1, 2]
            side = max(candidates, key=lambda number: lacking[number])
            side_of_group[group] = side
            lacking[side] -= sizes[group]
            empty.discard(side)
    sides: np.ndarray = side_of_group[dataset.groups]
    return sides


def _rows(dataset: Dataset, rows: np.ndarray) -> Rows:
    texts = tuple(dataset.texts[row] for row in rows)
    return Rows(texts, dataset.labels[rows], dataset.groups[rows])
