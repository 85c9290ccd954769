import contextlib
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.dataset import Dataset
from ecomclf.data.splitting import Split, Subset, check_split, shared_test_texts, split_dataset
from ecomclf.errors import ConfigError, DataError, JobError


def make_dataset(rows: list[tuple[str, int]], **fields: Any) -> Dataset:
    """Return a data set with the given classes and groups; each text is its row number."""
    classes = tuple(sorted({name for name, _ in rows}))
    return Dataset(
        texts=tuple(str(row) for row in range(len(rows))),
        labels=np.array([classes.index(name) for name, _ in rows], np.int32),
        classes=classes,
        groups=np.array([group for _, group in rows], np.int32),
        fingerprint="f",
        **fields,
    )


def ungrouped(**rows_a_class: int) -> list[tuple[str, int]]:
    """Return rows that are a group of their own each."""
    names = [name for name, count in rows_a_class.items() for _ in range(count)]
    return [(name, group) for group, name in enumerate(names)]


def in_random_groups(seed: int, mixed: bool) -> list[tuple[str, int]]:
    """Return rows in groups of up to 9, of one class or with a row of another class."""
    chance = Random(seed)
    rows = []
    for group in range(60):
        name = "abc"[group % 3]
        rows += [(name, group)] * chance.randint(2 if mixed else 1, 9)
        if mixed and chance.random() < 0.5:
            rows.append((chance.choice("abc"), group))
    chance.shuffle(rows)
    return rows


def one_group_holds_most() -> list[tuple[str, int]]:
    """Return 100 rows of a class in one group and 5 ungrouped, and 12 rows of another class."""
    rows = [("a", 0)] * 100 + [("a", group) for group in range(1, 6)]
    return rows + [("b", group) for group in range(6, 18)]


STRUCTURES = {
    "ungrouped": ungrouped(a=40, b=15, c=3),
    "groups": in_random_groups(1, mixed=False),
    "mixed groups": in_random_groups(2, mixed=True),
    "one large group": one_group_holds_most(),
    "three groups each": [("a", 0), ("a", 1), ("a", 2), ("b", 3), ("b", 3), ("b", 4), ("b", 5)],
}


def subsets(split: Split) -> tuple[Subset, Subset, Subset]:
    """Return training, validation and test rows."""
    return split.train, split.validation, split.test


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", STRUCTURES.values(), ids=STRUCTURES)
def test_a_split_is_leak_free_and_stratified(rows: list[tuple[str, int]], seed: int) -> None:
    """Each row is in one subset with all its group; each subset has every class."""
    dataset = make_dataset(rows)
    split = split_dataset(dataset, DataConfig(split_seed=seed))
    assert sorted(sum((subset.texts for subset in subsets(split)), ())) == sorted(dataset.texts)
    train, validation, test = (set(subset.groups.tolist()) for subset in subsets(split))
    assert not (train & validation | train & test | validation & test)
    for subset in subsets(split):
        assert set(subset.labels.tolist()) == set(range(len(dataset.classes)))
        assert len(subset) == len(subset.texts) == len(subset.labels) == len(subset.groups)


def test_texts_keep_their_labels_and_groups() -> None:
    """The rows of a subset are rows of the data set."""
    dataset = make_dataset(in_random_groups(3, mixed=True))
    for subset in subsets(split_dataset(dataset, DataConfig())):
        at = [int(text) for text in subset.texts]
        assert subset.labels.tolist() == dataset.labels[at].tolist()
        assert subset.groups.tolist() == dataset.groups[at].tolist()


@pytest.mark.parametrize("counts", [{"a": 20, "b": 100}, {"a": 37, "b": 1001, "c": 64}])
@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.1, 0.3), (0.4, 0.4)])
def test_subsets_have_the_requested_fractions_of_each_class(
    counts: dict[str, int], validation: float, test: float
) -> None:
    """With ungrouped rows, within two rows."""
    config = DataConfig(validation_size=validation, test_size=test)
    split = split_dataset(make_dataset(ungrouped(**counts)), config)
    shares = (1 - validation - test, validation, test)
    for subset, share in zip(subsets(split), shares, strict=True):
        for label, name in enumerate(split.classes):
            found = int((subset.labels == label).sum())
            assert abs(found - share * counts[name]) < 2


def test_a_large_group_keeps_the_fractions() -> None:
    """With a group of 30 among 70 ungrouped rows, the subsets have 70, 15 and 15 rows."""
    rows = [("a", 0)] * 30 + [("a", group) for group in range(1, 71)]
    rows += [("b", group) for group in range(71, 171)]
    split = split_dataset(make_dataset(rows), DataConfig(validation_size=0.15, test_size=0.15))
    for subset, expected in zip(subsets(split), (70, 15, 15), strict=True):
        assert abs(int((subset.labels == 0).sum()) - expected) < 2


def test_the_same_seed_reproduces_the_split() -> None:
    """Row by row."""
    dataset = make_dataset(ungrouped(a=50, b=50))
    one, other = (split_dataset(dataset, DataConfig(split_seed=3)) for _ in range(2))
    assert [subset.texts for subset in subsets(one)] == [subset.texts for subset in subsets(other)]


def test_another_seed_makes_another_split() -> None:
    """Each subset has other rows."""
    dataset = make_dataset(ungrouped(a=50, b=50))
    one, other = (split_dataset(dataset, DataConfig(split_seed=seed)) for seed in (3, 4))
    for subset, other_subset in zip(subsets(one), subsets(other), strict=True):
        assert set(subset.texts) != set(other_subset.texts)


def test_a_split_has_the_attributes_of_its_data_set() -> None:
    """Classes, fingerprint and `fill_missing`."""
    split = split_dataset(make_dataset(ungrouped(a=5, b=5), fill_missing="none"), DataConfig())
    assert (split.classes, split.fingerprint) == (("a", "b"), "f")
    assert split.fill_missing == "none"


@pytest.mark.parametrize(
    "rows",
    [
        [*ungrouped(big=20), ("rare", 20), ("rare", 21)],
        [*ungrouped(big=20), *[("rare", 20)] * 9, *[("rare", 21)] * 9],
        # The third row of the class is in a group that counts for the other class.
        [*ungrouped(big=20), ("big", 0), ("rare", 0), ("rare", 20), ("rare", 21)],
    ],
)
def test_a_class_with_two_groups_is_an_error(rows: list[tuple[str, int]]) -> None:
    """Two groups cannot be in three subsets, however many rows they have."""
    with pytest.raises(DataError, match="class 'rare'") as caught:
        split_dataset(make_dataset(rows), DataConfig())
    message = str(caught.value)
    assert "'rare' (2) " in message
    assert "a class needs at least 3 near-duplicate groups" in message
    assert "\n" not in message


def test_all_classes_with_too_few_groups_are_named() -> None:
    """In one message, so that one edit fixes the data; of many only the first ten."""
    few = {f"rare{number:02}": 1 + number % 2 for number in range(12)}
    with pytest.raises(DataError) as caught:
        split_dataset(make_dataset(ungrouped(big=20, **few)), DataConfig())
    message = str(caught.value)
    assert "classes 'rare00' (1), 'rare01' (2), " in message
    assert "'rare09' (2) and 2 more to split" in message
    assert "big" not in message


def make_rows(labels: list[int], groups: list[int]) -> Subset:
    """Return a subset with these labels and groups."""
    texts = tuple(f"text {group}" for group in groups)
    return Subset(texts, np.array(labels, np.int32), np.array(groups, np.int32))


GOOD = (make_rows([0, 1], [0, 1]), make_rows([1, 0], [2, 3]), make_rows([0, 1, 1], [4, 5, 5]))


def test_a_valid_split_passes_the_check() -> None:
    """The subsets share no group and have every class."""
    check_split(Split(*GOOD, classes=("a", "b"), fingerprint=""))


@pytest.mark.parametrize(
    ("at", "bad", "said"),
    [
        (1, make_rows([1, 0], [2, 0]), ("group 0", "training", "validation")),
        (2, make_rows([0, 1], [1, 6]), ("group 1", "training", "test")),
        (2, make_rows([0, 1], [6, 3]), ("group 3", "validation", "test")),
        (0, make_rows([0, 0], [0, 1]), ("training", "'b'")),
        (1, make_rows([1], [2]), ("validation", "'a'")),
        (2, make_rows([], []), ("test", "'a'")),
    ],
)
def test_an_invalid_split_is_an_error(at: int, bad: Subset, said: tuple[str, ...]) -> None:
    """The message names the group and its two subsets, or the missing class."""
    split = [*GOOD[:at], bad, *GOOD[at + 1 :]]
    with pytest.raises(JobError) as caught:
        check_split(Split(*split, classes=("a", "b"), fingerprint=""))
    assert all(words in str(caught.value) for words in said)


def test_a_text_in_two_subsets_is_an_error_whatever_its_groups() -> None:
    """Only the protocol `random_rows` allows it."""
    copy = Subset(("text 0", "text 7"), np.array([1, 0], np.int32), np.array([8, 7], np.int32))
    split = Split(GOOD[0], copy, GOOD[2], classes=("a", "b"), fingerprint="")
    with pytest.raises(JobError, match=r"'text 0' is in the training and the validation rows"):
        check_split(split)
    check_split(replace(split, protocol="random_rows"))


@pytest.mark.parametrize("protocol", ["groups", "random_rows"])
def test_a_row_in_two_subsets_is_an_error(protocol: str) -> None:
    """With either protocol."""
    split = Split(GOOD[0], GOOD[0], GOOD[2], classes=("a", "b"), fingerprint="", protocol=protocol)
    with pytest.raises(JobError, match="near-duplicate group 0"):
        check_split(split)


@pytest.mark.parametrize(("at", "is_valid"), [(0, False), (1, False), (2, True)])
def test_only_a_test_file_may_lack_a_class(at: int, is_valid: bool) -> None:
    """Training and validation rows must have every class."""
    split = [*GOOD[:at], make_rows([1], [9]), *GOOD[at + 1 :]]
    split = Split(*split, classes=("a", "b"), fingerprint="", has_test_file=True)
    with contextlib.nullcontext() if is_valid else pytest.raises(JobError, match="'a'"):
        check_split(split)


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_a_test_file_are_the_test_rows(seed: int) -> None:
    """The others are split in two without dividing groups; `test_size` is ignored."""
    drawn = in_random_groups(seed, mixed=True)
    rows = [*drawn, ("a", 60), ("b", 61), ("b", 61)]
    config = DataConfig(
        source="x.csv", test_source="y.csv", validation_size=0.4, test_size=0.9, split_seed=seed
    )
    split = split_dataset(make_dataset(rows, test_rows=3), config)
    assert split.has_test_file
    assert split.test.texts == tuple(str(len(drawn) + row) for row in range(3))
    assert split.test.labels.tolist() == [0, 1, 1]
    assert len(split.train) + len(split.validation) == len(drawn)
    assert abs(len(split.validation) / len(drawn) - 0.4) < 0.05
    assert not set(split.train.groups.tolist()) & set(split.validation.groups.tolist())
    for subset in (split.train, split.validation):
        assert set(subset.labels.tolist()) == {0, 1, 2}


def test_with_a_test_file_a_class_needs_two_groups() -> None:
    """A class with one group is an error that gives the number needed."""
    config = DataConfig(source="x.csv", test_source="y.csv")
    rows = [*ungrouped(big=20), ("rare", 20), ("rare", 21), ("big", 22)]
    split = split_dataset(make_dataset(rows, test_rows=1), config)
    assert [int((subset.labels == 1).sum()) for subset in subsets(split)] == [1, 1, 0]
    rows = [*ungrouped(big=20), ("rare", 20), ("rare", 20), ("rare", 21)]
    with pytest.raises(
        DataError, match=r"\(1\) .* training and validation rows: a class needs at least 2"
    ) as caught:
        split_dataset(make_dataset(rows, test_rows=1), config)
    assert "class 'rare'" in str(caught.value)


def make_copies(rows_a_class: dict[str, int]) -> Dataset:
    """Return a `random_rows` data set with ten copies of each text, some in both classes."""
    dataset = make_dataset(ungrouped(**rows_a_class), protocol="random_rows")
    return replace(dataset, texts=tuple(f"text {row // 10}" for row in range(len(dataset.texts))))


def test_with_random_rows_duplicates_straddle_the_split() -> None:
    """Subsets are stratified; more than half of the test texts are in training too."""
    dataset = make_copies({"a": 205, "b": 100})
    split = split_dataset(dataset, DataConfig())
    assert split.protocol == "random_rows"
    for subset, share in zip(subsets(split), (0.7, 0.15, 0.15), strict=True):
        for label, count in enumerate((205, 100)):
            assert abs(int((subset.labels == label).sum()) - share * count) < 2
    duplicates = sum(text in set(split.train.texts) for text in split.test.texts)
    assert shared_test_texts(split) == duplicates > len(split.test) / 2


def test_random_rows_depend_on_the_seed() -> None:
    """The same seed draws the same test rows, another seed other rows."""
    dataset = make_copies({"a": 50, "b": 50})
    one, same, other = (
        split_dataset(dataset, DataConfig(split_seed=seed)).test.groups.tolist()
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_class_with_two_random_rows_is_an_error() -> None:
    """Every class must be in every subset."""
    with pytest.raises(DataError, match=r"class 'rare' \(2\) .*: a class needs at least 3 rows"):
        split_dataset(make_copies({"big": 20, "rare": 2}), DataConfig())


def test_shared_test_texts_counts_test_rows() -> None:
    """Case, punctuation and spaces are ignored; validation rows do not matter."""
    train, validation, test = (
        Subset(texts, np.zeros(len(texts), np.int32), np.zeros(len(texts), np.int32))
        for texts in [
            ("Red shoe", "girls hat", "red shoe"),
            ("blue hat",),
            ("RED SHOE!", "red-shoe", "girl s hat", "blue hat", "red"),
        ]
    )
    split = Split(train, validation, test, ("a",), "", protocol="random_rows")
    assert shared_test_texts(split) == 3


def resampled(**wanted: int) -> Split:
    """Resample and split rows 0 to 39 of class a, 40 to 51 of b and 52 to 61 of c."""
    dataset = make_dataset(ungrouped(a=40, b=12, c=10), protocol="random_rows")
    return split_dataset(dataset, DataConfig(split="random_rows", resample=wanted))


def test_random_rows_are_resampled_before_the_split() -> None:
    """The subsets together have the rows wanted; other classes keep their rows."""
    split = resampled(a=20, b=100)
    for label, count in enumerate((20, 100, 10)):
        for subset, share in zip(subsets(split), (0.7, 0.15, 0.15), strict=True):
            assert abs(int((subset.labels == label).sum()) - share * count) < 2
        assert sum(int((subset.labels == label).sum()) for subset in subsets(split)) == count
    for subset in subsets(split):
        classes = [0 if int(text) < 40 else 1 if int(text) < 52 else 2 for text in subset.texts]
        assert subset.labels.tolist() == classes


def test_only_oversampled_rows_straddle_the_split() -> None:
    """Copies of a row drawn twice may be in two subsets."""
    train, validation, test = (set(subset.texts) for subset in subsets(resampled(a=20, b=100)))
    shared = {int(text) for text in train & validation | train & test | validation & test}
    assert shared
    assert shared <= set(range(40, 52))


def test_resampling_an_unknown_class_is_an_error() -> None:
    """The message names it and the classes of the data."""
    with pytest.raises(ConfigError, match=r"'d', which the data does not have; it has a, b, c"):
        resampled(d=5)
