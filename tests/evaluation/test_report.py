import json
import math

import numpy as np
import pytest

from ecomclf.evaluation.report import Report, evaluate, evaluate_labels

CLASSES = ("a", "b", "c")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int32)
# c is never predicted: its two rows are classified as a and as b.
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 1], np.int32)


@pytest.fixture
def report() -> Report:
    """Return the report of the eight rows above."""
    return evaluate_labels(LABELS, PREDICTED, CLASSES)


def test_confusion_counts_true_by_predicted(report: Report) -> None:
    """Rows are true classes, columns predicted ones."""
    assert report.confusion == ((3, 1, 0), (0, 2, 0), (1, 1, 0))
    assert report.rows == 8


def test_accuracy_is_the_fraction_of_correct_rows(report: Report) -> None:
    """Five of eight rows are correct."""
    assert report.accuracy == 5 / 8


def test_each_class_has_its_metrics(report: Report) -> None:
    """Precision over predicted rows, recall over true rows, F1 their harmonic mean."""
    a, b = report.classes["a"], report.classes["b"]
    assert (a.precision, a.recall, a.f1) == pytest.approx((3 / 4, 3 / 4, 3 / 4))
    assert (b.precision, b.recall, b.f1) == pytest.approx((2 / 4, 2 / 2, 2 / 3))
    assert [each.support for each in report.classes.values()] == [4, 2, 2]
    assert tuple(report.classes) == CLASSES


def test_a_class_that_is_never_predicted_counts_as_zero(
    report: Report, recwarn: pytest.WarningsRecorder
) -> None:
    """Its precision, recall and F1 are 0, without a warning, and count in macro F1."""
    again = evaluate_labels(LABELS, PREDICTED, CLASSES)
    c = again.classes["c"]
    assert (c.precision, c.recall, c.f1) == (0, 0, 0)
    assert not recwarn.list


def test_a_class_without_rows_counts_only_if_it_is_predicted() -> None:
    """As in scikit-learn, macro F1 ignores a class that is neither true nor predicted."""
    report = evaluate_labels(np.array([0, 1]), np.array([0, 1]), CLASSES)
    assert report.classes["c"].support == 0
    assert (report.f1_macro, report.f1_weighted) == (1, 1)
    assert report.confusion == ((1, 0, 0), (0, 1, 0), (0, 0, 0))
    mistaken = evaluate_labels(np.array([0, 1]), np.array([0, 2]), CLASSES)
    assert mistaken.f1_macro == pytest.approx(1 / 3)


def test_macro_f1_is_the_unweighted_mean(report: Report) -> None:
    """(3/4 + 2/3 + 0) / 3."""
    assert report.f1_macro == pytest.approx(17 / 36)


def test_weighted_f1_is_weighted_by_support(report: Report) -> None:
    """(4 · 3/4 + 2 · 2/3 + 2 · 0) / 8."""
    assert report.f1_weighted == pytest.approx(13 / 24)


def test_the_most_probable_class_is_the_prediction() -> None:
    """Probabilities give the same report as their argmax, plus a loss."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]], np.float32)
    labels = np.array([0, 1, 1], np.int32)
    report = evaluate(labels, probabilities, CLASSES)
    expected = evaluate_labels(labels, np.array([0, 2, 1]), CLASSES, loss=report.loss)
    assert report == expected


def test_loss_is_the_mean_cross_entropy_in_nats() -> None:
    """Probabilities 1/2 and 1/4 of the true classes give (ln 2 + ln 4) / 2."""
    probabilities = np.array([[0.5, 0.5, 0], [0.75, 0.25, 0]], np.float32)
    report = evaluate(np.array([0, 1], np.int32), probabilities, CLASSES)
    assert report.loss == pytest.approx(1.5 * math.log(2))


def test_the_loss_of_a_certain_mistake_is_finite() -> None:
    """Probability 0 of the true class has a finite loss, above that of 1e-30."""
    probabilities = np.array([[1, 0, 0]], np.float32)
    loss = evaluate(np.array([2], np.int32), probabilities, CLASSES).loss
    assert loss is not None
    assert -math.log(1e-30) < loss < math.inf


def test_metrics_carry_the_prefix() -> None:
    """Names are those that runs log, such as `test_f1_macro`."""
    probabilities = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    metrics = evaluate(np.array([0, 1], np.int32), probabilities, CLASSES).metrics("test")
    assert metrics == pytest.approx(
        {"test_loss": 0, "test_accuracy": 1, "test_f1_macro": 1, "test_f1_weighted": 1}
    )


def test_without_probabilities_there_is_no_loss(report: Report) -> None:
    """The report of predicted labels has no loss to log."""
    assert report.loss is None
    assert set(report.metrics("x")) == {"x_accuracy", "x_f1_macro", "x_f1_weighted"}


def test_ordered_classes_have_a_mean_absolute_error() -> None:
    """Stars 1, 2, 5, 5 predicted as 1, 4, 5, 1 give (0 + 2 + 0 + 4) / 4."""
    stars = ("1", "2", "4", "5")
    report = evaluate_labels(np.array([0, 1, 3, 3]), np.array([0, 2, 3, 0]), stars, ordered=True)
    assert report.mean_absolute_error == 1.5
    assert report.metrics("test")["test_mean_absolute_error"] == 1.5
    assert report.summary("test").endswith(", mean absolute error 1.5000")


def test_the_mean_absolute_error_is_of_the_numbers_in_the_names() -> None:
    """Negative and fractional numbers count as such; probabilities give the same error."""
    classes = ("-1", "0", "1.5")
    probabilities = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    report = evaluate(np.array([0, 1]), probabilities, classes, ordered=True)
    assert report.mean_absolute_error == 1.25
    assert report.metrics("x")["x_mean_absolute_error"] == 1.25


def test_codes_have_no_mean_absolute_error() -> None:
    """Numbers that are not said to be an order are names like any other."""
    report = evaluate_labels(np.array([0, 1]), np.array([1, 1]), ("0", "1"))
    assert report.mean_absolute_error is None


def test_classes_that_are_never_predicted_are_named() -> None:
    """They have rows, but no prediction; a class without either is not meant."""
    report = evaluate_labels(np.array([0, 1, 1]), np.array([0, 0, 0]), ("a", "b", "c"))
    assert report.never_predicted == ("b",)
    assert report.as_text().endswith("\nnever predicted: 'b'\n")
    assert report.to_dict()["never_predicted"] == ["b"]


def test_class_names_have_no_mean_absolute_error(report: Report) -> None:
    """It appears neither in the metrics nor in the summary."""
    assert report.mean_absolute_error is None
    assert "mean_absolute_error" not in " ".join(report.metrics("test"))
    assert "absolute" not in report.summary("test")


def test_the_text_report_lists_all_metrics() -> None:
    """One line per class with precision, recall, F1 and rows, then the overall metrics."""
    names = ("Hats & Co", "b", "A class with a rather long name")
    report = evaluate_labels(LABELS, PREDICTED, names)
    head, *lines = report.as_text().removesuffix(f"\nnever predicted: {names[2]!r}\n").splitlines()
    assert head.split() == ["precision", "recall", "F1", "rows"]
    for line, (name, each) in zip(lines[:3], report.classes.items(), strict=True):
        found, *numbers = line.rsplit(maxsplit=4)
        assert found == name
        expected = [each.precision, each.recall, each.f1, each.support]
        assert [float(number) for number in numbers] == pytest.approx(expected, abs=5e-5)
    assert [line.split() for line in lines[3:]] == [
        ["accuracy", "0.6250", "8"],
        ["macro", "F1", "0.4722", "8"],
        ["weighted", "F1", "0.5417", "8"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_the_report_can_be_written_as_json(report: Report) -> None:
    """`to_dict` returns plain values."""
    written = json.loads(json.dumps(report.to_dict()))
    assert written["confusion"] == [[3, 1, 0], [0, 2, 0], [1, 1, 0]]
    assert written["classes"]["a"]["support"] == 4


@pytest.mark.parametrize("classes", [CLASSES, ("1", "2", "5")])
def test_a_report_survives_a_json_round_trip(classes: tuple[str, ...]) -> None:
    """`from_dict` is the inverse of `to_dict`, with and without the optional metrics."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], np.float32)
    for report in (
        evaluate_labels(LABELS, PREDICTED, classes),
        evaluate(np.array([0, 1], np.int32), probabilities, classes),
    ):
        read = Report.from_dict(json.loads(json.dumps(report.to_dict())))
        assert read == report
        assert list(read.classes) == list(classes)
        assert read.as_text() == report.as_text()


def test_the_summary_is_one_line(report: Report) -> None:
    """Subset, accuracy, macro and weighted F1, to four decimals."""
    assert report.summary("test") == ("test accuracy 0.6250, macro F1 0.4722, weighted F1 0.5417")
