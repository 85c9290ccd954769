from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split, Subset
from ecomclf.evaluation.report import evaluate_labels
from ecomclf.tracking.model_card import model_card
from ecomclf.tracking.promotion_gate import GateDecision

ROWS = Subset(("a", "b"), np.array([0, 1], np.int32), np.arange(2, dtype=np.int32))
DATA = DataReport("rows.csv", "5", None, 2, 2, {}, 0, {}, {}, 2, 1, "f")


def card(classes: tuple[str, ...], threshold: float = 0.7, **more: Any) -> str:
    """Return a card for these classes, each predicted right in one row and wrong in another."""
    split = Split(train=ROWS, validation=ROWS, test=ROWS, classes=classes, fingerprint="f")
    labels = np.repeat(np.arange(len(classes)), 2)
    report = evaluate_labels(labels, np.roll(labels, 1), classes)
    decision = GateDecision((), ("good",), None)
    use = "ecomclf classify new.csv labelled.csv --version 4"
    return model_card(
        use, "an LSTM", threshold, replace(DATA), split, 0, report, report, decision, **more
    )


def test_a_card_fits_into_the_registry_whatever_the_classes_are_called() -> None:
    """5,000 characters, and each class is one row of the table."""
    text = card(tuple(f"{number} | " + "long\n" * 100 for number in range(80)))
    assert len(text) <= 5000
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 26
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (0.71, "predictions under 0.710, and of texts without a known word, need a review"),
        (2.0, "all predictions need a review"),
    ],
)
def test_a_card_says_which_answers_need_a_review(threshold: float, said: str) -> None:
    """Where no confidence is enough, none is named."""
    assert f"rows; {said}.\n" in card(("x", "y"), threshold)


def test_a_card_says_how_to_use_the_version() -> None:
    """The command that classifies a file with it."""
    assert "**Use it:** `ecomclf classify new.csv labelled.csv --version 4`" in card(("x", "y"))


def test_a_card_names_classes_that_are_never_predicted() -> None:
    """Only where there are some, and no more than ten."""
    assert "Never" not in card(("x", "y"))
    named = "Never predicted on the validation rows: a, b, c, d, e, f, g, h, i, j and 2 more.\n"
    assert named in card(("x", "y"), never_predicted=[*"abcdefghijkl"])
