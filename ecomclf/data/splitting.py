"""Leak-free split of a data set into training, validation and test rows."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecomclf.config.data_section import DataConfig
from ecomclf.data.class_names import list_names
from ecomclf.data.dataset import Dataset
from ecomclf.data.near_duplicates import normalised_words, text_key
from ecomclf.data.resampling import resample_rows
from ecomclf.errors import DataError, JobError

# Subsets by number: 0 is training, 1 validation.
_TEST = 2
_MOST_NAMED = 10


@dataclass(frozen=True)
class Subset:
    """Rows of a split: `texts` [rows], `labels` int32 [rows], `groups` int32 [rows]."""

    texts: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def draw_subset(rows: Subset, most: int) -> Subset:
    """Return at most `most` rows, drawn at random with a fixed seed; their order is kept.

    >>> rows = Subset(("a", "b", "c"), np.zeros(3, np.int32), np.arange(3, dtype=np.int32))
    >>> len(draw_subset(rows, most=2)), draw_subset(rows, most=3) is rows
    (2, True)

    """
    if len(rows) <= most:
        return rows
    drawn = np.sort(np.random.default_rng(0).choice(len(rows), most, replace=False))
    return Subset(tuple(rows.texts[row] for row in drawn), rows.labels[drawn], rows.groups[drawn])


@dataclass(frozen=True)
class Split:
    """A data set split into training, validation and test rows.

    Attributes:
        train: the training rows.
        validation: the validation rows.
        test: the test rows.
        classes: class names, sorted; `labels` are indices into them.
        fingerprint: fingerprint of the data set.
        text_columns: names of the columns the texts come from; empty without a header.
        protocol: with `groups` no near-duplicates straddle the split; with `random_rows`
            duplicates of a text may.
        fill_missing: the word that replaced missing texts; "" if those were dropped.
        has_test_file: whether the test rows come from a file of their own; they may lack a class
            then.
        ordered: the class names are numbers, and the distance between them counts.

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
    ordered: bool = False


def split_dataset(dataset: Dataset, config: DataConfig) -> Split:
    """Split a data set into three subsets, stratified by class, without dividing a group.

    Class by class, the groups are shuffled with the seed and sorted by size, largest first; each
    goes to the subset that lacks most rows of the class. A group counts for the class of most of
    its rows. If the data set has test rows of its own, only the others are split, in two. With
    `random_rows`, rows may be resampled first.

    Args:
        dataset: the rows.
        config: `validation_size`, `test_size`, `split_seed` and `resample`.

    Raises:
        ConfigError: `resample` names a class that the data does not have.
        DataError: a class has too few groups to be in every subset.

    >>> rows = np.arange(40, dtype=np.int32)
    >>> texts = tuple(f"text {row}" for row in rows)
    >>> dataset = Dataset(texts, rows % 2, ("Books", "Toys"), rows, fingerprint="")
    >>> split = split_dataset(dataset, DataConfig(validation_size=0.2, test_size=0.3))
    >>> len(split.train), len(split.validation), len(split.test)
    (20, 8, 12)

    """
    if config.resample:
        dataset = _resampled(dataset, config)
    drawn = len(dataset.texts) - dataset.test_rows
    groups = dataset.groups[:drawn]
    of_classes = _groups_of_classes(groups, dataset.labels[:drawn], len(dataset.classes))
    shares = _shares(config, has_test_file=dataset.test_rows > 0)
    _require_groups(dataset, of_classes, subsets=len(shares))
    generator = np.random.default_rng(config.split_seed)
    subset = np.full(len(dataset.texts), _TEST, np.int8)
    subset[:drawn] = _assign_subsets(groups, of_classes, shares, generator)
    train, validation, test = (
        _rows(dataset, np.flatnonzero(subset == number)) for number in range(_TEST + 1)
    )
    split = Split(
        train=train,
        validation=validation,
        test=test,
        classes=dataset.classes,
        fingerprint=dataset.fingerprint,
        text_columns=dataset.text_columns,
        protocol=dataset.protocol,
        fill_missing=dataset.fill_missing,
        ordered=dataset.ordered,
        has_test_file=dataset.test_rows > 0,
    )
    check_split(split)
    return split


def _resampled(dataset: Dataset, config: DataConfig) -> Dataset:
    """Resample the rows of each class; every drawn row is a group of its own."""
    rows = resample_rows(dataset.labels, dataset.classes, config.resample, config.split_seed)
    return replace(
        dataset,
        texts=tuple(dataset.texts[row] for row in rows),
        labels=dataset.labels[rows],
        groups=np.arange(len(rows), dtype=np.int32),
    )


def check_split(split: Split) -> None:
    """Check that a split is leak-free and that every subset has every class.

    No two subsets share a group or, with the protocol `groups`, a text.

    Raises:
        JobError: the split is not leak-free, or a subset lacks a class.

    """
    subsets = {"training": split.train, "validation": split.validation, "test": split.test}
    for name, rows in subsets.items():
        missing = sorted(set(range(len(split.classes))) - set(rows.labels.tolist()))
        if missing and not (name == "test" and split.has_test_file):
            raise JobError(f"the {name} rows have no row of class {split.classes[missing[0]]!r}")
    for name, other in itertools.combinations(subsets, 2):
        shared = np.intersect1d(subsets[name].groups, subsets[other].groups)
        if len(shared):
            raise _leak(f"near-duplicate group {shared[0]}", name, other)
    if split.protocol == "groups":
        _check_texts(subsets)


def _check_texts(subsets: Mapping[str, Subset]) -> None:
    """Raise JobError if a text is in two subsets."""
    owner: dict[str, str] = {}
    for name, rows in subsets.items():
        for text in set(rows.texts) & owner.keys():
            raise _leak(f"the text {text[:60]!r}", owner[text], name)
        owner |= dict.fromkeys(rows.texts, name)


def shared_test_texts(split: Split) -> int:
    """Return how many test rows have a duplicate in training, ignoring case and punctuation."""
    known = {text_key(normalised_words(text)) for text in split.train.texts}
    return sum(text_key(normalised_words(text)) in known for text in split.test.texts)


def _leak(what: str, subset: str, other: str) -> JobError:
    return JobError(
        f"{what} is in the {subset} and the {other} rows: the split is not leak-free; no model was "
        "trained"
    )


def _shares(config: DataConfig, *, has_test_file: bool) -> np.ndarray:
    """Return the fraction of rows for each subset to be drawn; float64 [subsets]."""
    if has_test_file:
        return np.array([1 - config.validation_size, config.validation_size])
    return np.array([1 - config.validation_size - config.test_size,
                     config.validation_size, config.test_size])  # fmt: skip


def _require_groups(dataset: Dataset, of_classes: Sequence[np.ndarray], *, subsets: int) -> None:
    """Raise DataError if classes have fewer groups than there are subsets."""
    drawn = "training, validation and test" if subsets == 3 else "training and validation"
    unit = "rows" if dataset.protocol == "random_rows" else "near-duplicate groups"
    few = [
        f"{name!r} ({len(groups)})"
        for name, groups in zip(dataset.classes, of_classes, strict=True)
        if len(groups) < subsets
    ]
    if few:
        kind = "class" if len(few) == 1 else "classes"
        raise DataError(
            f"too few rows of the {kind} {list_names(few, _MOST_NAMED)} to split into {drawn} rows:"
            f" a class needs at least {subsets} {unit}; add rows, or drop the {kind} with "
            "data.min_rows_a_label or data.drop_labels"
        )


def _groups_of_classes(groups: np.ndarray, labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """Return for each class the groups in which it has most rows; int64 [groups of the class]."""
    pairs, counts = np.unique(groups.astype(np.int64) * classes + labels, return_counts=True)
    group, label = np.divmod(pairs, classes)
    by_rows = np.lexsort((label, -counts, group))
    present, first = np.unique(group[by_rows], return_index=True)
    majority = label[by_rows][first]
    return [present[majority == each] for each in range(classes)]


def _assign_subsets(
    groups: np.ndarray,
    of_classes: Sequence[np.ndarray],
    shares: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return the number of the subset of each row; int8 [rows]."""
    sizes = np.bincount(groups)
    subset_of_group = np.zeros(len(sizes), np.int8)
    every = list(range(len(shares)))
    for of_class in of_classes:
        shuffled = generator.permutation(of_class)
        largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        lacking = shares * sizes[of_class].sum()
        empty = set(every)
        for position, group in enumerate(largest_first):
            left = len(largest_first) - position
            # The last groups go to the subsets that would otherwise have no row of this class.
            candidates = sorted(empty) if left <= len(empty) else every
            subset = max(candidates, key=lambda number: lacking[number])
            subset_of_group[group] = subset
            lacking[subset] -= sizes[group]
            empty.discard(subset)
    subsets: np.ndarray = subset_of_group[groups]
    return subsets


def _rows(dataset: Dataset, rows: np.ndarray) -> Subset:
    texts = tuple(dataset.texts[row] for row in rows)
    return Subset(texts, dataset.labels[rows], dataset.groups[rows])
