from collections.abc import Sequence

import numpy as np
import pytest

from ecomclf.config.schema import RegistryConfig
from ecomclf.data.near_duplicates import group_keys
from ecomclf.data.splitting import Subset
from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import Report, evaluate_labels
from ecomclf.tracking.promotion_gate import Champion, Comparison, Label, compare, decide

CLASSES = ("cases", "phones")
TEXTS = tuple(f"text number {number} about things" for number in range(10))
LABELS = np.array([0, 1] * 5, np.int32)
TEST = Subset(TEXTS, LABELS, np.arange(10, dtype=np.int32))


def report(right: int, of: int = 10) -> Report:
    """Make a report with so many right answers, as many rows of one class as of the other."""
    labels = np.arange(of) % 2
    return evaluate_labels(labels, np.where(np.arange(of) < right, labels, 1 - labels), CLASSES)


def labelling(right: int) -> Label:
    """Label the first so many test texts rightly."""
    truth = {text: CLASSES[label] for text, label in zip(TEXTS, LABELS, strict=True)}

    def label(texts: Sequence[str]) -> list[str]:
        known = [TEXTS.index(text) < right for text in texts]
        other = {"cases": "phones", "phones": "cases"}
        return [
            truth[text] if known_ else other[truth[text]]
            for text, known_ in zip(texts, known, strict=True)
        ]

    return label


def champion(right: int, seen: Sequence[str] = ()) -> Champion:
    """Make a champion that has learned from some texts."""
    return Champion("3", labelling(right), group_keys(seen))


@pytest.mark.parametrize(
    ("right", "floors", "passed"),
    [
        (6, {}, True),
        (4, {}, False),
        (9, {"min_accuracy": 0.9}, True),
        (8, {"min_accuracy": 0.9}, False),
        (8, {"min_f1_macro": 0.85}, False),
    ],
)
def test_floors_are_the_configs_or_the_largest_classs_share(
    right: int, floors: dict[str, float], passed: bool
) -> None:
    """Of two classes of like size the share is a half; a floor that is met is enough."""
    decision = decide(report(right), RegistryConfig(**floors), None)
    assert decision.passed is passed
    assert f"accuracy {right / 10:.4f} is {'' if passed or right == 8 else 'below'}" in (
        decision.as_text()
    )


@pytest.mark.parametrize(
    ("challenger", "holder", "passed"), [(8, 6, True), (6, 6, True), (6, 8, False)]
)
def test_a_challenger_must_not_be_worse_than_the_champion(
    challenger: int, holder: int, passed: bool
) -> None:
    """On the rows that neither saw, at least the champion's weighted F1."""
    comparison = compare(labelling(challenger), champion(holder), TEST, CLASSES, min_rows=5)
    assert comparison.rows == 10
    assert comparison.comparable
    assert decide(report(9), RegistryConfig(), comparison).passed is passed


def test_rows_that_the_champion_has_learned_from_do_not_count() -> None:
    """A champion that is right only where it has learned gets no credit for it."""
    holder = champion(5, seen=TEXTS[:5])
    comparison = compare(labelling(10), holder, TEST, CLASSES, min_rows=5)
    assert comparison.rows == 5
    assert (comparison.challenger_score, comparison.champion_score) == (1.0, 0.0)


def test_near_duplicates_of_what_the_champion_knows_do_not_count_either() -> None:
    """A test text that begins like a training text in its first 8 words is seen."""
    seen = "one two three four five six seven eight and more"
    rows = Subset(("One two, three four five six seven eight; otherwise",), LABELS[:1], LABELS[:1])
    holder = Champion("3", lambda texts: ["cases"] * len(texts), group_keys([seen]))
    assert compare(labelling(1), holder, rows, CLASSES, min_rows=1).rows == 0


def test_too_few_rows_are_not_comparable() -> None:
    """The comparison is left out, said so, and does not stand in the way."""
    comparison = compare(labelling(1), champion(9), TEST, CLASSES, min_rows=11)
    assert not comparison.comparable
    decision = decide(report(9), RegistryConfig(), comparison)
    assert decision.passed
    assert "not comparable with version 3: 10 test rows" in decision.as_text()


def test_classes_that_only_the_champion_knows_are_wrong_answers() -> None:
    """A champion with other classes is judged on this data set's."""
    holder = Champion("2", lambda texts: ["tablets"] * len(texts), group_keys([]))
    comparison = compare(labelling(10), holder, TEST, CLASSES, min_rows=1)
    assert comparison == Comparison("2", 10, 1.0, 0.0)


@pytest.mark.parametrize(
    ("difference", "allowed", "passed"),
    [(0.01, False, True), (0.0, False, True), (-0.01, False, False), (-0.01, True, True)],
)
def test_a_winner_below_the_baseline_needs_the_configs_leave(
    difference: float, allowed: bool, passed: bool
) -> None:
    """The difference and its interval are said either way."""
    config = RegistryConfig(allow_below_baseline=allowed)
    interval = Interval(difference, -0.02, 0.03)
    decision = decide(report(9), config, None, baseline=interval)
    assert decision.passed is passed
    assert f"{difference:+.4f} [-0.0200, +0.0300]" in decision.as_text()
    assert ("which the config allows" in decision.as_text()) is (allowed and difference < 0)


def test_figures_of_random_rows_open_no_stage() -> None:
    """However good they are."""
    decision = decide(report(10), RegistryConfig(), None, leak_free=False)
    assert not decision.passed
    assert "random rows" in decision.as_text()


def test_a_refusal_begins_with_what_refuses() -> None:
    """Rules that were met come after it, marked as met; a comparison says which way it went."""
    comparison = compare(labelling(6), champion(8), TEST, CLASSES, min_rows=5)
    text = decide(report(9), RegistryConfig(), comparison).as_text()
    assert text.startswith("refused: below the champion: weighted F1 ")
    assert text.endswith(
        "(met: accuracy 0.9000 is at least 0.5000, the share of the largest class)"
    )
