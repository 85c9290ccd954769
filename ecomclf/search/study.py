"""Optuna's study: what it is called, what it searches, what it counts."""

import hashlib
import itertools
import json
import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from ecomclf.config.loading import Config, Scalar
from ecomclf.config.schema import SweepConfig
from ecomclf.config.search_space import Choice, Dimension, IntRange
from ecomclf.config.section import NAME
from ecomclf.errors import StudyError
from ecomclf.search.storage import open_storage, opening
from ecomclf.tracking.runs import STUDY, STUDY_ID

# Attributes of a study and of its trials. Names may come again, in another folder on the same
# MLflow store or after a journal was removed; the id does not.
ID = "id"
IDENTITY = "identity"
JUDGED = "judged"
REPEATS = "repeats_when_judged"
FIRST = "first"
OWN_ERROR = "error"
ORDINAL = "ordinal"
RETRY_OF = "retry_of"
ATTEMPT = "attempt"

MOST_ATTEMPTS = 3

# Sections and keys on which trials do not depend; of `data`, the fingerprint stands for the rows.
_NOT_COMPARED = ("name", "data.", "sweep.", "winner.", "tracking.", "registry.")


def study_identity(config: Config, fingerprint: str) -> dict[str, Scalar]:
    """Give what makes trials comparable: the data, their split, the space and the fixed keys."""
    split = {"data.split", "data.validation_size", "data.test_size", "data.split_seed"}
    if config.data.test_source is not None:
        split.remove("data.test_size")
    # It draws from the rows that the fingerprint stands for.
    if config.data.resample:
        split.add("data.resample")
    fixed = {
        key: value
        for key, value in config.flat().items()
        if key in split or not key.startswith(_NOT_COMPARED)
    }
    space = {
        f"sweep.space.{key}": dimension.model_dump_json()
        for key, dimension in sorted(config.sweep.space.items())
    }
    searched = {key: value for key, value in fixed.items() if key not in config.sweep.space}
    return {"data.fingerprint": fingerprint} | searched | space


def default_study_name(config: Config, identity: Mapping[str, Scalar]) -> str:
    """Give the config's name and a hash of the identity."""
    text = json.dumps(identity, sort_keys=True)
    return f"{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def check_study_name(name: str) -> None:
    """Refuse a name that could not be a file's.

    Raises:
        StudyError: it holds other characters than letters, digits, `_`, `.` and `-`.

    """
    if not re.fullmatch(NAME, name):
        raise StudyError(
            f"a study's name must be of letters, digits, '_', '.' and '-' but got {name!r}"
        )


def open_study(name: str, identity: Mapping[str, Scalar], storage: str | None) -> optuna.Study:
    """Open a study, or make it.

    Raises:
        StudyError: it exists with another identity, and the message says what changed; or the
            storage cannot be opened.

    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with opening(storage):
        study = optuna.create_study(
            study_name=name,
            storage=open_storage(name, storage),
            direction="maximize",
            load_if_exists=True,
        )
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(ID, uuid.uuid4().hex)
        study.set_user_attr(IDENTITY, dict(identity))
    elif known != dict(identity):
        keys = sorted(key for key in {*known, *identity} if known.get(key) != identity.get(key))
        changes = "; ".join(f"{key} was {known.get(key)}, is {identity.get(key)}" for key in keys)
        raise StudyError(
            f"the study {name!r} was made with other settings: {changes}; choose another --study, "
            "or leave it out for a name of its own"
        )
    return study


def load_worker_study(name: str, storage: str | None, config: SweepConfig, epochs: int) -> Any:
    """Open an existing study with the config's pruner, for running trials of it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(
        study_name=name, storage=open_storage(name, storage), pruner=_pruner(config, epochs)
    )


def make_sampler(config: SweepConfig, ordinal: int) -> optuna.samplers.BaseSampler:
    """Give the sampler of the ordinal-th trial.

    Each trial has a seed of its own, so that it does not matter which worker runs it, nor whether
    the study was stopped in between. With several workers what a trial is drawn from still depends
    on which trials have ended by then.
    """
    return optuna.samplers.TPESampler(
        n_startup_trials=config.startup_trials, seed=(config.seed * 100_003 + ordinal) % 2**32
    )


def distributions(space: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Give the space in Optuna's words."""
    return {key: _distribution(dimension) for key, dimension in space.items()}


def chosen_values(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a trial's parameters into config values."""
    values = dict(params)
    for key, dimension in space.items():
        if isinstance(dimension, Choice) and key in params:
            values[key] = dimension.values[_labels(dimension).index(params[key])]
    return values


def enqueue_first(study: optuna.Study, config: SweepConfig) -> None:
    """Let a new study try the config's first guesses before it draws any."""
    if FIRST in study.user_attrs:
        return
    enqueued = {trial.user_attrs.get(FIRST) for trial in study.get_trials(deepcopy=False)}
    for number, guess in enumerate(config.first):
        if number in enqueued:
            continue
        params = {}
        for key, value in guess.items():
            dimension = config.space[key]
            if isinstance(dimension, Choice):
                value = _labels(dimension)[dimension.values.index(value)]
            params[key] = value
        study.enqueue_trial(params, user_attrs={FIRST: number})
    study.set_user_attr(FIRST, len(config.first))


def run_tags(study: optuna.Study) -> dict[str, object]:
    """Give the tags by which a run is known to be of a study."""
    return {STUDY: study.study_name, STUDY_ID: study.user_attrs[ID]}


def counted_trials(study: optuna.Study) -> list[int]:
    """Give the trials that were run: complete, pruned, or failed by their own exception."""
    return [
        trial.number
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        or (trial.state == TrialState.FAIL and OWN_ERROR in trial.user_attrs)
    ]


def counted(study: optuna.Study) -> int:
    """Count the trials that were run."""
    return len(counted_trials(study))


def judgement(study: optuna.Study, config: Config) -> str:
    """Give what a study's judgement depends on: its number of trials, and what makes a winner."""
    sections = (config.winner, config.registry)
    return json.dumps([counted(study), *(section.model_dump() for section in sections)])


def free_ordinal(study: optuna.Study, taken: Collection[int]) -> int:
    """Give the lowest number that no trial was drawn with yet, and that is not taken otherwise."""
    drawn = {trial.user_attrs.get(ORDINAL) for trial in study.get_trials(deepcopy=False)}
    return next(number for number in itertools.count() if number not in {*drawn, *taken})


def running(study: optuna.Study) -> list[FrozenTrial]:
    """Give the trials that are running, or whose worker was killed."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def complete(study: optuna.Study) -> list[FrozenTrial]:
    """Give the trials that were trained to their end."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def enqueue_retries(study: optuna.Study, *, after_death: bool = False) -> None:
    """Let the parameters of each killed trial be tried again, once.

    A trial that failed with no error of its own was killed. Attempts are counted only where workers
    died by themselves: who kills a sweep may do so as often as he likes.
    """
    trials = study.get_trials(deepcopy=False)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    for trial in trials:
        killed = trial.state == TrialState.FAIL and OWN_ERROR not in trial.user_attrs
        if killed and trial.number not in retried:
            attempt = trial.user_attrs.get(ATTEMPT, 1) + after_death
            attributes = {RETRY_OF: trial.number, ATTEMPT: attempt}
            if ORDINAL in trial.user_attrs:
                attributes[ORDINAL] = trial.user_attrs[ORDINAL]
            study.enqueue_trial(trial.params, user_attrs=attributes)


def _pruner(config: SweepConfig, epochs: int) -> optuna.pruners.BasePruner:
    if config.pruner == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=config.startup_trials, n_warmup_steps=config.warmup_epochs
        )
    if config.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=max(1, config.warmup_epochs), max_resource=epochs
        )
    return optuna.pruners.NopPruner()


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(_labels(dimension))
    if isinstance(dimension, IntRange):
        return IntDistribution(
            dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1
        )
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _labels(dimension: Choice) -> list[Scalar]:
    """Give choices as Optuna stores them: scalars as they are, lists as JSON."""
    return [
        value if isinstance(value, bool | int | float | str | None) else json.dumps(value)
        for value in dimension.values
    ]
