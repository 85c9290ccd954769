"""The answer that a report begins with: which model, how good, against what, is it usable."""

from dataclasses import dataclass

from ecomclf.evaluation.report import SCORE_NAMES
from ecomclf.reporting.style import percent
from ecomclf.reporting.sweep_record import SweepRecord
from ecomclf.tracking.descriptions import promote_command
from ecomclf.tracking.evaluation_record import FinalEvaluation

# A label of less probability, by models that were fitted on other rows, is worth a look.
_IMPROBABLE = 0.02
# Below this fraction of test rows that need no review, the reader is told how to get more.
_FEW_COVERED = 0.5


@dataclass(frozen=True)
class Answer:
    """What a reader wants to know first.

    Attributes:
        headline: the result in one sentence.
        usable: `yes`, `no` or `not yet`: whether the model may be used.
        verdict: why, in one sentence.
        points: further sentences, the most important first.

    """

    headline: str
    usable: str
    verdict: str
    points: tuple[str, ...]


def find_answer(record: SweepRecord) -> Answer:
    """Return the answer that a sweep gives, or what it has done so far."""
    if record.evaluation is None:
        return _unfinished(record)
    evaluation = record.evaluation
    usable, verdict = _verdict(evaluation)
    points = [
        *_against_baselines(evaluation),
        *_against_champion(evaluation),
        *_confidence(record),
        *_weakest(evaluation),
        *_caveats(record),
    ]
    return Answer(_headline(evaluation), usable, verdict, tuple(points))


def _headline(evaluation: FinalEvaluation) -> str:
    metric, test = evaluation.metric, evaluation.test
    value, interval = getattr(test, metric), evaluation.intervals.get(metric)
    bounds = f" (95 % interval {interval.low:.3f} to {interval.high:.3f})" if interval else ""
    return (
        f"Version {evaluation.version} of the model {evaluation.model} reaches a "
        f"{SCORE_NAMES[metric]} of {value:.4f}{bounds} on {test.rows:,} test rows."
    )


def _verdict(evaluation: FinalEvaluation) -> tuple[str, str]:
    passed = evaluation.gate.startswith("passed")
    reasons = evaluation.gate.partition(": ")[2] or evaluation.gate
    if not passed:
        return "no", (
            f"The promotion gate refused it: {reasons}. If that is good enough for you, "
            f"`{promote_command(evaluation.model, evaluation.version)}` takes it into use all the "
            "same; `registry.allow_below_baseline` in the config allows a model below the baseline."
        )
    if evaluation.stage is None:
        return "yes", f"It passed the promotion gate, without a stage: {reasons}."
    return "yes", f"It passed the promotion gate and got the stage {evaluation.stage}: {reasons}."


def _against_baselines(evaluation: FinalEvaluation) -> list[str]:
    if not evaluation.differences:
        return []
    name = min(evaluation.differences, key=lambda each: evaluation.differences[each].value)
    difference, metric = evaluation.differences[name], SCORE_NAMES[evaluation.metric]
    if difference.low > 0:
        meaning = "better than chance explains"
    elif difference.high < 0:
        meaning = "worse, and not by chance"
    else:
        meaning = "no clear difference, since the interval contains 0"
    return [
        f"Against the best linear baseline ({name.replace('_', ' ')}): {metric} "
        f"{difference.as_text()}, {meaning}."
    ]


def _against_champion(evaluation: FinalEvaluation) -> list[str]:
    champion = evaluation.champion
    return [] if champion is None else [f"Against the champion: {champion.as_text()}."]


def _confidence(record: SweepRecord) -> list[str]:
    covered = record.metrics.get("test_coverage")
    precision = record.metrics.get("test_covered_precision")
    threshold = record.threshold
    if covered is None or threshold is None:
        return []
    if threshold > 1:
        return ["Every prediction needs a review: no confidence was enough on validation rows."]
    if precision is None:
        return [f"Every test row needs a review: none has a confidence of {threshold:.3f}."]
    fewer = (
        " A lower winner.target_precision, such as 0.95, needs fewer reviews."
        if covered < _FEW_COVERED
        else ""
    )
    return [
        f"{percent(covered)} of the test rows need no review (confidence of at least "
        f"{threshold:.3f}); {percent(precision, 1)} of these are right.{fewer}"
    ]


def _weakest(evaluation: FinalEvaluation) -> list[str]:
    tested = {name: each for name, each in evaluation.test.classes.items() if each.support}
    name = min(tested, key=lambda each: tested[each].f1)
    lines = [
        f"The weakest class is {name}: F1 {tested[name].f1:.3f} on {tested[name].support} rows."
    ]
    never = evaluation.test.never_predicted
    if never:
        lines.append(f"{len(never)} of {len(tested)} classes are never predicted on the test rows.")
    return lines


def _caveats(record: SweepRecord) -> list[str]:
    """Return what a reader must know about the data before trusting the numbers."""
    lines = []
    data = record.artifacts.get("data_report.json", {})
    if data.get("protocol") == "random_rows":
        lines.append(
            "The split is by random rows: copies of test texts are in the training rows, so the "
            "metrics are inflated."
        )
    conflicts = data.get("texts_with_two_labels", 0)
    if conflicts:
        lines.append(f"{conflicts:,} texts of the data have more than one label.")
    suspects = record.table("label_suspects.json")
    if len(suspects):
        sure = int((suspects["label_probability"] < _IMPROBABLE).sum())
        lines.append(
            f"{sure:,} training rows have a label that other rows make improbable (below "
            f"{percent(_IMPROBABLE)}); look at them below before you trust them."
        )
    return lines


def _unfinished(record: SweepRecord) -> Answer:
    done = record.counted
    trials = "1 trial is" if len(done) == 1 else f"{len(done)} trials are"
    how = {
        "running": "The sweep is running",
        "failed": "The sweep failed (its run has the traceback in error.txt)",
        "killed": "The sweep was interrupted",
    }.get(record.state, "The sweep ended without a result")
    best = record.best
    points = []
    if best is not None and best.score is not None:
        points.append(
            f"The best so far is trial {best.number} with {record.monitor} {best.score:.4f}. It "
            "was chosen on these validation rows, so it is optimistic."
        )
    # A sweep may have been killed between its test metrics and its evaluation.
    if not any(name.startswith("test_") for name in record.metrics):
        points.append("No test rows have been read.")
    resume = "" if record.state == "running" else " Run the same command again to resume."
    return Answer(
        f"There is no result yet: {trials} done.",
        "not yet",
        f"{how}; nothing is registered.{resume}",
        tuple(points),
    )
