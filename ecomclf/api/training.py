"""Training: a sweep, or a single run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.api.engine_choice import check_engine
from ecomclf.api.labelled_data import load_data, open_console, suggest_config
from ecomclf.config.duration import parse_duration
from ecomclf.config.loading import Config, load_config
from ecomclf.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd

    from ecomclf.models.classifier import Classifier
    from ecomclf.search.result import SweepResult


def sweep(
    config: Config | str | Path,
    *,
    data: "pd.DataFrame | None" = None,
    trials: int | None = None,
    time_limit: str | float | None = None,
    workers: int | None = None,
    engine: str | None = None,
    address: str | None = None,
    study: str | None = None,
    storage: str | None = None,
    repeats: int | None = None,
    verbose: bool = True,
) -> "SweepResult":
    """Search hyperparameters, evaluate the winner on the test rows once, and register it.

    The same call again resumes: trials that were finished are kept, interrupted ones are repeated.

    Args:
        config: what is searched, the path of its YAML file, or that of a file of labelled texts,
            for which one is suggested.
        data: rows to use instead of `data.source`, with the columns that the config names.
        trials: how many in all, those of earlier calls included; default `sweep.trials`.
        time_limit: how long this call may take, such as `10m`, or in seconds; default
            `sweep.time_limit`. The winner is chosen among the trials that were finished by then.
        workers: processes that train trials; default `sweep.workers`, else one per core.
        engine: `local` or `ray`; default `sweep.engine`.
        address: head node of the Ray cluster, such as `10.0.0.1:6379`; by default that of the
            variable `RAY_ADDRESS`, else the cluster on this machine, else a new one for this call.
        study: name of the study; by default derived from the config, the data and the search space.
        storage: database address of the study, such as `postgresql+psycopg://…`; by default a file
            below `mlruns/`.
        repeats: train the winner's best trial again with so many other seeds.
        verbose: print the data report, progress and the result.

    Returns:
        The registered version, metrics of winner and baselines on the test rows, the leaderboard.

    Raises:
        RequestError: something about the config, the data or the study cannot be used; there is no
            run then.
        SweepFailedError: no trial was completed.
        SweepInterruptedError: interrupted; the same call goes on from there.

    Example:
        import ecomclf
        result = ecomclf.sweep("configs/sample.yaml", trials=6)
        result.test.f1_weighted, result.version, result.stage
        result.leaderboard.head()

    """
    from ecomclf.runtime.tensorflow_setup import (
        imports_without_gc,
        quiet_mlflow,
        redirect_library_settings,
        require_backend,
    )
    from ecomclf.search.engine import open_workers

    begun = time.monotonic()
    for name, count in (("trials", trials), ("workers", workers), ("repeats", repeats)):
        if count is not None and count < 1:
            raise RequestError(f"{name} must be at least 1 but got {count}")
    config = _with_data(_loaded(config), data)
    if engine is not None:
        config = config.with_values({"sweep.engine": engine})
    check_engine(config.sweep.engine, address)
    limit = config.sweep.time_limit if time_limit is None else _seconds(time_limit)
    backend = require_backend(repeats=bool(repeats))
    # Before the workers start: their own temporary folder is removed with them.
    redirect_library_settings()
    # The workers start while this process imports what it needs itself, and reads the data.
    with open_workers(
        config.sweep,
        trials=trials or config.sweep.trials,
        workers=workers,
        backend=backend,
        address=address,
        storage=storage,
    ) as pool:
        with imports_without_gc():
            from ecomclf.search.budget import Budget
            from ecomclf.search.plan import check_sweep_request, plan_sweep
            from ecomclf.search.sweep import run_sweep

        quiet_mlflow()
        check_sweep_request(config, study=study, storage=storage)
        console = open_console(verbose=verbose)
        split, report = load_data(config, data, console)
        plan = plan_sweep(
            config,
            split,
            report,
            trials=trials,
            workers=pool.count,
            study=study,
            storage=storage,
            repeats=repeats,
            budget=Budget(limit, begun) if limit else None,
        )
        return run_sweep(plan, pool, console)


def train(
    config: Config | str | Path,
    *,
    data: "pd.DataFrame | None" = None,
    register: bool = False,
    verbose: bool = True,
) -> "Classifier":
    """Train one classifier with the config's own values, in an MLflow run of its own.

    Args:
        config: hyperparameters, or the path of their YAML file; the search space is not used.
        data: rows to use instead of `data.source`, with the columns that the config names.
        register: calibrate the classifier, compare it with the baselines and the champion, and
            register it through the promotion gate.
        verbose: print the data report, each epoch and the result.

    Raises:
        RequestError: something about the config or the data cannot be used; there is no run then.
        TrainingDivergedError: the loss is no longer finite.

    Example:
        import ecomclf
        classifier = ecomclf.train("configs/sample.yaml")
        classifier.predict(["phone case"])["label"].item()

    """
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow, require_backend, start_tensorflow
    from ecomclf.text.cleaning import Cleaner
    from ecomclf.text.word_vectors import check_vector_files

    config = _with_data(_loaded(config), data)
    quiet_mlflow()
    backend = require_backend()
    Cleaner(config.text.steps)
    check_vector_files((config.model.embeddings,), (config.model.embedding_dim,))
    console = open_console(verbose=verbose)
    split, report = load_data(config, data, console)
    start_tensorflow(backend=backend)
    from ecomclf.search.single_run import train_alone

    return train_alone(config, split, report, console, register=register)


def _seconds(duration: str | float) -> float:
    try:
        return parse_duration(duration)
    except ValueError as error:
        raise RequestError(f"time_limit: {error}") from error


def _loaded(config: Config | str | Path) -> Config:
    """Return a config, loaded from its file, or suggested for a file of data."""
    if isinstance(config, Config):
        return config
    if Path(config).suffix in (".yaml", ".yml"):
        return load_config(config)
    return suggest_config(config)


def _with_data(config: Config, frame: "pd.DataFrame | None") -> Config:
    """Return the config as it is recorded when the rows come from a DataFrame."""
    return config if frame is None else config.with_values({"data.source": "DataFrame"})
