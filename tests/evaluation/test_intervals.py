import numpy as np
import pytest
from sklearn.metrics import f1_score

from ecomclf.evaluation.intervals import (
    Interval,
    class_intervals,
    difference_interval,
    metric_intervals,
)
from ecomclf.evaluation.report import SCORES, evaluate_labels


def rows(count: int, *, wrong: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of three classes, and predictions of which a fraction is random."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, count, p=(0.6, 0.3, 0.1))
    redrawn = generator.random(count) < wrong
    return labels, np.where(redrawn, generator.integers(0, 3, count), labels)


def weighted_f1_interval(labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> Interval:
    """Return the interval that most tests look at."""
    return metric_intervals(labels, predicted, groups)["f1_weighted"]


def width(interval: Interval) -> float:
    """Return the distance between the bounds."""
    return interval.high - interval.low


@pytest.mark.parametrize("seed", range(3))
def test_the_value_equals_scikit_learns(seed: int) -> None:
    """The value is the weighted F1 of all rows, and lies within its bounds."""
    labels, predicted = rows(300, seed=seed)
    interval = weighted_f1_interval(labels, predicted, np.arange(300))
    assert interval.value == pytest.approx(f1_score(labels, predicted, average="weighted"))
    assert interval.low < interval.value < interval.high


@pytest.mark.parametrize("classes", [("a", "b", "c"), ("a", "b", "c", "absent")])
def test_each_value_equals_the_reports(classes: tuple[str, ...]) -> None:
    """Accuracy, macro and weighted F1; a class without rows is ignored."""
    labels, predicted = rows(200)
    report = evaluate_labels(labels, predicted, classes)
    intervals = metric_intervals(labels, predicted, np.arange(200))
    assert set(intervals) == {"accuracy", "f1_macro", "f1_weighted"}
    for name, interval in intervals.items():
        assert interval.value == pytest.approx(getattr(report, name))
        assert interval.low < interval.value < interval.high


def test_the_bounds_equal_those_of_a_plain_bootstrap() -> None:
    """Scoring a few hundred resampled data sets with scikit-learn gives similar bounds."""
    labels, predicted = rows(300)
    interval = weighted_f1_interval(labels, predicted, np.arange(300))
    generator = np.random.default_rng(1)
    drawn = [
        f1_score(labels[chosen], predicted[chosen], average="weighted")
        for chosen in generator.integers(0, 300, (400, 300))
    ]
    expected = np.percentile(drawn, (2.5, 97.5))
    np.testing.assert_allclose((interval.low, interval.high), expected, atol=0.012)


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 2]),  # a class that is only predicted
        ([0, 1, 2, 2], [0, 1, 1, 1]),  # a class that is never predicted
        ([1, 1, 1, 1], [0, 0, 0, 0]),  # no prediction is correct
    ],
)
def test_classes_may_be_missing_from_labels_or_predictions(
    labels: list[int], predicted: list[int]
) -> None:
    """As in scikit-learn, a class without a correct prediction has F1 0."""
    interval = weighted_f1_interval(np.array(labels), np.array(predicted), np.arange(4))
    expected = f1_score(labels, predicted, average="weighted", zero_division=0.0)
    assert interval.value == pytest.approx(expected)
    assert np.isfinite([interval.low, interval.high]).all()


def test_more_groups_narrow_the_interval() -> None:
    """Sixteen times as many groups give about a quarter of the width."""
    few, many = (weighted_f1_interval(*rows(count), np.arange(count)) for count in (250, 16 * 250))
    assert 3 < width(few) / width(many) < 5.5


def test_copies_within_a_group_do_not_narrow_the_interval() -> None:
    """Groups are resampled whole, whatever their keys; as separate rows, copies narrow it."""
    labels, predicted = (np.repeat(side, 9) for side in rows(200))
    once = weighted_f1_interval(labels[::9], predicted[::9], np.arange(200))
    keys = np.repeat(np.random.default_rng(0).permutation(10_000)[:200], 9)
    grouped = weighted_f1_interval(labels, predicted, keys)
    assert grouped.value == pytest.approx(once.value)
    assert width(grouped) == pytest.approx(width(once), rel=0.1)
    alone = weighted_f1_interval(labels, predicted, np.arange(len(labels)))
    assert width(alone) < width(once) / 2


def test_the_difference_of_equal_predictions_is_zero() -> None:
    """So are its bounds."""
    labels, predicted = rows(100)
    interval = difference_interval(labels, predicted, predicted, np.arange(100))
    assert interval == Interval(0.0, 0.0, 0.0)
    assert interval.as_text() == "+0.0000 [+0.0000, +0.0000]"


def test_a_difference_is_paired() -> None:
    """It is positive for the better model, antisymmetric, and narrower than each interval."""
    labels, better = rows(500)
    worse = np.where(np.arange(500) % 20 == 0, (labels + 1) % 3, better)
    groups = np.arange(500)
    interval = difference_interval(labels, better, worse, groups)
    separate = [weighted_f1_interval(labels, side, groups) for side in (better, worse)]
    assert interval.value == pytest.approx(separate[0].value - separate[1].value)
    assert 0 < interval.low < interval.value < interval.high
    assert width(interval) < min(map(width, separate))
    reverse = difference_interval(labels, worse, better, groups)
    assert (reverse.value, reverse.low) == pytest.approx(
        (-interval.value, -interval.high), abs=1e-9
    )


def test_intervals_are_reproducible() -> None:
    """Each call resamples from the same seed."""
    labels, predicted = rows(60)
    first, second = (weighted_f1_interval(labels, predicted, labels) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("score", SCORES)
def test_a_difference_is_that_of_the_score_asked_for(score: str) -> None:
    """Accuracy, macro F1 or weighted F1 of the report; without a name it is weighted F1."""
    labels, better = rows(300)
    worse = np.where(np.arange(300) % 7 == 0, 2, better)
    groups = np.arange(300)
    interval = difference_interval(labels, better, worse, groups, score=score)
    reports = [evaluate_labels(labels, side, ("a", "b", "c")) for side in (better, worse)]
    assert interval.value == pytest.approx(getattr(reports[0], score) - getattr(reports[1], score))
    assert interval.low < interval.value < interval.high
    default = difference_interval(labels, better, worse, groups)
    assert (interval == default) == (score == "f1_weighted")


def test_a_difference_of_an_unknown_score_raises() -> None:
    """Loss needs probabilities; the error lists the scores."""
    labels, predicted = rows(10)
    with pytest.raises(ValueError, match="score must be one of accuracy, f1_macro, f1_weighted"):
        difference_interval(labels, predicted, predicted, np.arange(10), score="loss")


def test_intervals_of_classes_contain_their_f1() -> None:
    """The value is the report's F1 of the class; a class with fewer rows has a wider interval."""
    generator = np.random.default_rng(3)
    labels = np.array([0] * 400 + [1] * 40)
    predicted = np.where(generator.random(440) < 0.8, labels, 1 - labels)
    report = evaluate_labels(labels, predicted, ("a", "b"))
    found = class_intervals(labels, predicted, np.arange(440), ("a", "b"))
    for name, interval in found.items():
        assert interval.value == pytest.approx(report.classes[name].f1)
        assert interval.low < interval.value < interval.high
    assert found["b"].high - found["b"].low > found["a"].high - found["a"].low


def test_a_class_without_rows_has_an_interval_of_zero() -> None:
    """A class that a test file lacks, in the middle or at the end, is there, as 0."""
    labels = np.array([0, 0, 2, 2])
    found = class_intervals(labels, labels, np.arange(4), ("a", "b", "c", "d"))
    assert found["b"] == found["d"] == Interval(0.0, 0.0, 0.0)
    assert found["c"] == Interval(1.0, 1.0, 1.0)
