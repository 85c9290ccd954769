"""`Chart`: a figure with what a reader needs beside it."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Chart:
    """A figure of a report.

    Attributes:
        name: letters and hyphens; unique in the page.
        title: heading above it.
        figure: the figure.
        says: what it shows, in sentences with its main numbers; also read by screen readers in
            place of the figure.

    """

    name: str
    title: str
    figure: go.Figure
    says: str
