import io

import numpy as np
import pytest

from ecomclf.evaluation.figures import confusion_figure
from ecomclf.evaluation.report import evaluate_labels


@pytest.mark.parametrize("name", ["$5 (10% off) to $20", "$0_to_$50", "50 $", "a_b^c", "\\$"])
def test_class_names_are_drawn_literally(name: str) -> None:
    """Dollar signs do not start a formula."""
    labels = np.array([0, 1, 1], np.int32)
    figure = confusion_figure(evaluate_labels(labels, labels, (name, "other")), "title")
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    assert name in file.getvalue().decode()


def test_thousands_of_classes_are_drawn_without_their_names() -> None:
    """The names would cover each other, and take longer than everything else."""
    for count, named in ((150, True), (2_000, False)):
        labels = np.arange(count, dtype=np.int32)
        names = tuple(f"class {number}" for number in range(count))
        figure = confusion_figure(evaluate_labels(labels, labels, names), "title")
        written = [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert ("class 7" in written) is named
