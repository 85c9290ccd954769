"""Three sides that share no text, unless asked for: training, validation and test rows."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecomclf.config.schema import DataConfig
from ecomclf.data.dataset import Dataset
from ecomclf.data.near_duplicates import normalised_words, text_key
from ecomclf.data.resampling import resample_rows
from ecomclf.errors import DataError, JobError

# The number of the side that comes last.
_TEST = 2
_MOST_NAMED = 10


@dataclass(frozen=True)
class Subset:
    """One side of a split: `texts` [rows], `labels` int32 [rows], `groups` int32 [rows]."""

    texts: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def draw_subset(rows: Subset, most: int) -> Subset:
    """Give some rows drawn at random, always the same ones; all where there are no more."""
    if len(rows) <= most:
        return rows
    drawn = np.sort(np.random.default_rng(0).choice(len(rows), most, replace=False))
    return Subset(tuple(rows.texts[row] for row in drawn), rows.labels[drawn], rows.groups[drawn])


@dataclass(frozen=True)
class Split:
    """A data set in three sides.

    `protocol` is `groups`, where the sides share no group, or `random_rows`, where copies of a text
    may stand on two sides. With `has_test_file` the test rows were not drawn but given, and may
    lack a class.
    """

    train: Subset
    validation: Subset
    test: Subset
    classes: tuple[str, ...]
    fingerprint: str
    text_columns: tuple[str, ...] = ()
    protocol: str = "groups"
    fill_missing: str = ""
    has_test_file: bool = False


def split_dataset(dataset: Dataset, config: DataConfig) -> Split:
    """Part a data set in three, groups whole, every class on every side in like shares.

    Class by class, the groups go in a seeded random order, larger ones first, each to the side
    that lacks most rows. A group counts for the class that most of its rows have. Where there is a
    test file, its rows are the third side, and the others are parted in two. Rows dealt at random
    may be resampled first.

    Raises:
        ConfigError: `resample` names what is no class.
        DataError: a class has too few groups for the sides.

    """
    if config.resample:
        dataset = _resampled(dataset, config)
    drawn = len(dataset.texts) - dataset.test_rows
    groups = dataset.groups[:drawn]
    of_classes = _groups_of_classes(groups, dataset.labels[:drawn], len(dataset.classes))
    shares = _shares(config, has_test_file=dataset.test_rows > 0)
    _require_groups(dataset, of_classes, sides=len(shares))
    generator = np.random.default_rng(config.split_seed)
    side = np.full(len(dataset.texts), _TEST, np.int8)
    side[:drawn] = _assign_sides(groups, of_classes, shares, generator)
    train, validation, test = (
        _rows(dataset, np.flatnonzero(side == number)) for number in range(_TEST + 1)
    )
    parted = Split(
        train=train,
        validation=validation,
        test=test,
        classes=dataset.classes,
        fingerprint=dataset.fingerprint,
        text_columns=dataset.text_columns,
        protocol=dataset.protocol,
        fill_missing=dataset.fill_missing,
        has_test_file=dataset.test_rows > 0,
    )
    check_split(parted)
    return parted


def _resampled(dataset: Dataset, config: DataConfig) -> Dataset:
    """Draw rows of each class, copies among them, each in a group of its own."""
    rows = resample_rows(dataset.labels, dataset.classes, config.resample, config.split_seed)
    return replace(
        dataset,
        texts=tuple(dataset.texts[row] for row in rows),
        labels=dataset.labels[rows],
        groups=np.arange(len(rows), dtype=np.int32),
    )


def check_split(parted: Split) -> None:
    """Refuse a split in which two sides share a group or a side lacks a class.

    By the protocol `groups` no text is on two sides either, whatever the groups say.

    Raises:
        JobError: what the figures say would not be honest.

    """
    sides = {"train": parted.train, "validation": parted.validation, "test": parted.test}
    for name, rows in sides.items():
        missing = sorted(set(range(len(parted.classes))) - set(rows.labels.tolist()))
        if missing and not (name == "test" and parted.has_test_file):
            raise JobError(f"the {name} rows hold no row of class {parted.classes[missing[0]]!r}")
    for name, other in itertools.combinations(sides, 2):
        groups = np.intersect1d(sides[name].groups, sides[other].groups)
        if len(groups):
            raise _not_honest(f"text group {groups[0]}", name, other)
    if parted.protocol == "groups":
        _check_texts(sides)


def _check_texts(sides: Mapping[str, Subset]) -> None:
    """Refuse a text that stands on two sides."""
    owner: dict[str, str] = {}
    for name, rows in sides.items():
        for text in set(rows.texts) & owner.keys():
            raise _not_honest(f"the text {text[:60]!r}", owner[text], name)
        owner |= dict.fromkeys(rows.texts, name)


def shared_test_texts(parted: Split) -> int:
    """Count the test rows whose text stands in training too, case, punctuation and spaces aside."""
    known = {text_key(normalised_words(text)) for text in parted.train.texts}
    return sum(text_key(normalised_words(text)) in known for text in parted.test.texts)


def _not_honest(what: str, side: str, other: str) -> JobError:
    return JobError(
        f"{what} is on two sides of the split, {side} and {other}; nothing is trained on it: its "
        "figures would not be honest"
    )


def _shares(config: DataConfig, *, has_test_file: bool) -> np.ndarray:
    """Give the share of each side that is drawn; float64 [sides]."""
    if has_test_file:
        return np.array([1 - config.validation_size, config.validation_size])
    return np.array([1 - config.validation_size - config.test_size,
                     config.validation_size, config.test_size])  # fmt: skip


def _require_groups(dataset: Dataset, of_classes: Sequence[np.ndarray], *, sides: int) -> None:
    """Refuse classes that cannot be on every side."""
    drawn = "training, validation and test" if sides == 3 else "training and validation"
    counted = "rows" if dataset.protocol == "random_rows" else "groups of like texts"
    few = [
        f"{name!r} ({len(groups)})"
        for name, groups in zip(dataset.classes, of_classes, strict=True)
        if len(groups) < sides
    ]
    if few:
        kind = "class" if len(few) == 1 else "classes"
        more = f" and {len(few) - _MOST_NAMED:,} more" if len(few) > _MOST_NAMED else ""
        named = f"the {kind} {', '.join(few[:_MOST_NAMED])}{more}"
        raise DataError(
            f"too few rows of {named} to split into {drawn} rows: needed {sides} {counted}; add "
            f"rows or drop the {kind}"
        )


def _groups_of_classes(groups: np.ndarray, labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """Give for each class the groups in which it has most rows; int64 [groups of the class]."""
    pairs, counts = np.unique(groups.astype(np.int64) * classes + labels, return_counts=True)
    group, label = np.divmod(pairs, classes)
    by_rows = np.lexsort((label, -counts, group))
    present, first = np.unique(group[by_rows], return_index=True)
    majority = label[by_rows][first]
    return [present[majority == each] for each in range(classes)]


def _assign_sides(
    groups: np.ndarray,
    of_classes: Sequence[np.ndarray],
    shares: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Give the number of its side for each row; int8 [rows]."""
    sizes = np.bincount(groups)
    side_of_group = np.zeros(len(sizes), np.int8)
    every = list(range(len(shares)))
    for of_class in of_classes:
        shuffled = generator.permutation(of_class)
        largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        lacking = shares * sizes[of_class].sum()
        empty = set(every)
        for position, group in enumerate(largest_first):
            left = len(largest_first) - position
            # The last groups go to the sides that would otherwise have none of this class.
            candidates = sorted(empty) if left <= len(empty) else every
            side = max(candidates, key=lambda number: lacking[number])
            side_of_group[group] = side
            lacking[side] -= sizes[group]
            empty.discard(side)
    sides: np.ndarray = side_of_group[groups]
    return sides


def _rows(dataset: Dataset, rows: np.ndarray) -> Subset:
    texts = tuple(dataset.texts[row] for row in rows)
    return Subset(texts, dataset.labels[rows], dataset.groups[rows])
