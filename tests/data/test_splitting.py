import contextlib
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from ecomclf.config.schema import DataConfig
from ecomclf.data.dataset import Dataset
from ecomclf.data.splitting import Split, Subset, check_split, shared_test_texts, split_dataset
from ecomclf.errors import ConfigError, DataError, JobError


def make_dataset(rows: list[tuple[str, int]], **fields: Any) -> Dataset:
    """Return a data set of rows given as class and group; a text is its row number."""
    classes = tuple(sorted({name for name, _ in rows}))
    return Dataset(
        texts=tuple(str(row) for row in range(len(rows))),
        labels=np.array([classes.index(name) for name, _ in rows], np.int32),
        classes=classes,
        groups=np.array([group for _, group in rows], np.int32),
        fingerprint="f",
        **fields,
    )


def alone(**rows_a_class: int) -> list[tuple[str, int]]:
    """Return rows of which none belongs together with another."""
    names = [name for name, count in rows_a_class.items() for _ in range(count)]
    return [(name, group) for group, name in enumerate(names)]


def in_random_groups(seed: int, mixed: bool) -> list[tuple[str, int]]:
    """Return rows in groups of 1 to 9, of one class or with a row of another class in it."""
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
    """Return 100 rows of a class in one group, beside 5 alone, and 12 rows of another class."""
    rows = [("a", 0)] * 100 + [("a", group) for group in range(1, 6)]
    return rows + [("b", group) for group in range(6, 18)]


STRUCTURES = {
    "alone": alone(a=40, b=15, c=3),
    "groups": in_random_groups(1, mixed=False),
    "mixed groups": in_random_groups(2, mixed=True),
    "one large group": one_group_holds_most(),
    "three groups each": [("a", 0), ("a", 1), ("a", 2), ("b", 3), ("b", 3), ("b", 4), ("b", 5)],
}


def sides(parted: Split) -> tuple[Subset, Subset, Subset]:
    """Return the three sides of a split."""
    return parted.train, parted.validation, parted.test


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", STRUCTURES.values(), ids=STRUCTURES)
def test_a_split_is_honest(rows: list[tuple[str, int]], seed: int) -> None:
    """Each row is on one side with all of its group, and each side has a row of each class."""
    dataset = make_dataset(rows)
    parted = split_dataset(dataset, DataConfig(split_seed=seed))
    assert sorted(sum((side.texts for side in sides(parted)), ())) == sorted(dataset.texts)
    train, validation, test = (set(side.groups.tolist()) for side in sides(parted))
    assert not (train & validation | train & test | validation & test)
    for side in sides(parted):
        assert set(side.labels.tolist()) == set(range(len(dataset.classes)))
        assert len(side) == len(side.texts) == len(side.labels) == len(side.groups)


def test_texts_keep_their_labels_and_groups() -> None:
    """A row of a side is a row of the data set, its label and group with it."""
    dataset = make_dataset(in_random_groups(3, mixed=True))
    for side in sides(split_dataset(dataset, DataConfig())):
        at = [int(text) for text in side.texts]
        assert side.labels.tolist() == dataset.labels[at].tolist()
        assert side.groups.tolist() == dataset.groups[at].tolist()


@pytest.mark.parametrize("counts", [{"a": 20, "b": 100}, {"a": 37, "b": 1001, "c": 64}])
@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.1, 0.3), (0.4, 0.4)])
def test_every_class_has_the_shares_asked_for(
    counts: dict[str, int], validation: float, test: float
) -> None:
    """Of rows that stand alone each side has its share of each class within a row or two."""
    config = DataConfig(validation_size=validation, test_size=test)
    parted = split_dataset(make_dataset(alone(**counts)), config)
    shares = (1 - validation - test, validation, test)
    for side, share in zip(sides(parted), shares, strict=True):
        for label, name in enumerate(parted.classes):
            found = int((side.labels == label).sum())
            assert abs(found - share * counts[name]) < 2


def test_a_large_group_does_not_spoil_the_shares() -> None:
    """With a group of 30 rows among 70 alone, the sides still have 70, 15 and 15 rows."""
    rows = [("a", 0)] * 30 + [("a", group) for group in range(1, 71)]
    rows += [("b", group) for group in range(71, 171)]
    parted = split_dataset(make_dataset(rows), DataConfig(validation_size=0.15, test_size=0.15))
    for side, expected in zip(sides(parted), (70, 15, 15), strict=True):
        assert abs(int((side.labels == 0).sum()) - expected) < 2


def test_the_same_seed_gives_the_same_split() -> None:
    """A split can be made again, row for row."""
    dataset = make_dataset(alone(a=50, b=50))
    one, other = (split_dataset(dataset, DataConfig(split_seed=3)) for _ in range(2))
    assert [side.texts for side in sides(one)] == [side.texts for side in sides(other)]


def test_another_seed_gives_another_split() -> None:
    """Each side holds other rows."""
    dataset = make_dataset(alone(a=50, b=50))
    one, other = (split_dataset(dataset, DataConfig(split_seed=seed)) for seed in (3, 4))
    for side, other_side in zip(sides(one), sides(other), strict=True):
        assert set(side.texts) != set(other_side.texts)


def test_the_split_carries_classes_and_fingerprint() -> None:
    """What the split was made of is known from it."""
    parted = split_dataset(make_dataset(alone(a=5, b=5), fill_missing="none"), DataConfig())
    assert (parted.classes, parted.fingerprint) == (("a", "b"), "f")
    assert parted.fill_missing == "none"


@pytest.mark.parametrize(
    "rows",
    [
        [*alone(big=20), ("rare", 20), ("rare", 21)],
        [*alone(big=20), *[("rare", 20)] * 9, *[("rare", 21)] * 9],
        # Its third row stands in a group that belongs to the other class.
        [*alone(big=20), ("big", 0), ("rare", 0), ("rare", 20), ("rare", 21)],
    ],
)
def test_a_class_of_two_groups_is_refused(rows: list[tuple[str, int]]) -> None:
    """Two groups cannot be on three sides, however many rows they have: named with the class."""
    with pytest.raises(DataError, match="class 'rare'") as caught:
        split_dataset(make_dataset(rows), DataConfig())
    message = str(caught.value)
    assert "'rare' (2) " in message
    assert "needed 3 groups of like texts" in message
    assert "\n" not in message


def test_all_classes_that_are_too_small_are_named_at_once() -> None:
    """One reading is enough to mend the data; of many the first ten are named."""
    few = {f"rare{number:02}": 1 + number % 2 for number in range(12)}
    with pytest.raises(DataError) as caught:
        split_dataset(make_dataset(alone(big=20, **few)), DataConfig())
    message = str(caught.value)
    assert "classes 'rare00' (1), 'rare01' (2), " in message
    assert "'rare09' (2) and 2 more to split" in message
    assert "big" not in message


def make_rows(labels: list[int], groups: list[int]) -> Subset:
    """Return a side with these labels and groups."""
    texts = tuple(f"text {group}" for group in groups)
    return Subset(texts, np.array(labels, np.int32), np.array(groups, np.int32))


GOOD = (make_rows([0, 1], [0, 1]), make_rows([1, 0], [2, 3]), make_rows([0, 1, 1], [4, 5, 5]))


def test_a_split_without_fault_is_let_pass() -> None:
    """Sides that share no group and hold every class are no error."""
    check_split(Split(*GOOD, classes=("a", "b"), fingerprint=""))


@pytest.mark.parametrize(
    ("at", "bad", "said"),
    [
        (1, make_rows([1, 0], [2, 0]), ("group 0", "train", "validation")),
        (2, make_rows([0, 1], [1, 6]), ("group 1", "train", "test")),
        (2, make_rows([0, 1], [6, 3]), ("group 3", "validation", "test")),
        (0, make_rows([0, 0], [0, 1]), ("train", "'b'")),
        (1, make_rows([1], [2]), ("validation", "'a'")),
        (2, make_rows([], []), ("test", "'a'")),
    ],
)
def test_a_split_that_is_not_honest_is_stopped(at: int, bad: Subset, said: tuple[str, ...]) -> None:
    """A group on two sides, or a side without a class, is an error that names them."""
    parted = [*GOOD[:at], bad, *GOOD[at + 1 :]]
    with pytest.raises(JobError) as caught:
        check_split(Split(*parted, classes=("a", "b"), fingerprint=""))
    assert all(words in str(caught.value) for words in said)


def test_a_text_on_two_sides_is_stopped_whatever_its_groups() -> None:
    """Rows in groups of their own do not hide a copy, unless the protocol says so."""
    copy = Subset(("text 0", "text 7"), np.array([1, 0], np.int32), np.array([8, 7], np.int32))
    parted = Split(GOOD[0], copy, GOOD[2], classes=("a", "b"), fingerprint="")
    with pytest.raises(JobError, match=r"'text 0' is on two sides .* train and validation"):
        check_split(parted)
    check_split(replace(parted, protocol="random_rows"))


@pytest.mark.parametrize("protocol", ["groups", "random_rows"])
def test_a_row_on_two_sides_is_stopped(protocol: str) -> None:
    """Dealt at random, rows still stand on one side each."""
    parted = Split(GOOD[0], GOOD[0], GOOD[2], classes=("a", "b"), fingerprint="", protocol=protocol)
    with pytest.raises(JobError, match="text group 0"):
        check_split(parted)


@pytest.mark.parametrize(("at", "is_let_pass"), [(0, False), (1, False), (2, True)])
def test_only_a_test_file_may_lack_a_class(at: int, is_let_pass: bool) -> None:
    """Training and validation rows, which were drawn, may not."""
    parted = [*GOOD[:at], make_rows([1], [9]), *GOOD[at + 1 :]]
    split = Split(*parted, classes=("a", "b"), fingerprint="", has_test_file=True)
    with contextlib.nullcontext() if is_let_pass else pytest.raises(JobError, match="'a'"):
        check_split(split)


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_of_a_test_file_are_the_test_side(seed: int) -> None:
    """The others are parted in two, groups whole; `test_size` is not used."""
    drawn = in_random_groups(seed, mixed=True)
    rows = [*drawn, ("a", 60), ("b", 61), ("b", 61)]
    config = DataConfig(
        source="x.csv", test_source="y.csv", validation_size=0.4, test_size=0.9, split_seed=seed
    )
    parted = split_dataset(make_dataset(rows, test_rows=3), config)
    assert parted.has_test_file
    assert parted.test.texts == tuple(str(len(drawn) + row) for row in range(3))
    assert parted.test.labels.tolist() == [0, 1, 1]
    assert len(parted.train) + len(parted.validation) == len(drawn)
    assert abs(len(parted.validation) / len(drawn) - 0.4) < 0.05
    assert not set(parted.train.groups.tolist()) & set(parted.validation.groups.tolist())
    for side in (parted.train, parted.validation):
        assert set(side.labels.tolist()) == {0, 1, 2}


def test_beside_a_test_file_two_groups_of_a_class_are_enough() -> None:
    """One is refused, with the number needed."""
    config = DataConfig(source="x.csv", test_source="y.csv")
    rows = [*alone(big=20), ("rare", 20), ("rare", 21), ("big", 22)]
    parted = split_dataset(make_dataset(rows, test_rows=1), config)
    assert [int((side.labels == 1).sum()) for side in sides(parted)] == [1, 1, 0]
    rows = [*alone(big=20), ("rare", 20), ("rare", 20), ("rare", 21)]
    with pytest.raises(
        DataError, match=r"\(1\) .* training and validation rows: needed 2"
    ) as caught:
        split_dataset(make_dataset(rows, test_rows=1), config)
    assert "class 'rare'" in str(caught.value)


def make_copies(rows_a_class: dict[str, int]) -> Dataset:
    """Return rows dealt at random: ten times each text, which both classes hold."""
    dataset = make_dataset(alone(**rows_a_class), protocol="random_rows")
    return replace(dataset, texts=tuple(f"text {row // 10}" for row in range(len(dataset.texts))))


def test_random_rows_let_copies_cross() -> None:
    """Every side has its share of every class, and test texts that stand in training too."""
    dataset = make_copies({"a": 205, "b": 100})
    parted = split_dataset(dataset, DataConfig())
    assert parted.protocol == "random_rows"
    for side, share in zip(sides(parted), (0.7, 0.15, 0.15), strict=True):
        for label, count in enumerate((205, 100)):
            assert abs(int((side.labels == label).sum()) - share * count) < 2
    twins = sum(text in set(parted.train.texts) for text in parted.test.texts)
    assert shared_test_texts(parted) == twins > len(parted.test) / 2


def test_random_rows_are_dealt_by_the_seed() -> None:
    """The same seed deals the same rows, another one others."""
    dataset = make_copies({"a": 50, "b": 50})
    one, same, other = (
        split_dataset(dataset, DataConfig(split_seed=seed)).test.groups.tolist()
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_class_of_two_random_rows_is_refused() -> None:
    """Every class has to be on every side."""
    with pytest.raises(DataError, match=r"class 'rare' \(2\) .*: needed 3 rows"):
        split_dataset(make_copies({"big": 20, "rare": 2}), DataConfig())


def test_shared_texts_are_counted_by_test_row() -> None:
    """Case, punctuation and spaces aside; once for each test row, validation rows not looked at."""
    train, validation, test = (
        Subset(texts, np.zeros(len(texts), np.int32), np.zeros(len(texts), np.int32))
        for texts in [
            ("Red shoe", "girls hat", "red shoe"),
            ("blue hat",),
            ("RED SHOE!", "red-shoe", "girl s hat", "blue hat", "red"),
        ]
    )
    parted = Split(train, validation, test, ("a",), "", protocol="random_rows")
    assert shared_test_texts(parted) == 3


def resampled(**wanted: int) -> Split:
    """Resample and deal rows 0 to 39 of class a, 40 to 51 of b and 52 to 61 of c."""
    dataset = make_dataset(alone(a=40, b=12, c=10), protocol="random_rows")
    return split_dataset(dataset, DataConfig(split="random_rows", resample=wanted))


def test_random_rows_are_resampled_before_they_are_dealt() -> None:
    """The sides together have the rows wanted, each side its share; other classes keep theirs."""
    parted = resampled(a=20, b=100)
    for label, count in enumerate((20, 100, 10)):
        for side, share in zip(sides(parted), (0.7, 0.15, 0.15), strict=True):
            assert abs(int((side.labels == label).sum()) - share * count) < 2
        assert sum(int((side.labels == label).sum()) for side in sides(parted)) == count
    for side in sides(parted):
        classes = [0 if int(text) < 40 else 1 if int(text) < 52 else 2 for text in side.texts]
        assert side.labels.tolist() == classes


def test_copies_of_a_resampled_row_may_stand_on_two_sides() -> None:
    """Those of a class that was drawn from again do; no other row does."""
    train, validation, test = (set(side.texts) for side in sides(resampled(a=20, b=100)))
    shared = {int(text) for text in train & validation | train & test | validation & test}
    assert shared
    assert shared <= set(range(40, 52))


def test_resampling_what_is_no_class_is_refused() -> None:
    """The message names it and the classes that there are."""
    with pytest.raises(ConfigError, match=r"'d', which the data does not have; it has a, b, c"):
        resampled(d=5)
