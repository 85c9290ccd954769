"""Markdown descriptions of experiments and runs, which MLflow's UI shows above everything else."""

from collections.abc import Mapping
from typing import Any

from ecomclf.config.schema import DEFAULT_MODEL
from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import SCORE_NAMES
from ecomclf.runtime.terminal import short_text
from ecomclf.tracking.evaluation_record import FinalEvaluation

EXPERIMENT = """\
Sweeps of `ecomclf`: text classification with leak-free splits. Each sweep is a parent run; its
trials, baselines and repeats are the child runs.

- Sort by `val_f1_macro` or `val_f1_weighted`; `test_…` is measured once, for the winner of a sweep.
- A parent run has the whole story in its artifact `report.html`.
- A trial that is `KILLED` with a tag `pruned` was stopped early because it was hopeless, not lost.
"""


def describe_plan(trials: int, searched: list[str], data: DataReport, split: Split) -> str:
    """Return what a sweep is going to do, for its parent run until there is a result."""
    keys = ", ".join(f"`{key}`" for key in searched)
    return (
        f"Sweep of up to {trials:,} trials over {keys}.\n\n{_describe_data(data, split)}\n\n"
        "The result is written here when the sweep ends; the trials are the child runs."
    )


def describe_interruption(done: int, trials: int, why: str) -> str:
    """Return what is left of a sweep that ended without a result, and how to go on."""
    return (
        f"**No result: {why}, with {done:,} of {trials:,} trials done.** Run the same command "
        "again to resume: finished trials are kept."
    )


def describe_result(
    evaluation: FinalEvaluation, made_of: str, data: DataReport, split: Split
) -> str:
    """Return what a sweep, or a training, ended with: how good, against what, how to use it."""
    number, metric = evaluation.version, evaluation.metric
    stage = f"in {evaluation.stage}" if evaluation.stage else "without a stage"
    lines = [
        f"**Version {number} of the model `{evaluation.model}`, {stage}**: {made_of}.",
        f"{evaluation.test.summary('On the test rows, read once:')}{_bounds(evaluation)}.",
        *(
            f"- {name.replace('_', ' ')}: {report.summary('on the same rows')}; the model minus "
            f"it, {SCORE_NAMES[metric]}, {evaluation.differences[name].as_text()}"
            for name, report in evaluation.baselines.items()
        ),
        f"**Gate:** {evaluation.gate}.",
        _describe_data(data, split),
        f"Classify with it:\n\n```\n{classify_command(evaluation.model, number)}\n```",
    ]
    return "\n\n".join(lines)


def describe_trial(values: Mapping[str, Any], outcome: str, run_id: str | None = None) -> str:
    """Return what a trial tried and how it ended.

    Args:
        values: of the searched keys.
        outcome: how it ended.
        run_id: of a trial whose classifier was kept, to load it by.

    """
    tried = ", ".join(f"`{key}` {_code(short_text(value))}" for key, value in values.items())
    use = (
        "\n\nWhile it is among the best trials, its classifier is kept:\n\n```python\n"
        f'ecomclf.load("runs:/{run_id}/classifier")\n```'
        if run_id
        else ""
    )
    return f"{outcome}\n\nTried: {tried}.{use}"


def _describe_data(data: DataReport, split: Split) -> str:
    return (
        f"**Data:** {_code(data.source)}, {data.rows_kept:,} texts in {len(split.classes):,} "
        f"classes: {len(split.train):,} training, {len(split.validation):,} validation, "
        f"{len(split.test):,} test rows."
    )


def _code(text: str) -> str:
    """Return a text as code in Markdown, so that nothing in it is markup."""
    plain = " ".join(text.split()).replace("`", "'")
    return f"`{plain}`"


def _bounds(evaluation: FinalEvaluation) -> str:
    interval = evaluation.intervals.get(evaluation.metric)
    if interval is None:
        return ""
    name = SCORE_NAMES[evaluation.metric]
    return f"; 95 % interval of the {name} [{interval.low:.4f}, {interval.high:.4f}]"


def classify_command(model: str, version: str) -> str:
    """Return the command that classifies a file with a version.

    >>> classify_command("ecomclf", "3"), classify_command("shop", "1")[-12:]
    ('ecomclf classify new.csv labelled.csv --version 3', '--model shop')
    """
    return f"ecomclf classify new.csv labelled.csv --version {version}{_model_option(model)}"


def promote_command(model: str, version: str) -> str:
    """Return the command that takes a version into use.

    >>> promote_command("ecomclf", "3")
    'ecomclf promote 3 --stage Production'
    """
    return f"ecomclf promote {version} --stage Production{_model_option(model)}"


def _model_option(model: str) -> str:
    return "" if model == DEFAULT_MODEL else f" --model {model}"
