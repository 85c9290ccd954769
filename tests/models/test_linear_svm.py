import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import LinearSVC

from ecomclf.models import linear_svm
from ecomclf.models.linear_svm import fit_linear_svm


def made_up(classes: int, rows: int, seed: int = 0) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return rows with two of the five features of their class, and three of anything."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(rows) % classes).astype(np.int32)
    own = labels[:, np.newaxis] * 5 + generator.integers(0, 5, (rows, 2))
    columns = np.concatenate([own, generator.integers(0, 5 * classes, (rows, 3))], axis=1)
    values = np.full(columns.size, 5**-0.5)
    offsets = np.arange(0, columns.size + 1, 5)
    return sparse.csr_matrix((values, columns.ravel(), offsets), (rows, 5 * classes)), labels


@pytest.mark.parametrize("classes", [2, 3])
def test_decision_values_are_scikit_learns(classes: int) -> None:
    """With two classes each has its own values."""
    features, labels = made_up(classes, 60)
    reference = LinearSVC(random_state=0, C=0.3, tol=0.01).fit(features, labels)
    expected = reference.decision_function(features)
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    svm = fit_linear_svm(features, labels, classes=classes, c=0.3)
    np.testing.assert_allclose(svm.decide(features), expected, atol=1e-5)


def test_a_class_without_rows_is_never_predicted() -> None:
    """Its place among the classes is kept."""
    features, labels = made_up(3, 60)
    svm = fit_linear_svm(features, np.where(labels == 1, 3, labels), classes=5)
    assert {*svm.predict(features).tolist()} == {0, 2, 3}


def test_the_nearest_rows_are_enough_with_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows not used for fitting are classified about as well as with all rows."""
    features, labels = made_up(80, 2400)
    asked, truth = made_up(80, 800, seed=1)
    whole = fit_linear_svm(features, labels, classes=80).predict(asked) == truth
    monkeypatch.setattr(linear_svm, "MANY_CLASSES", 50)
    monkeypatch.setattr(linear_svm, "NEAREST_ROWS", 200)
    nearest = fit_linear_svm(features, labels, classes=80).predict(asked) == truth
    assert 0.5 < whole.mean() < 0.99
    assert nearest.mean() > whole.mean() - 0.02


def test_labels_of_no_rows() -> None:
    """An array without rows gives no labels."""
    features, labels = made_up(3, 30)
    assert fit_linear_svm(features, labels, classes=3).predict(features[:0]).tolist() == []


@pytest.mark.parametrize("classes", [2, 3])
def test_weights_of_classes_are_scikit_learns(classes: int) -> None:
    """As its parameter `class_weight`; weights of classes without rows do no harm."""
    features, labels = made_up(classes, 60)
    weights = np.array([5.0, 0.5, 1.0, 9.0], np.float32)
    reference = LinearSVC(random_state=0, tol=0.01, class_weight=dict(enumerate(weights[:classes])))
    expected = reference.fit(features, labels).decision_function(features)
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    svm = fit_linear_svm(features, labels, classes=4, weights=weights)
    np.testing.assert_allclose(svm.decide(features)[:, :classes], expected, atol=1e-5)


def test_weights_count_with_many_classes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where labels are noisy, a class with a larger weight is predicted more often."""
    monkeypatch.setattr(linear_svm, "MANY_CLASSES", 50)
    monkeypatch.setattr(linear_svm, "NEAREST_ROWS", 200)
    features, labels = made_up(80, 2400)
    generator = np.random.default_rng(2)
    noisy = np.where(generator.random(2400) < 0.5, generator.permutation(labels), labels)
    weights = np.ones(80)
    weights[7] = 30
    plain, weighted = (
        fit_linear_svm(features, noisy, classes=80, weights=each).predict(features)
        for each in (None, weights)
    )
    assert (weighted == 7).sum() > 1.5 * (plain == 7).sum()
