import numpy as np
import pytest

from ecomclf.evaluation.calibration import (
    OUT_OF_REACH,
    Bin,
    coverage,
    coverage_curve,
    expected_calibration_error,
    fit_temperature,
    reliability,
    threshold_for,
    with_temperature,
)
from ecomclf.evaluation.report import cross_entropy

# Confidence of each row, and whether its prediction is correct.
Predictions = list[tuple[float, bool]]


def binary(given: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of two classes, the second of which is predicted."""
    confidence = np.array([confidence for confidence, _ in given])
    labels = np.array([int(correct) for _, correct in given], np.int32)
    return labels, np.stack([1 - confidence, confidence], axis=1)


def calibrated(rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of three classes, and labels drawn from them."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet((1, 1, 1), rows)
    drawn = generator.random((rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]
    return drawn.sum(axis=1).astype(np.int32), probabilities


def test_a_temperature_softens_or_sharpens() -> None:
    """At 2 probabilities are normalised square roots, at 1/2 squares, at 1 unchanged."""
    probabilities = np.array([[0.8, 0.2], [0.1, 0.9]], np.float32)
    np.testing.assert_allclose(with_temperature(probabilities, 1), probabilities, atol=1e-7)
    np.testing.assert_allclose(with_temperature(probabilities, 2)[0], [2 / 3, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(with_temperature(probabilities, 0.5)[1], [1 / 82, 81 / 82])
    certain = with_temperature(np.array([[1.0, 0.0]]), 10.0)
    assert certain[0, 1] > 0
    assert certain.sum() == pytest.approx(1)


@pytest.mark.parametrize("sharpness", [3.0, 1.0, 0.5])
def test_the_fitted_temperature_corrects_the_confidence(sharpness: float) -> None:
    """Above 1 for overconfident models, below 1 for underconfident ones; the loss is minimal."""
    labels, probabilities = calibrated()
    given = with_temperature(probabilities, 1 / sharpness)
    temperature = fit_temperature(labels, given)
    assert temperature == pytest.approx(sharpness, rel=0.03)
    fitted = cross_entropy(labels, with_temperature(given, temperature))
    assert fitted <= cross_entropy(labels, given)
    for other in (0.9, 1.1):
        assert fitted < cross_entropy(labels, with_temperature(given, temperature * other))


def test_rows_that_are_all_correct_leave_the_temperature_at_one() -> None:
    """Thirty correct predictions must not push all confidences to 1."""
    assert fit_temperature(*binary([(0.6, True), (0.9, True)] * 15)) == 1
    assert fit_temperature(*binary([(0.6, True), (0.9, True)] * 15 + [(0.8, False)])) != 1


def test_cross_entropy_is_finite() -> None:
    """Also where the true class has probability 0."""
    assert cross_entropy(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(
        (np.log(2) + np.log(4)) / 2
    )
    assert 80 < cross_entropy(np.array([1]), np.array([[1.0, 0.0]], np.float32)) < 100


def test_calibration_error_of_a_worked_example() -> None:
    """Four rows in two bins: 3/4 · |0.90 - 2/3| + 1/4 · |0.55 - 1| = 0.2875."""
    bins = reliability(*binary([(0.89, True), (0.9, False), (0.91, True), (0.55, True)]))
    assert [(each.rows, each.accuracy) for each in bins] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    assert [each.confidence for each in bins] == pytest.approx([0.55, 0.9])
    assert expected_calibration_error(bins) == pytest.approx(0.2875)
    fifteenths = reliability(*binary([(0.61, True), (0.66, True), (0.67, True)]))
    assert [each.rows for each in fifteenths] == [2, 1]


def test_calibrated_probabilities_have_little_calibration_error() -> None:
    """Sharpening them increases it; confidence 1 falls into the last bin."""
    labels, probabilities = calibrated()
    assert expected_calibration_error(reliability(labels, probabilities)) < 0.02
    sharpened = with_temperature(probabilities, 0.3)
    assert expected_calibration_error(reliability(labels, sharpened)) > 0.1
    assert reliability(*binary([(1.0, True)])) == (Bin(1, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("given", "precision", "threshold"),
    [
        # All correct: the lowest confidence.
        ([(0.9, True), (0.6, True), (0.7, True)], 1.0, 0.6),
        # With decreasing threshold the precision is 1, 1/2, 2/3, 3/4, 3/5.
        ([(0.9, True), (0.8, False), (0.7, True), (0.65, True), (0.6, False)], 0.75, 0.65),
        ([(0.9, True), (0.8, False), (0.7, True), (0.65, True), (0.6, False)], 0.76, 0.9),
        # Rows of equal confidence, one of them wrong, pass together, in either order.
        ([(0.9, True), (0.8, True), (0.8, False)], 0.9, 0.9),
        ([(0.9, True), (0.8, False), (0.8, True)], 0.6, 0.8),
        # Never reached.
        ([(0.9, False), (0.8, True)], 0.6, OUT_OF_REACH),
        # In float32 a confidence of 1 may be wrong.
        ([(1.0, False), (1.0, True)], 0.6, OUT_OF_REACH),
    ],
)
def test_the_threshold_is_the_lowest_that_reaches_the_precision(
    given: Predictions, precision: float, threshold: float
) -> None:
    """As many rows as possible pass; none, if no threshold reaches the precision."""
    assert threshold_for(*binary(given), precision) == threshold


@pytest.mark.parametrize("precision", [0.7, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_precision_is_reached_at_the_threshold(precision: float, kind: type) -> None:
    """The precision of the rows that pass is at least the target, and hardly above it."""
    labels, probabilities = calibrated()
    probabilities = probabilities.astype(kind)
    threshold = threshold_for(labels, probabilities, precision)
    needs_review = probabilities.max(axis=1) < threshold
    fraction, accuracy = coverage(labels, probabilities, needs_review)
    assert 0 < fraction < 1
    assert accuracy is not None
    assert precision <= accuracy < precision + 0.001


def test_coverage_is_the_fraction_that_passes_and_its_accuracy() -> None:
    """Without rows that need no review the accuracy is None."""
    given = binary([(0.9, True), (0.8, False), (0.7, True), (0.6, True)])
    assert coverage(*given, np.array([False, False, True, True])) == (0.5, 0.5)
    assert coverage(*given, np.zeros(4, bool)) == (1.0, 0.75)
    assert coverage(*given, np.ones(4, bool)) == (0.0, None)


def test_the_curve_ends_with_all_rows() -> None:
    """Its last point covers every row with the overall accuracy; coverage never falls."""
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet((1, 1, 1), 1000)
    labels = generator.integers(0, 3, 1000)
    curve = coverage_curve(labels, probabilities, most=50)
    assert len(curve) == 50
    assert curve[-1].coverage == 1
    assert curve[-1].precision == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
    covered = [point.coverage for point in curve]
    assert covered == sorted(covered)


def test_equal_confidences_are_one_point_of_the_curve() -> None:
    """No threshold lies between rows of equal confidence."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2]])
    curve = coverage_curve(np.array([0, 0, 1]), probabilities)
    assert [(point.threshold, point.coverage) for point in curve] == [
        (0.9, pytest.approx(1 / 3)),
        (0.8, 1.0),
    ]
