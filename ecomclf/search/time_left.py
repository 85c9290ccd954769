"""The seconds that a sweep still takes, estimated from what its trials have taken so far."""

import heapq
import statistics
from dataclasses import dataclass, field

from ecomclf.search.budget import Budget

# Seconds from the last trial to the end, until a call of the study has measured them: a constant
# and a part of a trial, since that also grows with the rows. Chosen by about 60 recorded studies.
_END_CONSTANT, _END_PER_TRIAL = 3.0, 0.1


@dataclass
class _Trial:
    """A trial that runs or has ended.

    Attributes:
        started: when it started.
        epochs: seconds from the start to the end of each epoch.
        seconds: seconds that it took, once it has ended.

    """

    started: float
    epochs: list[float] = field(default_factory=list)
    seconds: float = 0.0


class TimeLeft:
    """Estimates how long a sweep takes from now on, the evaluation of the winner included.

    A running trial is expected to go on at its own pace for as many epochs as the ended trials that
    got beyond its latest one still had then, on average. Each waiting trial is expected to take the
    mean of the ended ones, on the worker that is free first. All times are of one clock, in
    seconds. The rule was chosen by the simulation in its test.

    Args:
        missing: number of trials that have not ended yet.
        workers: number of trials that run at the same time.
        measured_end: seconds from the last trial to the end in an earlier call of the study.
        budget: time limit; the estimate never exceeds what is left of it.

    Example:
        Two workers, three trials. The first took 10 s; of the second, one of two epochs is done.

        >>> left = TimeLeft(missing=3, workers=2, measured_end=5.0)
        >>> for trial in (0, 1):
        ...     left.started(trial, now=0.0)
        >>> for now in (5.0, 10.0):
        ...     left.epoch(0, now)
        >>> left.ended(0, now=10.0)
        >>> left.epoch(1, now=10.0)
        >>> left.started(2, now=10.0)
        >>> left.seconds(now=10.0)
        15.0

    """

    def __init__(
        self,
        *,
        missing: int,
        workers: int,
        measured_end: float | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._missing = missing
        self._workers = workers
        self._measured_end = measured_end
        self._budget = budget
        self._running: dict[int, _Trial] = {}
        self._ended: list[_Trial] = []
        # When workers became free, and how long those that began another trial had been free.
        self._free_since: list[float] = []
        self._pauses: list[float] = []

    def started(self, trial: int, now: float) -> None:
        """Note that a trial has started."""
        self._running[trial] = _Trial(now)
        if self._free_since:
            self._pauses.append(now - self._free_since.pop(0))

    def epoch(self, trial: int, now: float) -> None:
        """Note that a trial has completed an epoch."""
        running = self._running[trial]
        running.epochs.append(now - running.started)

    def ended(self, trial: int, now: float) -> None:
        """Note that a trial is finished, pruned or failed."""
        running = self._running.pop(trial)
        running.seconds = now - running.started
        self._ended.append(running)
        self._free_since.append(now)
        self._missing -= 1

    def lost(self, trial: int, now: float, *, counts: bool) -> None:
        """Note that a trial's worker has died; if the trial does not count, it is repeated."""
        if self._running.pop(trial, None) is not None:
            self._free_since.append(now)
            self._missing -= counts

    def seconds(self, now: float) -> float | None:
        """Return the seconds to the end of the sweep; None before a trial has ended."""
        if not self._ended:
            return None
        trials, end = self._seconds_of_trials(now), self.seconds_at_end()
        if self._budget is None:
            return trials + end
        trials = min(trials, max(0.0, self._budget.deadline - now))
        return min(trials + end, max(0.0, self._budget.begun + self._budget.limit - now))

    def seconds_at_end(self) -> float:
        """Return the seconds from the last trial to the end of the sweep."""
        if self._measured_end is not None:
            return self._measured_end
        return _END_CONSTANT + _END_PER_TRIAL * self._mean_seconds()

    def _mean_seconds(self) -> float:
        return statistics.fmean(trial.seconds for trial in self._ended) if self._ended else 0.0

    def _seconds_of_trials(self, now: float) -> float:
        """Return the seconds until the last trial ends."""
        each = self._mean_seconds() + (statistics.fmean(self._pauses) if self._pauses else 0.0)
        # A copy: the display asks from a thread of its own.
        running = list(self._running.values())
        free = [self._rest(trial, now) for trial in running]
        free += [0.0] * (self._workers - len(free))
        heapq.heapify(free)
        for _ in range(self._missing - len(running)):
            heapq.heapreplace(free, free[0] + each)
        return max(free)

    def _rest(self, trial: _Trial, now: float) -> float:
        """Return the seconds that a running trial still takes."""
        spent, done = now - trial.started, len(trial.epochs)
        if not done:
            longer = [ended.seconds for ended in self._ended if ended.seconds > spent]
            # Longer than all others, and without an epoch to judge by: it goes on for a while.
            return statistics.fmean(longer) - spent if longer else spent / 4
        return max(0.0, trial.epochs[-1] + self._rest_after_epoch(trial.epochs) - spent)

    def _rest_after_epoch(self, epochs: list[float]) -> float:
        """Return the seconds that a trial takes after its latest epoch."""
        done = len(epochs)
        longer = [ended for ended in self._ended if len(ended.epochs) > done]
        if not longer:
            return epochs[-1] / done
        if done == 1:
            first = statistics.fmean(ended.epochs[0] for ended in longer)
            rest = statistics.fmean(ended.seconds for ended in longer) - first
            return rest * epochs[0] / first if first else rest
        # The first epoch takes longer than the others: it includes what the trial starts with.
        each = (epochs[-1] - epochs[0]) / (done - 1)
        more = statistics.fmean(len(ended.epochs) - done for ended in longer)
        return each * more + statistics.fmean(ended.seconds - ended.epochs[-1] for ended in longer)
