import heapq
import math
import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ecomclf.search.budget import Budget
from ecomclf.search.time_left import TimeLeft

EPOCHS = 9
# Moments with less than that left are exempt: whether 3 or 4 s are left matters to nobody.
SHORTEST = 5.0


def simulate(chance: random.Random, *, measured: bool) -> Iterator[tuple[float, float]]:
    """Yield the estimate and the seconds truly left, once a second from half of the trials on.

    The sweep has 2 to 4 workers, which start within 3 to 6 s, 6 to 60 trials, and 10 to 20 s after
    the last of them. A trial has 7 to 9 epochs, the first of which takes two to four times as long
    as the others; its pace is log-normal, with the spread that real studies had. Three of ten are
    pruned at a third of the epochs.

    Args:
        chance: source of the random numbers.
        measured: an earlier call has measured the time after the last trial, up to a fifth off.

    """
    workers, trials = chance.randint(2, 4), chance.randint(6, 60)
    seconds, end = math.exp(chance.uniform(math.log(8), math.log(60))), chance.uniform(10, 20)
    measured_end = end * chance.uniform(0.8, 1.2) if measured else None
    left = TimeLeft(missing=trials, workers=workers, measured_end=measured_end)
    free = [chance.uniform(3, 6) for _ in range(workers)]
    heapq.heapify(free)
    events: list[tuple[float, Callable[..., None]]] = []
    ends = []
    for trial in range(trials):
        pace = seconds / EPOCHS * chance.lognormvariate(0, 0.25)
        epochs = EPOCHS // 3 if chance.random() < 0.3 else chance.randint(EPOCHS - 2, EPOCHS)
        start = free[0] + 0.2
        first = start + chance.uniform(2, 4) * pace
        events.append((start, partial(left.started, trial)))
        for epoch in range(epochs):
            events.append((first + epoch * pace, partial(left.epoch, trial)))
        ends.append(first + (epochs - 1) * pace)
        events.append((ends[-1], partial(left.ended, trial)))
        heapq.heapreplace(free, ends[-1])
    # The sort is stable: a trial's last epoch precedes its end.
    events.sort(key=lambda event: event[0])
    now = sorted(ends)[trials // 2 - 1]
    while now < max(ends):
        while events and events[0][0] <= now:
            time, note = events.pop(0)
            note(now=time)
        estimate = left.seconds(now)
        assert estimate is not None
        yield estimate, max(ends) + end - now
        now += 1


def share_within_a_third(*, measured: bool) -> float:
    """Return the share of the moments of 400 sweeps whose estimate is at most a third off."""
    moments = [
        abs(estimate - truth) <= truth / 3
        for seed in range(400)
        for estimate, truth in simulate(random.Random(seed), measured=measured)
        if truth >= SHORTEST
    ]
    return sum(moments) / len(moments)


def test_the_estimate_is_right_within_a_third_from_half_way_on() -> None:
    """In 95 of 100 moments, if the study knows how long its end takes."""
    assert share_within_a_third(measured=True) >= 0.95


def test_the_first_call_of_a_study_guesses_its_end() -> None:
    """An end that takes two or three times the guess is missed in the last moments only."""
    assert share_within_a_third(measured=False) >= 0.80


def ended_trials(**settings: float | Budget | None) -> TimeLeft:
    """Return the estimate for eight trials and two workers after two trials of 100 s."""
    left = TimeLeft(missing=8, workers=2, **settings)
    for trial in (0, 1):
        left.started(trial, now=0.0)
    for trial in (0, 1):
        left.ended(trial, now=100.0)
    return left


def test_nothing_is_known_before_a_trial_has_ended() -> None:
    """A running trial alone says nothing."""
    left = TimeLeft(missing=2, workers=2)
    left.started(0, now=0.0)
    left.epoch(0, now=5.0)
    assert left.seconds(now=5.0) is None


def test_the_last_trial_is_not_split_among_workers() -> None:
    """With six trials left for two workers it is three rounds; with one less still three."""
    left = ended_trials(measured_end=7.0)
    assert left.seconds(now=100.0) == pytest.approx(307.0)
    left.started(2, now=100.0)
    left.lost(2, now=100.0, counts=True)
    assert left.seconds(now=100.0) == pytest.approx(307.0)


def test_the_end_is_guessed_from_the_trials() -> None:
    """Without a measured end it is 3 s and a tenth of a trial."""
    assert ended_trials().seconds_at_end() == pytest.approx(13.0)


def test_pauses_between_trials_are_expected_again() -> None:
    """A worker that needs 10 s before its next trial needs them before each."""
    left = ended_trials(measured_end=0.0)
    for trial in (2, 3):
        left.started(trial, now=110.0)
    assert left.seconds(now=110.0) == pytest.approx(100 + 2 * 110)


def test_a_trial_slower_than_the_others_is_expected_at_its_own_pace() -> None:
    """Its epochs take 15 s instead of 10; what follows the last epoch took 5 s."""
    left = TimeLeft(missing=2, workers=2, measured_end=0.0)
    for trial in (0, 1):
        left.started(trial, now=0.0)
    for now in (20.0, 30.0, 40.0, 50.0):
        left.epoch(0, now)
    left.ended(0, now=55.0)
    left.epoch(1, now=40.0)
    assert left.seconds(now=45.0) == pytest.approx(40 + (55 - 20) * 2 - 45)
    left.epoch(1, now=55.0)
    assert left.seconds(now=56.0) == pytest.approx(55 + 2 * 15 + 5 - 56)


@pytest.mark.parametrize(("now", "most"), [(100.0, 80.0), (150.0, 30.0), (190.0, 0.0)])
def test_a_time_limit_bounds_the_estimate(now: float, most: float) -> None:
    """No more is said to be left than the limit allows."""
    budget = Budget(limit=180.0, begun=0.0, measured_end=5.0)
    assert ended_trials(measured_end=5.0, budget=budget).seconds(now) <= most


def test_trials_end_at_the_deadline() -> None:
    """After it only the measured end is left, not the whole rest of the limit."""
    budget = Budget(limit=180.0, begun=0.0, measured_end=5.0)
    left = ended_trials(measured_end=5.0, budget=budget)
    assert left.seconds(now=100.0) == pytest.approx(budget.deadline - 100 + 5)


def test_a_lost_trial_is_repeated() -> None:
    """A trial whose worker died is missing again, a result that counts is not."""
    left = ended_trials(measured_end=0.0)
    left.started(2, now=100.0)
    left.lost(2, now=100.0, counts=False)
    assert left.seconds(now=100.0) == pytest.approx(300.0)
