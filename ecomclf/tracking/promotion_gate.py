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
    """Which rules a challenger broke and which it met, in words.

    Attributes:
        broken: the rules that refuse it; none if it passed.
        met: the others.
        comparison: with the champion, where there is one.

    """

    broken: tuple[str, ...]
    met: tuple[str, ...]
    comparison: Comparison | None

    @property
    def passed(self) -> bool:
        """Return whether no rule was broken."""
        return not self.broken

    def as_text(self) -> str:
        """Return the decision in one line, what refuses first."""
        if self.passed:
            return f"passed: {'; '.join(self.met)}"
        met = f" (met: {'; '.join(self.met)})" if self.met else ""
        return f"refused: {'; '.join(self.broken)}{met}"


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
    rules: list[tuple[bool, str]] = []
    largest = max(each.support for each in report.classes.values()) / report.rows
    min_accuracy = largest if config.min_accuracy is None else config.min_accuracy
    minimums = [("accuracy", report.accuracy, min_accuracy)]
    if config.min_f1_macro is not None:
        minimums.append(("macro F1", report.f1_macro, config.min_f1_macro))
    for name, value, minimum in minimums:
        why = ", the share of the largest class" if minimum == largest else ""
        side = "at least" if value >= minimum else "below"
        rules.append((value >= minimum, f"{name} {value:.4f} is {side} {minimum:.4f}{why}"))
    if baseline is not None:
        below = baseline.value < 0
        allowed = ", which the config allows" if below and config.allow_below_baseline else ""
        difference = f"{SCORE_NAMES[metric]} {baseline.as_text()}{allowed}"
        side = "below" if below else "not below"
        met = config.allow_below_baseline or not below
        rules.append((met, f"{side} the best baseline: {difference}"))
    if not leak_free:
        copies = "split by random rows: copies of test texts are in the training rows"
        rules.append((False, copies))
    if comparison is not None:
        rules.append(_compare_scores(comparison))
    broken = tuple(rule for met, rule in rules if not met)
    return GateDecision(broken, tuple(rule for met, rule in rules if met), comparison)


def _compare_scores(comparison: Comparison) -> tuple[bool, str]:
    """Return whether a challenger may replace the champion, and why."""
    challenger, champion = comparison.challenger_score, comparison.champion_score
    if challenger is None or champion is None:
        return True, comparison.as_text()
    side = "not below" if challenger >= champion else "below"
    return challenger >= champion, f"{side} the champion: {comparison.as_text()}"
