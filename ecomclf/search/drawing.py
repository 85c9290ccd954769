"""The values of the next trial: drawn by a sampler, and never twice."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from ecomclf.config.optuna_space import distributions
from ecomclf.config.schema import SweepConfig
from ecomclf.search import study as studies

# After so many repetitions in a row, a sampler is not asked again.
_MAX_REPETITIONS = 5
# Larger search spaces are not listed.
_MAX_LISTED = 10_000
# Where Optuna keeps the values of an enqueued trial until it is asked for.
_ENQUEUED = "fixed_params"


def draw_trial(study: optuna.Study, config: SweepConfig, ordinal: int) -> optuna.Trial:
    """Return a new trial whose values no trial that counts, runs or waits has.

    A trial that repeats values fails as a repetition, which does not count, and another one is
    drawn. Workers call this one at a time: Optuna creates a trial before it draws its values.

    Args:
        study: where the trial is created.
        config: search space and sampler.
        ordinal: seeds the sampler, see `studies.make_sampler`.

    """
    space = distributions(config.space)
    study.sampler = studies.make_sampler(config, ordinal)
    repetitions = 0
    while True:
        if config.sampler == "grid" or repetitions >= _MAX_REPETITIONS:
            _enqueue_untried(study, space, seed=config.seed)
        trial = study.ask(space)
        original = _find_original(study, trial)
        if original is None:
            return trial
        trial.set_user_attr(studies.REPETITION_OF, original)
        study.tell(trial, state=TrialState.FAIL)
        if repetitions == _MAX_REPETITIONS:
            study.sampler = optuna.samplers.RandomSampler(seed=ordinal)
        repetitions += 1


def count_combinations(space: Mapping[str, BaseDistribution]) -> int | None:
    """Return the number of different values of a search space; None if it is not finite.

    Example:
        >>> units, rate = IntDistribution(16, 64, step=16), FloatDistribution(0.1, 0.5)
        >>> count_combinations({"units": units, "layers": IntDistribution(1, 2)})
        8
        >>> count_combinations({"units": units, "rate": rate}) is None
        True

    """
    counts = [_count_values(each) for each in space.values()]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def _count_values(distribution: BaseDistribution) -> int | None:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    assert isinstance(distribution, FloatDistribution)
    if distribution.low == distribution.high:
        return 1
    if distribution.step is None:
        return None
    return round((distribution.high - distribution.low) / distribution.step) + 1


def _values(distribution: BaseDistribution) -> list[Any]:
    """Return all values of a finite dimension."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    step = distribution.step or 1
    return [distribution.low + step * at for at in range(_count_values(distribution) or 0)]


def _enqueue_untried(
    study: optuna.Study, space: Mapping[str, BaseDistribution], *, seed: int
) -> None:
    """Enqueue values that were not tried yet, unless other ones are waiting.

    Nothing is enqueued from a space that is not finite, or too large to be listed.
    """
    count = count_combinations(space)
    if count is None or count > _MAX_LISTED:
        return
    if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return
    tried = {_key(params) for _, params in _taken(study)}
    combinations = [
        dict(zip(space, values, strict=True))
        for values in itertools.product(*map(_values, space.values()))
    ]
    random.Random(seed).shuffle(combinations)
    untried = next((each for each in combinations if _key(each) not in tried), None)
    if untried is not None:
        study.enqueue_trial(untried)


def _find_original(study: optuna.Study, trial: optuna.Trial) -> int | None:
    """Return the number of the trial that has the same values already; None if there is none."""
    key = _key(trial.params)
    for other, params in _taken(study):
        is_earlier = other.state.is_finished() or other.number < trial.number
        if other.number != trial.number and is_earlier and _key(params) == key:
            return other.number
    return None


def _taken(study: optuna.Study) -> Iterator[tuple[FrozenTrial, Mapping[str, Any]]]:
    """Yield the trials that count, run or wait, with their values."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.WAITING:
            yield trial, trial.system_attrs.get(_ENQUEUED, {})
        elif trial.state == TrialState.RUNNING or studies.counts(trial):
            yield trial, trial.params


def _key(params: Mapping[str, Any]) -> str:
    """Return the same text for the same values; numbers may differ in their last digits."""
    rounded = {
        name: round(value, 12) if isinstance(value, float) else value
        for name, value in params.items()
    }
    return json.dumps(rounded, sort_keys=True)
