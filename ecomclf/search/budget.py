"""The time that a sweep may take: when a trial is not begun, and when running ones are stopped."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# The winner is chosen, evaluated and registered after the last trial. This part of the limit is
# kept for it, within these bounds in seconds.
_PART_FOR_THE_END, _SHORTEST_END, _LONGEST_END = 0.15, 10.0, 120.0


@dataclass(frozen=True)
class Budget:
    """A time limit of one call of a sweep.

    Attributes:
        limit: seconds.
        begun: `time.monotonic()` when the call began.
        measured_end: seconds from the last trial to the end in an earlier call of the study, if
            there was one.

    Example:
        With ten minutes, 90 seconds are kept for the end. A trial of 100 seconds may begin after
        400 of them, and not after 450.

        >>> budget = Budget(limit=600.0, begun=50.0)
        >>> budget.deadline
        560.0
        >>> [budget.allows(now, durations=[100.0]) for now in (450.0, 500.0)]
        [True, False]

    """

    limit: float
    begun: float
    measured_end: float = 0.0

    @property
    def deadline(self) -> float:
        """Return the time, of `time.monotonic()`, at which no trial runs any more."""
        end = min(max(_PART_FOR_THE_END * self.limit, _SHORTEST_END), _LONGEST_END)
        return self.begun + max(self.limit - max(end, self.measured_end), 0.0)

    @property
    def longest_wait(self) -> float:
        """Return the seconds after which baselines are fitted even if no trial has ended yet."""
        return self.limit / 4

    def allows(self, now: float, durations: Sequence[float]) -> bool:
        """Return whether a trial that begins now is expected to end in time.

        Args:
            now: `time.monotonic()`.
            durations: seconds that trials have taken so far, whose median is expected.

        """
        return now + (statistics.median(durations) if durations else 0.0) < self.deadline
