"""The promotion gate: whether a new version may get a stage, and why.

A challenger must reach the config's minimum metrics on its test rows. It must not be worse than any
baseline on them, nor worse than the champion on those of them that neither of the two has seen in
training or validation. They are compared by the metric that `train.monitor` names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecomclf.config.schema import RegistryConfig
from ecomclf.data.near_duplicates import group_keys
from ecomclf.data.splitting import Subset
from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import SCORE_NAMES, Report, evaluate_labels

# Texts → class names.
Label = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Champion:
    """The version in Production.

    Attributes:
        version: its number.
        label: predicts the class names of texts.
        seen: uint64, the group keys of its training and validation texts.

    """

    version: str
    label: Label
    seen: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Scores of challenger and champion on the same `rows`; None where those are too few.

    `champion` is the number of its version, `metric` a metric of `Report`.
    """

    champion: str
    rows: int
    challenger_score: float | None = None
    champion_score: float | None = None
    metric: str = "f1_weighted"

    @property
    def comparable(self) -> bool:
        """Return whether there were enough rows to compare."""
        return self.challenger_score is not None

    def as_text(self) -> str:
        """Return the comparison as a phrase."""
        if self.challenger_score is None:
            return (
                f"not comparable with version {self.champion}: {self.rows} test rows that neither "
                "has seen"
            )
        return (
            f"{SCORE_NAMES[self.metric]} {self.challenger_score:.4f} against "
            f"{self.champion_score:.4f} of version {self.champion} on {self.rows} test rows that "
            "neither has seen"
        )


@dataclass(frozen=True)
class GateDecision:
    """Whether a challenger passed, every reason, and the comparison where there is a champion."""

    passed: bool
    reasons: tuple[str, ...]
    comparison: Comparison | None

    def as_text(self) -> str:
        """Return the decision and its reasons in one line."""
        return f"{'passed' if self.passed else 'refused'}: {'; '.join(self.reasons)}"


def compare(
    challenger: Label,
    champion: Champion,
    test: Subset,
    classes: tuple[str, ...],
    *,
    min_rows: int,
    metric: str = "f1_weighted",
) -> Comparison:
    """Compare both versions on the test rows that the champion has not seen.

    Args:
        challenger: predicts the class names of texts.
        champion: the version in Production.
        test: the challenger's test rows.
        classes: names of the labels.
        min_rows: with fewer unseen rows, the two are not compared.
        metric: accuracy, f1_macro or f1_weighted.

    """
    unseen = np.flatnonzero(~np.isin(group_keys(test.texts), champion.seen))
    if len(unseen) < min_rows:
        return Comparison(champion.version, len(unseen), metric=metric)
    texts = [test.texts[row] for row in unseen]
    # Classes that only the champion knows count as one more class, which is always wrong.
    at = {name: number for number, name in enumerate(classes)}

    def score(label: Label) -> float:
        predicted = np.array([at.get(name, len(classes)) for name in label(texts)])
        report = evaluate_labels(test.labels[unseen], predicted, (*classes, ""))
        return float(getattr(report, metric))

    return Comparison(
        champion.version, len(unseen), score(challenger), score(champion.label), metric
    )


def decide(
    report: Report,
    config: RegistryConfig,
    comparison: Comparison | None,
    *,
    baseline: Interval | None = None,
    leak_free: bool = True,
    metric: str = "f1_weighted",
) -> GateDecision:
    """Apply the gate's rules to a challenger.

    Args:
        report: its metrics on the test rows.
        config: minimum metrics.
        comparison: with the champion, where there is one.
        baseline: metric of the challenger minus that of the best baseline, where they were
            compared.
        leak_free: whether no text is on two sides of the split.
        metric: by which `baseline` compares.

    """
    largest = max(each.support for each in report.classes.values()) / report.rows
    min_accuracy = largest if config.min_accuracy is None else config.min_accuracy
    reasons, passed = [], True
    minimums = [("accuracy", report.accuracy, min_accuracy)]
    if config.min_f1_macro is not None:
        minimums.append(("macro F1", report.f1_macro, config.min_f1_macro))
    for name, value, minimum in minimums:
        reached = value >= minimum
        passed &= reached
        reasons.append(f"{name} {value:.4f} is {'at least' if reached else 'below'} {minimum:.4f}")
    if baseline is not None:
        below = baseline.value < 0
        passed &= config.allow_below_baseline or not below
        allowed = ", which the config allows" if below and config.allow_below_baseline else ""
        side = "below" if below else "not below"
        difference = f"{SCORE_NAMES[metric]} {baseline.as_text()}"
        reasons.append(f"{side} the best baseline: {difference}{allowed}")
    if not leak_free:
        passed = False
        reasons.append("split by random rows: copies of test texts are in the training rows")
    if comparison is not None:
        reasons.append(comparison.as_text())
        if comparison.challenger_score is not None and comparison.champion_score is not None:
            passed &= comparison.challenger_score >= comparison.champion_score
    return GateDecision(passed, tuple(reasons), comparison)
