"""`render_report`: the whole report as one HTML page that loads nothing from anywhere."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ecomclf.data.class_names import shorten_name
from ecomclf.errors import RequestError
from ecomclf.evaluation.report import SCORE_NAMES
from ecomclf.reporting.answer import find_answer
from ecomclf.reporting.chart import Chart
from ecomclf.reporting.class_charts import most_confused
from ecomclf.reporting.result_charts import result_charts
from ecomclf.reporting.search_charts import search_charts
from ecomclf.reporting.style import as_div
from ecomclf.reporting.sweep_record import SweepRecord
from ecomclf.reporting.time_charts import time_charts
from ecomclf.runtime.atomic_file import atomic_write
from ecomclf.runtime.terminal import short_text
from ecomclf.tracking.descriptions import classify_command, promote_command

REPORT_FILE = "report.html"

_TEMPLATE = "report.html.j2"
# Rows of the tables; everything is in the run's artifacts.
_MAX_TRIALS = 50
_MAX_TEXTS = 25
_MAX_CHARACTERS = 300


def save_report(record: SweepRecord, path: Path | None = None) -> Path:
    """Write the report of a sweep to a file, which appears as a whole or not at all.

    Args:
        record: the sweep.
        path: of the file; by default the name of the study with `.html`, in the working directory.
            An existing file is replaced.

    Returns:
        The path that was written.

    Raises:
        RequestError: the file cannot be written.

    """
    target = path or Path(f"{record.study}.html")
    page = render_report(record).encode()
    try:
        with atomic_write(target) as file:
            file.write(page)
    except OSError as error:
        raise RequestError(
            f"cannot write the report to {target}: {error.strerror}; name another with --output"
        ) from error
    return target


def render_report(record: SweepRecord) -> str:
    """Return the report of a sweep as an HTML document of about 5 MB, most of it plotly.js."""
    environment = Environment(
        loader=PackageLoader("ecomclf.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    template = environment.get_template(_TEMPLATE)
    return template.render(
        record=record,
        answer=find_answer(record),
        begun=datetime.fromtimestamp(record.begun, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        made_by=f"ecomclf {version('ecomclf')}",
        plotly=Markup(get_plotlyjs()),
        result=_drawn(result_charts(record)),
        search=_drawn(search_charts(record)),
        time=_drawn(time_charts(record)),
        leaderboard=_rows(record.leaderboard.drop(columns="run_id").head(_MAX_TRIALS)),
        trials_left_out=max(0, len(record.leaderboard) - _MAX_TRIALS),
        scores=_score_rows(record),
        commands=_commands(record),
        metric_name=SCORE_NAMES[record.evaluation.metric] if record.evaluation else "",
        classes=_class_rows(record),
        confused=most_confused(record.evaluation.test) if record.evaluation else [],
        errors=_texts(record.table("validation_errors.json")),
        suspects=_texts(record.table("label_suspects.json")),
        data=_data_lines(record.artifacts.get("data_report.json", {})),
        architecture=b64encode(record.architecture.encode()).decode(),
        config=record.config.to_yaml() if record.config else "",
        environment=record.artifacts.get("environment.json", {}),
        commit=record.tags.get("mlflow.source.git.commit", ""),
    )


def _commands(record: SweepRecord) -> list[str]:
    """Return the commands that take the version into use; none while there is no version."""
    if record.evaluation is None:
        return []
    version = record.evaluation.model, record.evaluation.version
    return [promote_command(*version), classify_command(*version)]


def _drawn(charts: Sequence[Chart]) -> list[dict[str, Any]]:
    return [
        {
            "name": chart.name,
            "title": chart.title,
            "says": chart.says,
            "div": Markup(as_div(chart.figure, chart.name)),
        }
        for chart in charts
    ]


def _rows(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as its column names and rows of cells."""
    return {
        "columns": [str(name) for name in table.columns],
        "rows": [list(row) for row in table.itertuples(index=False)],
    }


def _score_rows(record: SweepRecord) -> list[dict[str, Any]]:
    """Return accuracy and F1 of winner and baselines on the test rows."""
    evaluation = record.evaluation
    if evaluation is None:
        return []
    reports = {"winner": evaluation.test, **evaluation.baselines}
    return [
        {
            "name": name.replace("_", " "),
            "accuracy": report.accuracy,
            "f1_macro": report.f1_macro,
            "f1_weighted": report.f1_weighted,
            "difference": evaluation.differences.get(name),
        }
        for name, report in reports.items()
    ]


def _class_rows(record: SweepRecord) -> list[dict[str, Any]]:
    """Return the metrics of each class on the test rows, the lowest F1 first."""
    if record.evaluation is None:
        return []
    intervals = record.class_intervals()
    rows = [
        {"name": name, "metrics": each, "interval": intervals.get(name)}
        for name, each in record.evaluation.test.classes.items()
    ]
    return sorted(rows, key=lambda row: row["metrics"].f1)


def _texts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the first rows of a table of texts, long texts shortened."""
    names = [str(name) for name in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.head(_MAX_TEXTS).to_numpy()]
    return [row | {"text": shorten_name(str(row["text"]), _MAX_CHARACTERS)} for row in rows]


def _data_lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the data report as pairs of a name and a text."""
    if not report:
        return []
    dropped = {why: count for why, count in report["dropped"].items() if count}
    words = ", ".join(f"{count:,} ({at})" for at, count in report["word_percentiles"].items())
    classes = list(report["rows_a_class"].items())
    listed = ", ".join(f"{name} {count:,}" for name, count in classes[:_MAX_TEXTS])
    more = f" and {len(classes) - _MAX_TEXTS:,} more" if len(classes) > _MAX_TEXTS else ""
    return [
        ("source", report["source"]),
        *([("read as", report["read_as"])] if report.get("read_as") else []),
        ("sha256", report["sha256"]),
        ("rows read", f"{report['rows_read']:,}"),
        ("dropped", ", ".join(f"{count:,} {why}" for why, count in dropped.items()) or "none"),
        ("rows kept", f"{report['rows_kept']:,} in {report['groups']:,} near-duplicate groups"),
        ("texts with two labels", f"{report['texts_with_two_labels']:,}"),
        ("words per text", words),
        (f"classes ({len(classes):,})", listed + more),
        ("fingerprint", report["fingerprint"]),
    ]


def _cell(value: Any) -> str:
    """Return a value of a table as text; missing values are empty."""
    return "" if value is None or value != value else short_text(value)
