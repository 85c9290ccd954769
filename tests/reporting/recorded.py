"""A sweep as its runs record it, without any training."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from ecomclf.config.loading import Config
from ecomclf.evaluation.calibration import coverage_curve, reliability
from ecomclf.evaluation.intervals import Interval, class_intervals, difference_interval
from ecomclf.evaluation.report import evaluate, evaluate_labels
from ecomclf.tracking.connection import connect
from ecomclf.tracking.evaluation_record import (
    CLASS_INTERVALS_FILE,
    CONFIDENCE_FILE,
    EVALUATION_FILE,
    FinalEvaluation,
)
from ecomclf.tracking.runs import (
    MONITOR,
    PRUNED,
    SEARCHED,
    STUDY,
    STUDY_ID,
    TRIAL,
    Run,
    Tracking,
)

KEYS = ("model.units", "model.dropout", "text.steps")
CONFIG = Config.model_validate(
    {
        "name": "shop",
        "sweep": {
            "space": {
                "model.units": {"type": "int", "low": 8, "high": 64},
                "model.dropout": {"type": "float", "low": 0.0, "high": 0.5},
                "text.steps": {"type": "choice", "values": [["lowercase"], []]},
            }
        },
    }
)


def record_sweep(
    *,
    study: str = "shop-1",
    states: Sequence[str] = ("finished", "finished", "pruned", "finished", "failed", "finished"),
    classes: Sequence[str] = ("Hats", "Shoes", "Toys"),
    rows: int = 300,
    evaluated: bool = True,
    gate: str = "passed: accuracy 0.9 is at least 0.4",
    texts: Sequence[str] = ("a red hat", "two shoes"),
    old: bool = False,
) -> tuple[Tracking, Run]:
    """Write the runs of a sweep whose trials ended in some states; return store and parent run.

    An `old` one has no artifacts that are new in 0.3.0.
    """
    tracking = connect("reports")
    tags = {STUDY: study, STUDY_ID: f"id of {study}"}
    parent = tracking.start_run(
        "sweep", study, tags={**tags, SEARCHED: " ".join(KEYS), MONITOR: "val_f1_macro"}
    )
    parent.log_text(CONFIG.to_yaml(), "config.yaml")
    parent.log_json(_data_report(classes, rows), "data_report.json")
    for number, state in enumerate(states):
        _record_trial(tracking, parent, tags | {TRIAL: str(number)}, number, state)
    if evaluated:
        _record_evaluation(parent, tuple(classes), rows, gate, list(texts), old=old)
        parent.finish("FINISHED")
    else:
        parent.finish("KILLED")
    return tracking, parent


def _record_trial(
    tracking: Tracking, parent: Run, tags: dict[str, str], number: int, state: str
) -> None:
    run = tracking.start_run("trial", f"trial {number}", parent=parent.run_id, tags=tags)
    values = {
        "model.units": 8 + number,
        "model.dropout": round(0.03 * (number % 10), 3),
        "text.steps": [["lowercase"], []][number % 2],
    }
    run.log_params(CONFIG.with_values(values).flat())
    for epoch in (1, 2, 3):
        run.log_metrics({"val_f1_macro": 0.5 + 0.1 * epoch + 0.001 * number}, step=epoch)
    run.log_metrics({"seconds/fitting": 2.0, "seconds/encoding": 0.5})
    if state == "finished":
        run.log_metrics({"val_f1_macro": 0.75 + 0.001 * number}, step=4)
        run.tag(kept_epoch=2)
    if state == "pruned":
        run.tag(**{PRUNED: "by the median pruner in epoch 3"})
    run.finish({"finished": "FINISHED", "failed": "FAILED"}.get(state, "KILLED"))


def _record_evaluation(
    parent: Run, classes: tuple[str, ...], rows: int, gate: str, texts: list[str], *, old: bool
) -> None:
    generator = np.random.default_rng(5)
    labels = generator.integers(0, len(classes), rows)
    logits = generator.normal(size=(rows, len(classes)))
    logits[np.arange(rows), labels] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted, other = probabilities.argmax(axis=1), generator.permutation(labels)
    report, groups = evaluate(labels, probabilities, classes), np.arange(rows)
    evaluation = FinalEvaluation(
        test=report,
        baselines={"baseline": evaluate_labels(labels, other, classes)},
        differences={"baseline": difference_interval(labels, predicted, other, groups)},
        metric="f1_macro",
        model="shop",
        version="3",
        gate=gate,
        stage="Staging" if gate.startswith("passed") else None,
        intervals={"f1_macro": Interval(report.f1_macro, 0.1, 0.99)},
    )
    confidence = {
        "bins": [asdict(each) for each in reliability(labels, probabilities)],
        "curve": [asdict(each) for each in coverage_curve(labels, probabilities)],
    }
    found = class_intervals(labels, predicted, groups, classes)
    parent.log_json(evaluation.to_dict(), EVALUATION_FILE)
    if not old:
        parent.log_json({"threshold": 0.8}, "winner.json")
        sides = {"val": confidence, "test": confidence}
        parent.log_json({"threshold": 0.8, **sides}, CONFIDENCE_FILE)
        parent.log_json({name: asdict(each) for name, each in found.items()}, CLASS_INTERVALS_FILE)
    parent.log_metrics({"test_coverage": 0.7, "test_covered_precision": 0.99})
    table = pd.DataFrame(
        {"text": texts, "true": classes[0], "predicted": classes[1], "confidence": 0.9}
    )
    parent.log_table(table, "validation_errors.json")
    parent.log_table(table.assign(label_probability=0.001), "label_suspects.json")


def _data_report(classes: Sequence[str], rows: int) -> dict[str, object]:
    return {
        "source": "shop.csv",
        "sha256": "ab" * 32,
        "read_as": "CSV",
        "rows_read": rows * 5,
        "rows_kept": rows * 4,
        "groups": rows * 3,
        "dropped": {"exact copies": rows},
        "texts_with_two_labels": 2,
        "rows_a_class": dict.fromkeys(classes, 4),
        "word_percentiles": {"50 %": 7},
        "fingerprint": "cd" * 32,
        "protocol": "groups",
    }
