"""How long the parts of a job take."""

import time
from collections import defaultdict


class Stopwatch:
    """Accumulate the seconds that each part of a job takes.

    It starts when it is created. A part may have several laps, which add up.

    Example:
        >>> watch = Stopwatch()
        >>> total = sum(range(1000))
        >>> watch.lap("summing")
        >>> list(watch.metrics())
        ['seconds/summing']

    """

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)

    def lap(self, part: str) -> None:
        """Add the time since the last lap, or since the start, to a part."""
        now = time.perf_counter()
        self._seconds[part] += now - self._last
        self._last = now

    def metrics(self) -> dict[str, float]:
        """Return the seconds of each part so far, under the name `seconds/<part>`."""
        return {f"seconds/{part}": seconds for part, seconds in self._seconds.items()}
