"""Charts of a result: against baselines, by class, confusions, confidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import SCORE_NAMES, Report
from ecomclf.reporting.chart import Chart
from ecomclf.reporting.style import (
    BLUE,
    GREY,
    ORANGE,
    SEQUENTIAL,
    apply_style,
    label,
)
from ecomclf.reporting.sweep_record import SweepRecord
from ecomclf.tracking.evaluation_record import CONFIDENCE_FILE, FinalEvaluation

# More classes would be illegible side by side.
_MAX_CONFUSED = 40
_MAX_NUMBERED = 25
_MAX_CLASSES = 60
_SIDES = {"val": ("validation rows", ORANGE), "test": ("test rows", BLUE)}


def result_charts(record: SweepRecord) -> list[Chart]:
    """Return the charts of the final evaluation; none while there is no evaluation."""
    evaluation = record.evaluation
    if evaluation is None:
        return []
    charts = [
        comparison_chart(evaluation),
        class_chart(evaluation.test, record.class_intervals()),
        confusion_chart(evaluation.test),
    ]
    confidence = record.artifacts.get(CONFIDENCE_FILE)
    if confidence:
        charts += [_reliability(confidence), _coverage(confidence, record.metrics)]
    return charts


def comparison_chart(evaluation: FinalEvaluation) -> Chart:
    """Return the winner beside the baselines, and beside the champion where there is one."""
    metric, name = evaluation.metric, SCORE_NAMES[evaluation.metric]
    winner = float(getattr(evaluation.test, metric))
    rows = [("winner", winner, evaluation.intervals.get(metric))]
    rows += [
        (each.replace("_", " "), float(getattr(report, metric)), None)
        for each, report in evaluation.baselines.items()
    ]
    says = [f"{name} on the same {evaluation.test.rows:,} test rows."]
    says += [
        f"The winner minus the {each.replace('_', ' ')}: {difference.as_text()}."
        for each, difference in evaluation.differences.items()
    ]
    champion = evaluation.champion
    if champion is not None:
        says.append(f"Against the champion: {champion.as_text()}.")
        if champion.challenger_score is not None and champion.champion_score is not None:
            rows += [
                ("winner, unseen rows", champion.challenger_score, None),
                (f"version {champion.champion}, unseen rows", champion.champion_score, None),
            ]
    figure = go.Figure()
    for row, value, interval in rows[::-1]:
        figure.add_trace(_dot(row, value, interval, BLUE if row.startswith("winner") else ORANGE))
    figure.update_xaxes(title=name)
    # Room for the number above the uppermost dot.
    figure.update_yaxes(range=[-0.6, len(rows) - 0.3])
    figure.update_layout(showlegend=False)
    return Chart(
        "comparison",
        "Winner, baselines, champion",
        apply_style(figure, height=120 + 45 * len(rows)),
        " ".join(says),
    )


def _dot(row: str, value: float, interval: Interval | None, colour: str) -> go.Scatter:
    """Return a value as a dot, with its interval as a bar where there is one."""
    bounds = (
        None
        if interval is None
        else {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, interval.high - value)],
            "arrayminus": [max(0.0, value - interval.low)],
        }
    )
    return go.Scatter(
        x=[value],
        y=[row],
        error_x=bounds,
        mode="markers+text",
        text=[f"{value:.4f}"],
        textposition="top center",
        marker={"size": 12, "color": colour},
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )


def class_chart(report: Report, intervals: Mapping[str, Interval]) -> Chart:
    """Return the F1 of each class with its interval, the lowest first."""
    tested = [name for name, each in report.classes.items() if each.support]
    ordered = sorted(tested, key=lambda name: report.classes[name].f1)
    drawn = ordered[:_MAX_CLASSES][::-1]
    values = [report.classes[name].f1 for name in drawn]
    bounds = [intervals.get(name, Interval(value, value, value))
              for name, value in zip(drawn, values, strict=True)]  # fmt: skip
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=_unique([label(name) for name in drawn]),
            mode="markers",
            marker={"size": 9, "color": BLUE},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(0, each.high - value)
                          for each, value in zip(bounds, values, strict=True)],
                "arrayminus": [max(0, value - each.low)
                               for each, value in zip(bounds, values, strict=True)],
                "color": GREY,
            },
            customdata=[report.classes[name].support for name in drawn],
            hovertemplate="%{y}: F1 %{x:.3f}, %{customdata} rows<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title="F1 on the test rows, with 95 % intervals", range=[-0.02, 1.02])
    # Names that look like dates or numbers stay names.
    figure.update_yaxes(type="category")
    weakest, strongest = ordered[0], ordered[-1]
    says = (
        f"{len(tested):,} classes, the weakest first. The weakest is {weakest} (F1 "
        f"{report.classes[weakest].f1:.3f} on {report.classes[weakest].support:,} rows), the "
        f"strongest {strongest} ({report.classes[strongest].f1:.3f})."
    )
    if len(ordered) > _MAX_CLASSES:
        says += f" Only the {_MAX_CLASSES} weakest are drawn; the table below has all."
    return Chart(
        "classes", "F1 of each class", apply_style(figure, height=130 + 22 * len(drawn)), says
    )


def confusion_chart(report: Report) -> Chart:
    """Return the confusion matrix; of many classes, those that are confused most often."""
    counts = np.array(report.confusion)
    names = list(report.classes)
    chosen = np.arange(len(names))
    wrong = counts - np.diag(np.diag(counts))
    if len(names) > _MAX_CONFUSED:
        errors = wrong.sum(axis=0) + wrong.sum(axis=1)
        chosen = np.sort(np.argsort(-errors, kind="stable")[:_MAX_CONFUSED])
    part = counts[np.ix_(chosen, chosen)]
    fractions = part / np.maximum(counts[chosen].sum(axis=1, keepdims=True), 1)
    labels = _unique([label(names[at]) for at in chosen])
    figure = go.Figure(
        go.Heatmap(
            z=fractions,
            x=labels,
            y=labels,
            customdata=part,
            colorscale=SEQUENTIAL,
            zmin=0,
            zmax=1,
            text=part if len(chosen) <= _MAX_NUMBERED else None,
            texttemplate="%{text}" if len(chosen) <= _MAX_NUMBERED else None,
            hovertemplate="true %{y}<br>predicted %{x}<br>%{customdata} rows, %{z:.1%} of the "
            "true class<extra></extra>",
            colorbar={"title": "fraction of<br>the true class"},
        )
    )
    figure.update_xaxes(title="predicted", tickangle=90, type="category")
    figure.update_yaxes(title="true", autorange="reversed", type="category")
    says = (
        f"{int(wrong.sum()):,} of {report.rows:,} test rows are classified wrongly. Rows of the "
        "matrix are true classes, columns predicted ones."
    )
    if len(names) > _MAX_CONFUSED:
        inside = int(wrong[np.ix_(chosen, chosen)].sum())
        says += (
            f" Of {len(names):,} classes the {_MAX_CONFUSED} with most errors are drawn, with "
            f"{inside:,} of the errors between them; the table below lists the most frequent "
            "confusions among all classes."
        )
    height = 320 + 18 * len(chosen)
    return Chart("confusion", "Confusion matrix", apply_style(figure, height=height), says)


def most_confused(report: Report, most: int = 30) -> list[tuple[str, str, int, float]]:
    """Return the most frequent confusions: true class, predicted class, rows, fraction of the true.

    >>> from ecomclf.evaluation.report import evaluate_labels
    >>> report = evaluate_labels(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), ("hats", "caps"))
    >>> most_confused(report)
    [('hats', 'caps', 1, 0.5)]

    """
    counts = np.array(report.confusion)
    wrong = counts - np.diag(np.diag(counts))
    names = list(report.classes)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    found = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        rows = int(wrong[true, predicted])
        if rows:
            of = max(1, int(counts[true].sum()))
            found.append((names[true], names[predicted], rows, rows / of))
    return found


def _reliability(confidence: Mapping[str, Any]) -> Chart:
    figure = go.Figure(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="perfect",
            line={"color": GREY, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    for side, (name, colour) in _SIDES.items():
        bins = confidence[side]["bins"]
        rows = np.array([each["rows"] for each in bins])
        figure.add_trace(
            go.Scatter(
                x=[each["confidence"] for each in bins],
                y=[each["accuracy"] for each in bins],
                customdata=rows,
                mode="lines+markers",
                name=name,
                line={"color": colour},
                marker={"size": 6 + 22 * np.sqrt(rows / rows.max()), "color": colour},
                hovertemplate="confidence %{x:.2f}, accuracy %{y:.2f}, %{customdata} rows"
                "<extra></extra>",
            )
        )
    figure.update_xaxes(title="confidence", range=[0, 1.05])
    figure.update_yaxes(title="accuracy", range=[0, 1.05])
    says = (
        "Rows with about the same confidence: how many of them are right. On the dotted line, "
        "confidence is exactly as high as accuracy; larger dots stand for more rows."
    )
    return Chart("reliability", "Can the confidence be trusted?", apply_style(figure), says)


def _coverage(confidence: Mapping[str, Any], metrics: Mapping[str, float]) -> Chart:
    """Return precision against coverage; dots are at the chosen threshold."""
    figure = go.Figure()
    notes = []
    for side, (name, colour) in _SIDES.items():
        curve = confidence[side]["curve"]
        figure.add_trace(
            go.Scatter(
                x=[each["coverage"] for each in curve],
                y=[each["precision"] for each in curve],
                customdata=[each["threshold"] for each in curve],
                mode="lines",
                name=name,
                line={"color": colour},
                hovertemplate="threshold %{customdata:.3f}: %{x:.1%} of the rows, %{y:.2%} of them "
                "right<extra></extra>",
            )
        )
        covered = metrics.get(f"{side}_coverage")
        precision = metrics.get(f"{side}_covered_precision")
        if covered is not None and precision is not None:
            figure.add_trace(_chosen(covered, precision, name, colour))
            notes.append(f"{covered:.1%} of the {name}, {precision:.2%} of them right")
    figure.update_xaxes(title="coverage: fraction of rows that need no review", tickformat=".0%")
    figure.update_yaxes(title="precision of those rows", tickformat=".1%")
    reached = "; ".join(notes) or "no row"
    says = (
        "The higher the confidence that is demanded, the fewer rows pass without a review, and the "
        f"more of them are right. With the chosen threshold pass: {reached}."
    )
    return Chart("coverage", "Coverage against precision", apply_style(figure), says)


def _chosen(covered: float, precision: float, name: str, colour: str) -> go.Scatter:
    """Return the dot of the threshold that was chosen."""
    return go.Scatter(
        x=[covered],
        y=[precision],
        mode="markers",
        name=f"{name}, chosen threshold",
        marker={"size": 14, "color": colour},
        showlegend=False,
    )


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
