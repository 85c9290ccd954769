"""Charts of classes: the F1 of each, and which are confused with which."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import ClassMetrics, Report
from ecomclf.reporting.chart import Chart
from ecomclf.reporting.style import BLUE, SEQUENTIAL, apply_style, error_bars, label

# More classes would be illegible side by side.
_MAX_CONFUSED = 40
_MAX_NUMBERED = 25
_MAX_CLASSES = 60


def class_chart(report: Report, intervals: Mapping[str, Interval]) -> Chart:
    """Return the F1 of each class with its interval, the lowest first."""
    tested = {name: each for name, each in report.classes.items() if each.support}
    ordered = sorted(tested, key=lambda name: tested[name].f1)
    drawn = ordered[:_MAX_CLASSES][::-1]
    figure = go.Figure(_class_dots({name: tested[name] for name in drawn}, intervals))
    figure.update_xaxes(title="F1 on the test rows, with 95 % intervals", range=[-0.02, 1.02])
    # Names that look like dates or numbers stay names.
    figure.update_yaxes(type="category")
    weakest, strongest = tested[ordered[0]], tested[ordered[-1]]
    says = (
        f"{len(tested):,} classes, the weakest first. The weakest is {ordered[0]} (F1 "
        f"{weakest.f1:.3f} on {weakest.support:,} rows), the strongest {ordered[-1]} "
        f"({strongest.f1:.3f})."
    )
    if len(ordered) > _MAX_CLASSES:
        says += f" Only the {_MAX_CLASSES} weakest are drawn; the table below has all."
    height = 130 + 22 * len(drawn)
    return Chart("classes", "F1 of each class", apply_style(figure, height=height), says)


def _class_dots(
    classes: Mapping[str, ClassMetrics], intervals: Mapping[str, Interval]
) -> go.Scatter:
    """Return the F1 of classes as dots, with their intervals as bars."""
    values = [each.f1 for each in classes.values()]
    return go.Scatter(
        x=values,
        y=_unique([label(name) for name in classes]),
        mode="markers",
        marker={"size": 9, "color": BLUE},
        error_x=error_bars(values, [intervals.get(name) for name in classes]),
        customdata=[each.support for each in classes.values()],
        hovertemplate="%{y}: F1 %{x:.3f}, %{customdata} rows<extra></extra>",
    )


def confusion_chart(report: Report) -> Chart:
    """Return the confusion matrix; of many classes, those that are confused most often."""
    counts, wrong = _count_errors(report)
    chosen = _most_wrong(wrong)
    figure = go.Figure(_heatmap(counts, chosen, list(report.classes)))
    figure.update_xaxes(title="predicted", tickangle=90, type="category")
    figure.update_yaxes(title="true", autorange="reversed", type="category")
    says = (
        f"{int(wrong.sum()):,} of {report.rows:,} test rows are classified wrongly. Rows of the "
        "matrix are true classes, columns predicted ones."
    )
    if len(counts) > len(chosen):
        inside = int(wrong[np.ix_(chosen, chosen)].sum())
        says += (
            f" Of {len(counts):,} classes the {len(chosen)} with most errors are drawn, with "
            f"{inside:,} of the errors between them; the table below lists the most frequent "
            "confusions among all classes."
        )
    height = 320 + 18 * len(chosen)
    return Chart("confusion", "Confusion matrix", apply_style(figure, height=height), says)


def _count_errors(report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows [true, predicted], and the same without those that are right."""
    counts = np.array(report.confusion)
    return counts, counts - np.diag(np.diag(counts))


def _most_wrong(wrong: np.ndarray) -> np.ndarray:
    """Return the numbers of the classes with most errors, given [true, predicted] errors."""
    errors = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-errors, kind="stable")[:_MAX_CONFUSED])


def _heatmap(counts: np.ndarray, chosen: np.ndarray, names: list[str]) -> go.Heatmap:
    """Return chosen classes of a confusion matrix, coloured by fractions of the true class."""
    part = counts[np.ix_(chosen, chosen)]
    labels = _unique([label(names[at]) for at in chosen])
    numbered = len(chosen) <= _MAX_NUMBERED
    return go.Heatmap(
        z=part / np.maximum(counts[chosen].sum(axis=1, keepdims=True), 1),
        x=labels,
        y=labels,
        customdata=part,
        colorscale=SEQUENTIAL,
        zmin=0,
        zmax=1,
        text=part if numbered else None,
        texttemplate="%{text}" if numbered else None,
        hovertemplate="true %{y}<br>predicted %{x}<br>%{customdata} rows, %{z:.1%} of the true "
        "class<extra></extra>",
        colorbar={"title": "fraction of<br>the true class"},
    )


def most_confused(report: Report, most: int = 30) -> list[tuple[str, str, int, float]]:
    """Return the most frequent confusions: true class, predicted class, rows, fraction of the true.

    >>> from ecomclf.evaluation.report import evaluate_labels
    >>> report = evaluate_labels(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), ("hats", "caps"))
    >>> most_confused(report)
    [('hats', 'caps', 1, 0.5)]

    """
    counts, wrong = _count_errors(report)
    names = list(report.classes)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    found = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        rows = int(wrong[true, predicted])
        if rows:
            of = max(1, int(counts[true].sum()))
            found.append((names[true], names[predicted], rows, rows / of))
    return found


def _unique(labels: list[str]) -> list[str]:
    """Return labels that differ: plotly would put equal ones into the same place.

    >>> _unique(["a", "a", "a (2)"])
    ['a', 'a (3)', 'a (2)']
    """
    taken = {*labels}
    seen: set[str] = set()
    unique = []
    for each in labels:
        name, number = each, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{each} ({number})"
        seen.add(name)
        unique.append(name)
    return unique
