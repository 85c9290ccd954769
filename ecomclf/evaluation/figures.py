"""Matplotlib figures of a `Report`, of a training history and of calibration.

Figures are created without pyplot, which would keep global state and select a GUI backend.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ecomclf.evaluation.calibration import Bin
from ecomclf.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# With more classes the numbers in the cells would be illegible.
_MAX_NUMBERED_CLASSES = 20
_MAX_NAMED_CLASSES = 150


def confusion_figure(report: Report, title: str) -> "Figure":
    """Draw the confusion matrix: colours normalised by true class, numbers of rows in the cells."""
    counts = np.array(report.confusion)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Matplotlib would read text between two dollar signs as a formula.
    names = [name.replace("$", r"\$") for name in report.classes]
    size = 3 + 0.45 * min(len(names), 60)
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    image = axes.imshow(fractions, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="fraction of the true class")
    axes.set(xlabel="predicted", ylabel="true", title=title)
    # More names would cover each other, and take seconds to draw.
    if len(names) <= _MAX_NAMED_CLASSES:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    if len(names) <= _MAX_NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if fractions[row, column] > 0.5 else "black"
            axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
    return figure


def history_figure(epochs: Sequence[dict[str, float]], kept_epoch: int) -> "Figure":
    """Draw loss, accuracy, macro F1 and learning rate by epoch.

    Args:
        epochs: metrics of each epoch: `learning_rate`, and `train_…` and `val_…` of the others.
        kept_epoch: number of the epoch whose weights were kept, from 1; marked by a line.

    """
    numbers = range(1, len(epochs) + 1)
    figure = _figure(10, 7)
    panels = figure.subplots(2, 2).flat
    for axes, name in zip(panels, ("loss", "accuracy", "f1_macro", "learning_rate"), strict=True):
        curves = [name] if name == "learning_rate" else [f"train_{name}", f"val_{name}"]
        for curve in curves:
            axes.plot(numbers, [metrics[curve] for metrics in epochs], marker="o", label=curve)
        axes.axvline(kept_epoch, color="grey", linestyle=":", label="kept epoch")
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
    return figure


def reliability_figure(bins: Sequence[Bin], title: str) -> "Figure":
    """Draw a reliability diagram: accuracy by confidence, with the number of rows of each bin."""
    figure = _figure(5.5, 5)
    axes = figure.subplots()
    confidence = [each.confidence for each in bins]
    axes.bar(confidence, [each.accuracy for each in bins], width=0.04, label="accuracy")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect calibration")
    for each in bins:
        axes.text(each.confidence, each.accuracy, f"{each.rows}", ha="center", va="bottom")
    axes.set(xlim=(0, 1.05), ylim=(0, 1.1), xlabel="confidence", ylabel="accuracy", title=title)
    axes.legend()
    return figure


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
