from typing import Any

import pytest

from ecomclf.config.duration import parse_duration
from ecomclf.config.schema import SweepConfig


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("2h5s", 7205),
        ("600", 600),
        (45, 45),
        (2.5, 2.5),
    ],
)
def test_durations_are_read(text: Any, seconds: float) -> None:
    """Hours, minutes, seconds, or a number of seconds; a config reads back what it has written."""
    assert parse_duration(text) == seconds
    written = SweepConfig(time_limit=text).model_dump(mode="json")
    assert SweepConfig(**written).time_limit == seconds


@pytest.mark.parametrize("text", ["", "0", "ten", "5d", "-3m", "1m1h", True, 0.0, float("nan")])
def test_other_texts_are_refused(text: Any) -> None:
    """The message says how a duration is written, and what was given."""
    with pytest.raises(ValueError, match=r"such as 90s, 10m or 1h30m, but got"):
        parse_duration(text)
