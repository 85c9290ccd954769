"""Where the time of a job goes."""

import time
from collections import defaultdict


class Stopwatch:
    """Adds up the seconds of the parts of a job, from one lap to the next."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)

    def lap(self, part: str) -> None:
        """Count the time since the last lap for a part."""
        now = time.perf_counter()
        self._seconds[part] += now - self._last
        self._last = now

    def metrics(self) -> dict[str, float]:
        """Give the seconds of each part so far as `seconds_<part>`."""
        return {f"seconds_{part}": seconds for part, seconds in self._seconds.items()}
