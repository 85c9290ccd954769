"""Charts of the time: when each trial ran, and what the time went to."""

from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go

from ecomclf.reporting.chart import Chart
from ecomclf.reporting.style import BLUE, GREY, ORANGE, RED, apply_style
from ecomclf.reporting.sweep_record import SweepRecord, TrialRecord

_STATES = {"finished": BLUE, "pruned": ORANGE, "failed": RED, "killed": GREY}
_MAX_BARS = 300


def time_charts(record: SweepRecord) -> list[Chart]:
    """Return when each trial ran; nothing before one has ended."""
    ended = [trial for trial in record.trials if trial.seconds > 0]
    if not ended:
        return []
    drawn = ended[:_MAX_BARS]
    says = _describe(ended)
    if len(drawn) < len(ended):
        says += f" Only the first {len(drawn)} are drawn."
    height = 130 + min(24 * len(drawn), 1500)
    figure = apply_style(_timeline(drawn), height=height)
    return [Chart("timeline", "When each trial ran", figure, says)]


def _timeline(drawn: Sequence[TrialRecord]) -> go.Figure:
    """Return a bar per trial from its beginning to its end, coloured by its state."""
    begin = min(trial.begun for trial in drawn)
    figure = go.Figure()
    for state, colour in _STATES.items():
        rows = [trial for trial in drawn if trial.state == state]
        if rows:
            figure.add_trace(
                go.Bar(
                    base=[trial.begun - begin for trial in rows],
                    x=[trial.seconds for trial in rows],
                    y=[f"trial {trial.number}" for trial in rows],
                    orientation="h",
                    name=state,
                    marker_color=colour,
                    hovertemplate="%{y}: %{x:.1f} s<extra>" + state + "</extra>",
                )
            )
    names = [f"trial {trial.number}" for trial in drawn]
    figure.update_xaxes(title="seconds since the first trial began")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names)
    return figure.update_layout(barmode="overlay")


def _describe(ended: Sequence[TrialRecord]) -> str:
    """Return how long trials took, and their parts, in words."""
    worked = sum(trial.seconds for trial in ended)
    lasted = max(trial.begun + trial.seconds for trial in ended) - min(
        trial.begun for trial in ended
    )
    parts: Counter[str] = Counter()
    for trial in ended:
        parts.update(trial.parts)
    listed = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.most_common())
    return (
        f"{len(ended)} trials took {worked:.0f} s of work within {lasted:.0f} s. "
        f"Their parts: {listed or 'not recorded'}."
    )
