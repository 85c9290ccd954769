"""Charts of a result: the winner against others, its classes, its confidence."""

import plotly.graph_objects as go

from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import SCORE_NAMES
from ecomclf.reporting.chart import Chart
from ecomclf.reporting.class_charts import class_chart, confusion_chart
from ecomclf.reporting.confidence_charts import confidence_charts
from ecomclf.reporting.style import BLUE, ORANGE, apply_style, error_bars
from ecomclf.reporting.sweep_record import SweepRecord
from ecomclf.tracking.evaluation_record import CONFIDENCE_FILE, FinalEvaluation


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
        charts += confidence_charts(confidence, record.metrics)
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
        "Winner, baselines, champion" if champion else "Winner and baselines",
        apply_style(figure, height=120 + 45 * len(rows)),
        " ".join(says),
    )


def _dot(row: str, value: float, interval: Interval | None, colour: str) -> go.Scatter:
    """Return a value as a dot, with its interval as a bar where there is one."""
    return go.Scatter(
        x=[value],
        y=[row],
        error_x=error_bars([value], [interval]) if interval else None,
        mode="markers+text",
        text=[f"{value:.4f}"],
        textposition="top center",
        marker={"size": 12, "color": colour},
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )
