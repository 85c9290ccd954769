"""Optuna's study: its name, its search space, and which of its trials count."""

import hashlib
import itertools
import json
import math
import re
import uuid
from collections.abc import Collection, Container, Mapping
from datetime import datetime
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from ecomclf.config.loading import Config, Scalar
from ecomclf.config.optuna_space import as_params
from ecomclf.config.schema import SweepConfig
from ecomclf.config.section import NAME
from ecomclf.errors import StudyError
from ecomclf.search.storage import open_storage, opening
from ecomclf.tracking.runs import STUDY, STUDY_ID

# User attributes of a study and of its trials. A study's name may recur, in another folder with
# the same MLflow store or after a journal was deleted; its id does not.
ID = "id"
IDENTITY = "identity"
JUDGED = "judged"
EVALUATION_RUN = "evaluation_run"
REPEATS = "repeats_when_judged"
SECONDS_AT_END = "seconds_at_end"
FIRST = "first"
OWN_ERROR = "error"
ORDINAL = "ordinal"
RETRY_OF = "retry_of"
REPETITION_OF = "repetition_of"
ATTEMPT = "attempt"

MAX_ATTEMPTS = 3


class Trials(Protocol):
    """What can list its trials: a study, or a `Snapshot` of one."""

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials in some states, by default all."""


class Snapshot:
    """The trials of a study at one moment, for several questions.

    To read them from a database takes up to 50 ms with 16 running trials.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._trials = study.get_trials(deepcopy=False)

    def get_trials(
        self,
        deepcopy: bool = False,  # noqa: ARG002 - they are never copied
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials in some states, by default all."""
        return [trial for trial in self._trials if states is None or trial.state in states]


# Sections and keys that trials do not depend on; the fingerprint represents the rows of `data`.
_NOT_COMPARED = ("name", "data.", "sweep.", "winner.", "tracking.", "registry.")


def study_identity(config: Config, fingerprint: str) -> dict[str, Scalar]:
    """Return what makes trials comparable: data, split, search space and fixed config keys."""
    split = {"data.split", "data.validation_size", "data.test_size", "data.split_seed"}
    if config.data.test_source is not None:
        split.remove("data.test_size")
    # The fingerprint is of the rows before they are resampled.
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
    """Return the config's name with a hash of the identity."""
    text = json.dumps(identity, sort_keys=True)
    return f"{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def check_study_name(name: str) -> None:
    """Check that a study's name can be part of a file name.

    Raises:
        StudyError: it has characters other than letters, digits, `_`, `.` and `-`.

    """
    if not re.fullmatch(NAME, name):
        raise StudyError(
            f"a study's name must consist of letters, digits, '_', '.' and '-' but got {name!r}"
        )


def open_study(name: str, identity: Mapping[str, Scalar], storage: str | None) -> optuna.Study:
    """Open a study, or create it.

    Raises:
        StudyError: it exists with another identity (the message says what changed), or the storage
            cannot be opened.

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
            f"the study {name!r} was created with other settings: {changes}; choose another "
            "--study, or leave --study out to get a name derived from the settings"
        )
    return study


def load_worker_study(name: str, storage: str | None, config: SweepConfig, epochs: int) -> Any:
    """Open an existing study, with the config's pruner, to run trials of it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(
        study_name=name, storage=open_storage(name, storage), pruner=_pruner(config, epochs)
    )


def make_sampler(config: SweepConfig, ordinal: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of the ordinal-th trial; with `grid`, what fills gaps in `sweep.first`.

    Each trial has its own seed, so neither the worker that runs it nor an interruption of the study
    matters. With several workers, the values drawn still depend on which trials have ended by then.
    """
    seed = (config.seed * 100_003 + ordinal) % 2**32
    if config.sampler == "tpe":
        return optuna.samplers.TPESampler(n_startup_trials=config.startup_trials, seed=seed)
    if config.sampler == "gp":
        return optuna.samplers.GPSampler(n_startup_trials=config.startup_trials, seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def enqueue_first(study: optuna.Study, config: SweepConfig) -> None:
    """Enqueue the config's first guesses in a new study, ahead of sampled trials."""
    if FIRST in study.user_attrs:
        return
    enqueued = {trial.user_attrs.get(FIRST) for trial in study.get_trials(deepcopy=False)}
    for number, guess in enumerate(config.first):
        if number in enqueued:
            continue
        study.enqueue_trial(as_params(config.space, guess), user_attrs={FIRST: number})
    study.set_user_attr(FIRST, len(config.first))


def run_tags(study: optuna.Study) -> dict[str, object]:
    """Return the tags that mark a run as part of a study."""
    return {STUDY: study.study_name, STUDY_ID: study.user_attrs[ID]}


def counts(trial: FrozenTrial) -> bool:
    """Return whether a trial is complete, pruned, or failed with an exception of its own."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or (
        trial.state == TrialState.FAIL and OWN_ERROR in trial.user_attrs
    )


def counted_trials(study: Trials) -> list[int]:
    """Return the numbers of the trials that count."""
    return [trial.number for trial in study.get_trials(deepcopy=False) if counts(trial)]


def counted(study: Trials) -> int:
    """Return the number of trials that count."""
    return len(counted_trials(study))


def has_ended(study: Trials, config: SweepConfig, trials: int) -> bool:
    """Return whether no trial is missing: all are there, or `stop_after` found no better one."""
    if counted(study) >= trials:
        return True
    return config.stop_after is not None and trials_since_best(study) >= config.stop_after


def trials_since_best(study: Trials) -> int:
    """Return how many complete or pruned trials have ended after the best one.

    Before any trial is complete it is 0: there is nothing to be better than.
    """
    best, since = -math.inf, 0
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    for trial in sorted(ended, key=lambda trial: trial.datetime_complete or datetime.max):
        if trial.state == TrialState.COMPLETE and trial.value is not None and trial.value > best:
            best, since = trial.value, 0
        else:
            since += 1
    return since if best > -math.inf else 0


def durations(study: Trials) -> list[float]:
    """Return the seconds that each complete trial has taken."""
    # The clock may have been set back while a trial ran.
    return [
        max(0.0, trial.duration.total_seconds())
        for trial in complete(study)
        if trial.duration is not None
    ]


def evaluation_key(study: optuna.Study, config: Config) -> str:
    """Return what the final evaluation depends on: number of trials, winner and registry config."""
    sections = (config.winner, config.registry)
    return json.dumps([counted(study), *(section.model_dump() for section in sections)])


def free_ordinal(study: Trials, taken: Collection[int]) -> int:
    """Return the lowest ordinal that neither a trial of the study has, nor `taken` holds."""
    drawn = {trial.user_attrs.get(ORDINAL) for trial in study.get_trials(deepcopy=False)}
    return next(number for number in itertools.count() if number not in {*drawn, *taken})


def running(study: Trials) -> list[FrozenTrial]:
    """Return the trials that are running, or whose worker was killed."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def complete(study: Trials) -> list[FrozenTrial]:
    """Return the complete trials."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def enqueue_retries(study: optuna.Study, *, after_death: bool = False) -> None:
    """Enqueue the parameters of each killed trial again, once.

    A trial that failed without an error of its own, and not as a repetition, was killed. Only
    worker crashes (`after_death`) count as attempts; interrupts by the user do not.
    """
    trials = study.get_trials(deepcopy=False)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    for trial in trials:
        ended = {OWN_ERROR, REPETITION_OF} & trial.user_attrs.keys()
        killed = trial.state == TrialState.FAIL and not ended
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
