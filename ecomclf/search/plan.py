"""What a sweep is asked for, checked before anything starts."""

from dataclasses import dataclass

import mlflow

from ecomclf.config.loading import Config
from ecomclf.data.dataset import DataReport
from ecomclf.data.splitting import Split
from ecomclf.errors import ConfigError
from ecomclf.search import study as studies
from ecomclf.search.storage import check_storage
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.word_vectors import check_vector_files


@dataclass(frozen=True)
class SweepPlan:
    """What one `sweep` command asks for, checked and completed."""

    config: Config
    split: Split
    report: DataReport
    study_name: str
    storage: str | None
    trials: int
    workers: int
    repeats: int


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
) -> SweepPlan:
    """Complete a request: the config's number of trials and the study's default name."""
    identity = studies.study_identity(config, split.fingerprint)
    return SweepPlan(
        config=config,
        split=split,
        report=report,
        study_name=study or studies.default_study_name(config, identity),
        storage=storage,
        trials=trials or config.sweep.trials,
        workers=workers,
        repeats=repeats or 0,
    )
