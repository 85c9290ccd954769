"""The gate: whether a new version may be used, and why.

A challenger must clear the config's floors on its test rows, must not be worse than the baseline on
them, nor than the champion on those of them that neither saw in training or validation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecomclf.config.schema import RegistryConfig
from ecomclf.data.near_duplicates import group_keys
from ecomclf.data.splitting import Subset
from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import Report, evaluate_labels

# Texts → names of classes.
Label = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Champion:
    """The version in Production: what it says, and what it has learned from.

    `seen` uint64: the group keys of its training and validation texts.
    """

    version: str
    label: Label
    seen: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Weighted F1 of both on the same `rows`; None where too few rows are left."""

    champion: str
    rows: int
    challenger_f1: float | None = None
    champion_f1: float | None = None

    @property
    def comparable(self) -> bool:
        """Say whether there were enough rows to compare."""
        return self.challenger_f1 is not None

    def as_text(self) -> str:
        """Say it in a few words."""
        if self.challenger_f1 is None:
            rows = f"{self.rows} test rows that neither saw"
            return f"not comparable with version {self.champion}: {rows}"
        return (
            f"weighted F1 {self.challenger_f1:.4f} against {self.champion_f1:.4f} of version "
            f"{self.champion} on {self.rows} test rows that neither saw"
        )


@dataclass(frozen=True)
class GateDecision:
    """Whether a challenger passed, every reason, and the comparison where there is a champion."""

    passed: bool
    reasons: tuple[str, ...]
    comparison: Comparison | None

    def as_text(self) -> str:
        """Say it in one line."""
        return f"{'passed' if self.passed else 'refused'}: {'; '.join(self.reasons)}"


def compare(
    challenger: Label,
    champion: Champion,
    test: Subset,
    classes: tuple[str, ...],
    *,
    least_rows: int,
) -> Comparison:
    """Let both label the test rows that the champion has not learned from."""
    unseen = np.flatnonzero(~np.isin(group_keys(test.texts), champion.seen))
    if len(unseen) < least_rows:
        return Comparison(champion.version, len(unseen))
    texts = [test.texts[row] for row in unseen]
    # Names that only the champion knows are one class more, and always wrong.
    at = {name: number for number, name in enumerate(classes)}

    def f1(label: Label) -> float:
        predicted = np.array([at.get(name, len(classes)) for name in label(texts)])
        report = evaluate_labels(test.labels[unseen], predicted, (*classes, ""))
        return report.f1_weighted

    return Comparison(champion.version, len(unseen), f1(challenger), f1(champion.label))


def judge(
    report: Report,
    config: RegistryConfig,
    comparison: Comparison | None,
    *,
    baseline: Interval | None = None,
    honest: bool = True,
) -> GateDecision:
    """Hold a challenger's test figures and its comparisons to the config's floors.

    Args:
        report: of the test rows.
        config: the floors.
        comparison: with the champion, where there is one.
        baseline: weighted F1 of the challenger minus that of the baseline, where it was compared.
        honest: whether no text stands on two sides of the split.

    """
    largest = max(figures.support for figures in report.classes.values()) / report.rows
    floors = [
        (
            "accuracy",
            report.accuracy,
            largest if config.min_accuracy is None else config.min_accuracy,
        ),
        ("macro F1", report.f1_macro, config.min_f1_macro or 0.0),
    ]
    reasons, passed = [], True
    for name, value, floor in floors:
        above = value >= floor
        passed &= above
        reasons.append(f"{name} {value:.4f} is {'at least' if above else 'under'} {floor:.4f}")
    if baseline is not None:
        below = baseline.value < 0
        passed &= config.allow_below_baseline or not below
        allowed = ", which the config allows" if below and config.allow_below_baseline else ""
        side = "below" if below else "not below"
        reasons.append(f"{side} the baseline: weighted F1 {baseline.as_text()}{allowed}")
    if not honest:
        passed = False
        reasons.append("split by random rows: copies of test texts stand in training")
    if comparison is not None:
        reasons.append(comparison.as_text())
        if comparison.challenger_f1 is not None and comparison.champion_f1 is not None:
            passed &= comparison.challenger_f1 >= comparison.champion_f1
    return GateDecision(passed, tuple(reasons), comparison)
