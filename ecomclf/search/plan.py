"""What a sweep is asked for, checked before anything starts."""

import importlib.util
from dataclasses import dataclass

import mlflow

from ecomclf.config.loading import Config
from ecomclf.config.optuna_space import distributions
from ecomclf.config.schema import SweepConfig
from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split
from ecomclf.errors import ConfigError, RequestError
from ecomclf.search import study as studies
from ecomclf.search.budget import Budget
from ecomclf.search.drawing import count_combinations
from ecomclf.search.storage import check_storage
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.word_vectors import check_vector_files


@dataclass(frozen=True)
class SweepPlan:
    """What one `sweep` command asks for, checked and completed.

    `trials` is what the study is to have; less than `wanted` where the search space is smaller.
    """

    config: Config
    split: Split
    report: DataReport
    study_name: str
    storage: str | None
    trials: int
    wanted: int
    workers: int
    repeats: int
    budget: Budget | None = None


def check_sweep_request(config: Config, *, study: str | None, storage: str | None) -> None:
    """Check everything about a request that can be checked before any data is read.

    Raises:
        ConfigError: the config has no search space.
        RequestError: a cleaning step or a word-vector file cannot be used here, or the study's name
            is no valid name.

    """
    if not config.sweep.space:
        raise ConfigError(
            "sweep.space is empty, so there is nothing to search; name config keys in it, or use "
            "`ecomclf train` for a single run"
        )
    _check_sampler(config.sweep)
    for steps in config.possible_values("text.steps"):
        Cleaner(steps)
    check_vector_files(
        config.possible_values("model.embeddings"), config.possible_values("model.embedding_dim")
    )
    if study is not None:
        studies.check_study_name(study)
    if storage is not None:
        check_storage(storage, mlflow.get_tracking_uri())


def plan_sweep(
    config: Config,
    split: Split,
    report: DataReport,
    *,
    trials: int | None,
    workers: int,
    study: str | None,
    storage: str | None,
    repeats: int | None,
    budget: Budget | None = None,
) -> SweepPlan:
    """Complete a request: the config's number of trials and the study's default name.

    A finite search space has no more trials than combinations of values.
    """
    combinations = count_combinations(distributions(config.sweep.space))
    wanted = trials or config.sweep.trials
    identity = studies.study_identity(config, split.fingerprint)
    return SweepPlan(
        config=config,
        split=split,
        report=report,
        study_name=study or studies.default_study_name(config, identity),
        storage=storage,
        trials=wanted if combinations is None else min(wanted, combinations),
        wanted=wanted,
        workers=workers,
        repeats=repeats or 0,
        budget=budget,
    )


def _check_sampler(config: SweepConfig) -> None:
    """Check that the sampler can draw from the search space, on this machine."""
    if config.sampler == "gp" and importlib.util.find_spec("torch") is None:
        raise RequestError(
            "sweep.sampler is gp, which needs the package torch; install 'ecomclf[torch]', or use "
            "the sampler tpe"
        )
    if config.sampler != "grid":
        return
    for key, distribution in distributions(config.space).items():
        if count_combinations({key: distribution}) is None:
            raise ConfigError(
                f"sweep.sampler is grid, but sweep.space.{key} is a continuous range; give it a "
                "step, or use another sampler"
            )
