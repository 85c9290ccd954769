"""Charts of the confidence: whether it can be trusted, and what a threshold gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ecomclf.reporting.chart import Chart
from ecomclf.reporting.style import BLUE, GREY, ORANGE, apply_style, percent

_SIDES = {"val": ("validation rows", ORANGE), "test": ("test rows", BLUE)}


def confidence_charts(confidence: Mapping[str, Any], metrics: Mapping[str, float]) -> list[Chart]:
    """Return reliability, and precision against coverage, of validation and test rows.

    Args:
        confidence: bins and curve of each side of the split, as a sweep has recorded them.
        metrics: those of the parent run, for what the chosen threshold gives.

    """
    return [_reliability(confidence), _coverage(confidence, metrics)]


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
            notes.append(
                f"{percent(covered, 1)} of the {name}, {percent(precision, 1)} of them right"
            )
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
