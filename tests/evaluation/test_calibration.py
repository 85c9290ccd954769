import numpy as np
import pytest

from ecomclf.evaluation.calibration import (
    OUT_OF_REACH,
    Bin,
    coverage,
    expected_calibration_error,
    fit_temperature,
    reliability,
    threshold_for,
    with_temperature,
)
from ecomclf.evaluation.report import cross_entropy

# Confidence, and whether the answer is right.
Answers = list[tuple[float, bool]]


def answers(given: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Make labels and probabilities of two classes, of which the second is always predicted."""
    confidence = np.array([confidence for confidence, _ in given])
    labels = np.array([int(right) for _, right in given], np.int32)
    return labels, np.stack([1 - confidence, confidence], axis=1)


def honest(rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Make probabilities of three classes, and labels drawn by them."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet((1, 1, 1), rows)
    drawn = generator.random((rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]
    return drawn.sum(axis=1).astype(np.int32), probabilities


def test_a_temperature_softens_or_sharpens_and_keeps_the_order() -> None:
    """At 2 probabilities are the square roots', at 1/2 the squares', at 1 they stay; sums are 1."""
    probabilities = np.array([[0.8, 0.2], [0.1, 0.9]], np.float32)
    np.testing.assert_allclose(with_temperature(probabilities, 1), probabilities, atol=1e-7)
    np.testing.assert_allclose(with_temperature(probabilities, 2)[0], [2 / 3, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(with_temperature(probabilities, 0.5)[1], [1 / 82, 81 / 82])
    certain = with_temperature(np.array([[1.0, 0.0]]), 10.0)
    assert certain[0, 1] > 0
    assert certain.sum() == pytest.approx(1)


@pytest.mark.parametrize("sharpness", [3.0, 1.0, 0.5])
def test_the_fitted_temperature_undoes_false_confidence(sharpness: float) -> None:
    """Above 1 for probabilities too sure, under 1 for too modest ones, and no loss is less."""
    labels, probabilities = honest()
    given = with_temperature(probabilities, 1 / sharpness)
    temperature = fit_temperature(labels, given)
    assert temperature == pytest.approx(sharpness, rel=0.03)
    fitted = cross_entropy(labels, with_temperature(given, temperature))
    assert fitted <= cross_entropy(labels, given)
    for other in (0.9, 1.1):
        assert fitted < cross_entropy(labels, with_temperature(given, temperature * other))


def test_rows_that_are_all_right_do_not_make_certain() -> None:
    """Thirty right answers of middling confidence are no reason to be sure of everything."""
    assert fit_temperature(*answers([(0.6, True), (0.9, True)] * 15)) == 1
    assert fit_temperature(*answers([(0.6, True), (0.9, True)] * 15 + [(0.8, False)])) != 1


def test_a_certain_mistake_costs_much_but_not_everything() -> None:
    """Cross-entropy is that of evaluation, and finite where the true class got 0."""
    assert cross_entropy(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(
        (np.log(2) + np.log(4)) / 2
    )
    assert 80 < cross_entropy(np.array([1]), np.array([[1.0, 0.0]], np.float32)) < 100


def test_calibration_error_of_a_hand_worked_example() -> None:
    """Four rows in two bins: 3/4 · |0.90 - 2/3| + 1/4 · |0.55 - 1| = 0.2875."""
    bins = reliability(*answers([(0.89, True), (0.9, False), (0.91, True), (0.55, True)]))
    assert [(each.rows, each.accuracy) for each in bins] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    assert [each.confidence for each in bins] == pytest.approx([0.55, 0.9])
    assert expected_calibration_error(bins) == pytest.approx(0.2875)
    fifteenths = reliability(*answers([(0.61, True), (0.66, True), (0.67, True)]))
    assert [each.rows for each in fifteenths] == [2, 1]


def test_honest_probabilities_have_hardly_any_calibration_error() -> None:
    """It is the sharpened ones' that is large; full confidence falls in the last bin."""
    labels, probabilities = honest()
    assert expected_calibration_error(reliability(labels, probabilities)) < 0.02
    sharpened = with_temperature(probabilities, 0.3)
    assert expected_calibration_error(reliability(labels, sharpened)) > 0.1
    assert reliability(*answers([(1.0, True)])) == (Bin(1, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("given", "precision", "threshold"),
    [
        # All right: the least confidence.
        ([(0.9, True), (0.6, True), (0.7, True)], 1.0, 0.6),
        # Going down, 1, 1/2, 2/3, 3/4, 3/5 are right.
        ([(0.9, True), (0.8, False), (0.7, True), (0.65, True), (0.6, False)], 0.75, 0.65),
        ([(0.9, True), (0.8, False), (0.7, True), (0.65, True), (0.6, False)], 0.76, 0.9),
        # Of two that tie, one is wrong: neither may pass without the other, in either order.
        ([(0.9, True), (0.8, True), (0.8, False)], 0.9, 0.9),
        ([(0.9, True), (0.8, False), (0.8, True)], 0.6, 0.8),
        # Never reached.
        ([(0.9, False), (0.8, True)], 0.6, OUT_OF_REACH),
        # Float32 knows confidences of 1 that are wrong.
        ([(1.0, False), (1.0, True)], 0.6, OUT_OF_REACH),
    ],
)
def test_the_threshold_is_the_least_that_gives_the_precision(
    given: Answers, precision: float, threshold: float
) -> None:
    """As many rows as can be pass; rows of equal confidence together; none where none may."""
    assert threshold_for(*answers(given), precision) == threshold


@pytest.mark.parametrize("precision", [0.7, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_at_its_threshold_the_precision_is_reached(precision: float, kind: type) -> None:
    """What passes on the same rows is right so often, and hardly more often."""
    labels, probabilities = honest()
    probabilities = probabilities.astype(kind)
    threshold = threshold_for(labels, probabilities, precision)
    share, right = coverage(labels, probabilities, threshold)
    assert 0 < share < 1
    assert right is not None
    assert precision <= right < precision + 0.001


def test_coverage_counts_what_passes_and_what_of_it_is_right() -> None:
    """A row at the threshold passes; where none does, there is no share of right ones."""
    given = answers([(0.9, True), (0.8, False), (0.7, True), (0.6, True)])
    assert coverage(*given, 0.8) == (0.5, 0.5)
    assert coverage(*given, 0.0) == (1.0, 0.75)
    assert coverage(*given, 0.95) == (0.0, None)
