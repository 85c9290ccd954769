"""Durations, as a user writes them."""

import math
import re
from typing import Any

_PARTS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def parse_duration(text: Any) -> float:
    """Return a duration in seconds.

    Args:
        text: hours, minutes and seconds such as `1h30m`, `10m` or `90s`, or a number of seconds.

    Raises:
        ValueError: it is none of these, or not above 0.

    Example:
        >>> parse_duration("1h30m"), parse_duration("90s"), parse_duration(600)
        (5400.0, 90.0, 600.0)

    """
    if isinstance(text, float) and math.isfinite(text) and text > 0:
        return text
    parts = _PARTS.fullmatch("" if isinstance(text, bool) else str(text))
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    total = 3600.0 * hours + 60 * minutes + seconds
    if not total:
        raise ValueError(f"a duration must be above 0, such as 90s, 10m or 1h30m, but got {text!r}")
    return total
