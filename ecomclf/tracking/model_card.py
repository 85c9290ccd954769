"""The model card of a registered version, as Markdown: its description in the registry."""

from collections.abc import Sequence

from ecomclf.data.class_names import list_names
from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import Report
from ecomclf.tracking.promotion_gate import GateDecision

# MLflow's database takes 5,000 characters; the classes with the lowest F1 matter most.
_MAX_CLASSES = 25
_MAX_LETTERS = 60


def model_card(
    use: str,
    description: str,
    threshold: float,
    data: DataReport,
    split: Split,
    split_seed: int,
    test: Report,
    baseline: Report,
    decision: GateDecision,
    *,
    never_predicted: Sequence[str] = (),
) -> str:
    """Return the card: gate, how to use it, data, model, metrics on the test rows, limits of use.

    Args:
        use: the command that classifies a file with it.
        description: what the model consists of, in Markdown.
        threshold: predictions with a lower confidence need a review.
        data: report of the rows it was made from.
        split: of these rows.
        split_seed: seed of the split.
        test: its metrics on the test rows.
        baseline: those of the best baseline.
        decision: of the promotion gate.
        never_predicted: classes that it predicts for no validation row.

    """
    by = "near-duplicate groups" if split.protocol == "groups" else "random rows, copies included"
    given = f"Test rows from {data.test_source}." if data.test_source else ""
    # A threshold above 1 means that no confidence was enough on the validation rows.
    review = (
        f"predictions under {threshold:.3f}, and of texts without a known word, need a review"
        if threshold <= 1
        else "all predictions need a review"
    )
    table, weakest = _class_table(test)
    return f"""\
**Gate:** {decision.as_text()}

**Use it:** `{use}`

**Data:** {data.source}, {data.rows_kept:,} different texts of {data.rows_read:,} rows, fingerprint
`{split.fingerprint}`. Split by {by}, seed {split_seed}:
{len(split.train):,} training, {len(split.validation):,} validation, {len(split.test):,} test rows.
{given}

**Model:** {description}

**On the test rows, read once:** accuracy {test.accuracy:.4f}, macro F1 {test.f1_macro:.4f},
weighted F1 {test.f1_weighted:.4f}; best linear model: {baseline.accuracy:.4f},
{baseline.f1_macro:.4f}, {baseline.f1_weighted:.4f}.

{table}

**Limits:** every text gets one of these classes, whatever it is about. Texts of another kind,
language or time than the data are not covered by these metrics. The weakest class is {weakest}.
{_never_predicted(never_predicted)}\
Confidence is calibrated on the validation rows; {review}.
"""


def _never_predicted(classes: Sequence[str]) -> str:
    """Return a line of the card about classes that are never predicted, if there are any."""
    if not classes:
        return ""
    return f"Never predicted on the validation rows: {list_names(map(_cell, classes), 10)}.\n"


def _class_table(test: Report) -> tuple[str, str]:
    """Return a Markdown table of the classes with the lowest F1, and the weakest one by name."""
    tested = [item for item in test.classes.items() if item[1].support]
    worst = sorted(tested, key=lambda item: item[1].f1)[:_MAX_CLASSES]
    rows = [
        f"| {_cell(name)} | {each.precision:.3f} | {each.recall:.3f} | {each.f1:.3f} "
        f"| {each.support} |"
        for name, each in worst
    ]
    more = len(tested) - len(worst)
    left_out = [f"and {more} classes with a higher F1"] if more else []
    head = ["| class | precision | recall | F1 | rows |", "|---|---|---|---|---|"]
    name, weakest = worst[0]
    return "\n".join([*head, *rows, *left_out]), f"{_cell(name)} (F1 {weakest.f1:.3f})"


def _cell(name: str) -> str:
    """Return a class name as the cell of a Markdown table."""
    short = name if len(name) <= _MAX_LETTERS else f"{name[:_MAX_LETTERS]}…"
    return " ".join(short.replace("|", "\\|").split())
