"""A rare class, from a sweep that weighs classes to answers that need a review."""

from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ecomclf import api
from ecomclf.config.loading import load_config

pytestmark = pytest.mark.slow

GOOD = ("great quality", "lovely colour", "fits well", "works as said", "fast delivery")
BAD = ("stopped working", "arrived broken", "wrong size", "smells awful", "very poor quality")


def reviews(count: int, praises: tuple[str, ...], label: str) -> list[tuple[str, str]]:
    """Return different texts, each with two praises or complaints about a thing."""
    return [
        (label, f"mug {n}: {praises[n % 5]}, {praises[(n + 1 + n // 5 % 4) % 5]}")
        for n in range(count)
    ]


def test_a_rare_class_is_found_where_classes_are_balanced(tiny: Path) -> None:
    """The trial with weights wins, and texts without a known word need a review."""
    rows = [*reviews(400, GOOD, "good"), *reviews(24, BAD, "bad")]
    values = {
        "data": {"text_columns": ["text"], "label_column": "label"},
        "train": {"epochs": 2, "batch_size": 32},
        "sweep.sampler": "grid",
        "sweep.space": {"train.class_weight": {"type": "choice", "values": ["none", "balanced"]}},
    }
    frame = pd.DataFrame(rows, columns=["label", "text"])
    result = api.sweep(load_config(tiny, values), data=frame, trials=2, workers=2)
    assert result.test.classes["bad"].recall >= 0.8
    assert result.leaderboard["train.class_weight"].iloc[0] == "balanced"
    unknown = ["", "   ", "xyzzy qwrtp", "今日は", "!!! ???"]
    model = mlflow.pyfunc.load_model(f"models:/{result.model}/{result.version}")
    classifier = api.load(f"models:/{result.model}/{result.version}")
    for answers in (model.predict(pd.DataFrame({"text": unknown})), classifier.predict(unknown)):
        assert answers["needs_review"].all()
