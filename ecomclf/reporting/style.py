"""How the figures of a report look: one style for Optuna's and for our own."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html

from ecomclf.data.class_names import shorten_name
from ecomclf.evaluation.intervals import Interval

# Okabe and Ito's colours, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#6e7781",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)
# From white to blue: also readable in print without colours.
SEQUENTIAL = [[0.0, "#ffffff"], [1.0, BLUE]]

# From a blue that is visible on white to a darker one.
VISIBLE = [[0.0, "#9ecae1"], [1.0, "#08306b"]]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_MAX_CHARACTERS = 40


def apply_style(figure: go.Figure, *, height: int = 380) -> go.Figure:
    """Give a figure the report's fonts, colours, margins and height in pixels; return it."""
    figure.update_layout(
        template="plotly_white",
        font={"family": _FONT, "size": 13, "color": "#1b1f24"},
        colorway=list(PALETTE),
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        height=height,
        title=None,
        autosize=True,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"},
        hoverlabel={"font": {"family": _FONT}},
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def as_div(figure: go.Figure, name: str) -> str:
    """Return a figure as an element of a page that contains plotly.js already.

    It has no buttons, which would cover it on a phone: drag to zoom, double-click to go back.
    """
    config = {"displayModeBar": False, "responsive": True}
    return str(
        to_html(figure, config, include_plotlyjs=False, full_html=False, div_id=f"chart-{name}")
    )


def percent(fraction: float, digits: int = 0) -> str:
    """Return a fraction as text.

    >>> percent(0.0134, 1), percent(1.0)
    ('1.3 %', '100 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def error_bars(values: Sequence[float], intervals: Sequence[Interval | None]) -> dict[str, Any]:
    """Return intervals as plotly's bars around values; none around one without an interval."""
    above, below = [], []
    for value, interval in zip(values, intervals, strict=True):
        above.append(max(0.0, interval.high - value) if interval else 0.0)
        below.append(max(0.0, value - interval.low) if interval else 0.0)
    bars = {"type": "data", "symmetric": False, "color": GREY}
    return {**bars, "array": above, "arrayminus": below}


def label(name: str) -> str:
    """Return a class name as a label: shortened, and its `<` and `&` shown as they are.

    Plotly takes labels for HTML.

    >>> label("R&D <b>")
    'R&amp;D &lt;b&gt;'
    """
    return escape(shorten_name(name, _MAX_CHARACTERS), quote=False)
