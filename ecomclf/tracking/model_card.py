"""The model card of a registered version, as Markdown: its description in the registry."""

from ecomclf.data.dataset import DataReport
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import Report
from ecomclf.search.blending import Winner
from ecomclf.tracking.promotion_gate import GateDecision

# MLflow's database takes 5,000 characters; the classes with the lowest F1 matter most.
_MOST_CLASSES = 25
_MOST_LETTERS = 60


def model_card(
    winner: Winner,
    data: DataReport,
    split: Split,
    test: Report,
    baseline: Report,
    verdict: GateDecision,
) -> str:
    """Say what a version was made of, what it reaches, and when not to use it."""
    tested = [item for item in test.classes.items() if item[1].support]
    worst = sorted(tested, key=lambda item: item[1].f1)[:_MOST_CLASSES]
    rows = "\n".join(
        f"| {_cell(name)} | {figures.precision:.3f} | {figures.recall:.3f} | {figures.f1:.3f} "
        f"| {figures.support} |"
        for name, figures in worst
    )
    more = len(tested) - len(worst)
    weakest = worst[0]
    config, blend = winner.configs[0], winner.blend
    trials = ", ".join(map(str, winner.trials))
    by = "groups of like texts" if split.protocol == "groups" else "random rows, copies included"
    threshold = winner.classifier.threshold
    # No confidence is enough where none was in validation.
    review = (
        f"answers under {threshold:.3f} need a review" if threshold <= 1 else "all need a review"
    )
    given = f"Test rows from {data.test_source}." if data.test_source else ""
    return f"""\
**Gate:** {verdict.as_text()}

**Data:** {data.source}, {data.rows_kept:,} different texts of {data.rows_read:,} rows, fingerprint
`{split.fingerprint}`. Split by {by}, seed {config.data.split_seed}:
{len(split.train):,} training, {len(split.validation):,} validation, {len(split.test):,} test rows.
{given}

**Model:** trials averaged: {trials}; share of the wide path (TF-IDF and a linear SVM):
{blend.wide_share:.2f}. The best trial: {config.model.encoder.upper()} {config.model.units},
embedding {config.model.embedding_dim}, dropout {config.model.dropout:.3g}, {config.model.pooling}
pooling. First {config.text.max_length} words, cleaning: {", ".join(config.text.steps) or "none"}.

**On the test rows, read once:** accuracy {test.accuracy:.4f}, macro F1 {test.f1_macro:.4f},
weighted F1 {test.f1_weighted:.4f}; TF-IDF + LinearSVC: {baseline.accuracy:.4f},
{baseline.f1_macro:.4f}, {baseline.f1_weighted:.4f}.

| class | precision | recall | F1 | rows |
|---|---|---|---|---|
{rows}
{f"and {more} classes with a higher F1" if more else ""}

**Do not use it** for other classes than these: every text gets one of them. Texts of another kind,
language or time than the data are not covered by these figures. The weakest class is
{_cell(weakest[0])} (F1 {weakest[1].f1:.3f}). Confidence is calibrated on the validation rows;
{review}.
"""


def _cell(name: str) -> str:
    """Give a class name as a cell of a table takes it."""
    short = name if len(name) <= _MOST_LETTERS else f"{name[:_MOST_LETTERS]}…"
    return " ".join(short.replace("|", "\\|").split())
