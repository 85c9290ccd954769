"""The Python API. Each command of the command line is one of these calls, and printing."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.config.duration import parse_duration
from ecomclf.config.loading import Config, load_config
from ecomclf.errors import DataError, RequestError
from ecomclf.tracking.model_source import (
    find_version,
    load_from_run,
    open_registry,
    parse_source,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ecomclf.data.data_report import DataReport
    from ecomclf.data.file_format import FileOptions
    from ecomclf.data.splitting import Split
    from ecomclf.models.classifier import Classifier
    from ecomclf.search.result import SweepResult
    from ecomclf.search.suggestion import Suggestion
    from ecomclf.serving.file_batch import Columns, Summary
    from ecomclf.tracking.registry import Move

MODEL = "ecomclf"


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
    _check_engine(config.sweep.engine, address)
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
        console = _console(verbose=verbose)
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
    console = _console(verbose=verbose)
    split, report = load_data(config, data, console)
    start_tensorflow(backend=backend)
    from ecomclf.search.single_run import train_alone

    return train_alone(config, split, report, console, register=register)


def suggest_config(
    data: "pd.DataFrame | str | Path",
    *,
    text_columns: Sequence[int | str] = (),
    label_column: int | str | None = None,
) -> Config:
    """Suggest a config for a sweep over labelled texts; what `ecomclf init` writes.

    The columns are guessed by their contents and names, the rest follows from the number of rows,
    the length of the texts and the balance of the classes.

    Args:
        data: path of a CSV, JSON, Parquet or Excel file, or a DataFrame.
        text_columns: names or positions of the text columns; by default guessed.
        label_column: name or position of the label column; by default guessed.

    Raises:
        DataError: the file is no table, has no column of texts or of labels, or several that could
            be the label.

    Example:
        import ecomclf
        config = ecomclf.suggest_config("reviews.csv")
        result = ecomclf.sweep(config, trials=6)

    """
    return _suggest(data, text_columns, label_column).config


def init(
    file: str,
    output: Path | None = None,
    *,
    text_columns: Sequence[int | str] = (),
    label_column: int | str | None = None,
    force: bool = False,
) -> "tuple[Path, Suggestion]":
    """Write a suggested config for a file, with a comment for each guess.

    Args:
        file: path of the data.
        output: path of the config; by default the name of the data with `.yaml`, in the working
            directory.
        text_columns: see `suggest_config`.
        label_column: see `suggest_config`.
        force: replace an existing file.

    Returns:
        The path that was written, and the suggestion.

    Raises:
        DataError: see `suggest_config`.
        RequestError: the output exists already, or cannot be written.

    """
    from ecomclf.search.suggestion import write_suggestion

    suggestion = _suggest(file, text_columns, label_column)
    path = output or Path(f"{suggestion.config.name}.yaml")
    write_suggestion(suggestion, path, force=force)
    return path, suggestion


def load(source: str | Path, *, model: str = MODEL) -> "Classifier":
    """Load a classifier. No code from the artifact is run.

    Args:
        source: one of

            - `models:/NAME/STAGE`, `models:/NAME@ALIAS` or `models:/NAME/VERSION`;
            - a stage (`Production`), an alias (`@production`) or a version's number, of `model`;
            - `runs:/RUN_ID/classifier`, of a trial or of `train`;
            - the path of a folder that `ecomclf export` wrote.
        model: name of the registered model, where `source` does not say it.

    Raises:
        RequestError: there is no such version, run or folder, or it cannot be read.

    Example:
        import ecomclf
        classifier = ecomclf.load("models:/ecomclf/Production")
        classifier.predict(["steel mug, 300 ml"])

    """
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow, start_tensorflow

    quiet_mlflow()
    text = str(source)
    if text.startswith("runs:/"):
        return load_from_run(text)
    if os.path.isdir(source):
        start_tensorflow()
        from ecomclf.models.classifier import Classifier

        return Classifier.load(Path(source))
    registry, version = find_version(*parse_source(text, model))
    start_tensorflow()
    return registry.load(version)


def classify(
    source: str | Path,
    target: Path,
    *,
    model: str = MODEL,
    stage: str | None = None,
    version: str | None = None,
    columns: "Columns | None" = None,
    options: "FileOptions | None" = None,
    rejects: Path | None = None,
    engine: str | None = None,
    address: str | None = None,
    force: bool = False,
) -> "Summary":
    """Classify the rows of a file, or of all files that a pattern names.

    See `ecomclf.serving.file_batch.classify_file`, and `ecomclf.serving.shards.classify_shards` for
    several files: `target` and `rejects` are folders then, and the same call again classifies what
    is missing.

    Args:
        source: a file, a folder of files, or a pattern such as `shards/*.parquet`.
        target: where the rows go with their predictions.
        model: name of the registered model.
        stage: stage of the version; by default Production, else Staging.
        version: number of the version.
        columns: the text columns, and how the added ones are named.
        options: what is given of the input's format.
        rejects: where malformed rows go; without it they are an error.
        engine: `local`, the default, or `ray`, for several files.
        address: head node of the Ray cluster; see `sweep`.
        force: replace existing outputs.

    """
    from rich.console import Console

    from ecomclf.data.file_format import DETECTED
    from ecomclf.runtime.tensorflow_setup import count_cores, start_tensorflow
    from ecomclf.serving.file_batch import Columns, check_request, classify_file
    from ecomclf.serving.many_files import classify_many
    from ecomclf.serving.shards import find_shards, is_many

    _check_engine(engine, address)
    many = is_many(str(source))
    if engine == "ray" and not many:
        raise RequestError(
            f"the engine ray classifies several files, and {str(source)!r} names one; name a "
            "pattern such as 'shards/*.parquet', and a folder for the outputs"
        )
    console = Console(stderr=True)
    if many:
        shards = find_shards(str(source), target, rejects)
        registry, found = find_version(model, stage, version)
        return classify_many(
            registry,
            found,
            shards,
            columns or Columns(),
            options or DETECTED,
            console,
            on_ray=engine == "ray",
            address=address,
            force=force,
        )
    check_request(Path(source), target, rejects, force=force)
    registry, found = find_version(model, stage, version)
    threads = count_cores()
    start_tensorflow(threads)
    return classify_file(
        registry.load(found),
        Path(source),
        target,
        columns or Columns(),
        options=options or DETECTED,
        rejects=rejects,
        console=console,
        threads=threads,
    )


def predict(
    chunks: Iterable[Sequence[str]],
    *,
    model: str = MODEL,
    stage: str | None = None,
    version: str | None = None,
) -> Iterator[str]:
    """Classify chunks of texts; yield one line of JSON per text."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow
    from ecomclf.serving.json_lines import json_lines

    registry, found = find_version(model, stage, version)
    start_tensorflow()
    return json_lines(registry.load(found), chunks)


def export(
    folder: Path,
    *,
    model: str = MODEL,
    stage: str | None = None,
    version: str | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a version as plain files into a folder; return their paths."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow

    registry, found = find_version(model, stage, version)
    start_tensorflow()
    from ecomclf.serving.plain_files import export_version

    return export_version(registry, found, folder, force=force)


def models(model: str = MODEL) -> "pd.DataFrame":
    """Return the registered versions, the newest first: stage, metrics, decision of the gate."""
    registry = open_registry(model)
    from ecomclf.tracking.version_table import version_table

    return version_table(registry)


def promote(version: str, stage: str, *, model: str = MODEL) -> "Move":
    """Give a stage to a version; the version that held it is archived."""
    return open_registry(model).promote(version, stage)


def rollback(stage: str, *, model: str = MODEL) -> "Move":
    """Give a stage back to the version that held it before."""
    return open_registry(model).rollback(stage)


def leaderboard(study: str | None = None) -> "tuple[str, pd.DataFrame]":
    """Return the name of a study, by default the newest, and its trials, the best first."""
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.leaderboard import leaderboard as read_leaderboard

    quiet_mlflow()
    return read_leaderboard(connect(), study)


def check_data(files: Sequence[str], config: Config) -> list[DataError]:
    """Print the data report of each file; return the errors of those that cannot be used.

    Columns that the config does not name are guessed, as `suggest_config` does.
    """
    console = _console(verbose=True)
    errors = []
    for file in files:
        values = {"data.source": file, "data.test_source": None}
        try:
            load_data(_with_columns(config.with_values(values), file), None, console)
        except DataError as error:
            errors.append(error)
            print(f"ecomclf: {error}", file=sys.stderr, flush=True)
    return errors


def _with_columns(config: Config, file: str) -> Config:
    """Return the config with the columns of a file, guessed and printed if it names none."""
    from ecomclf.data.file_format import FileOptions
    from ecomclf.data.guessed_columns import guess_columns

    data = config.data
    if data.text_columns is not None and data.label_column is not None:
        return config
    options = FileOptions.of(data)
    columns = guess_columns(
        file, options=options, text=data.text_columns or (), label=data.label_column
    )
    print(f"columns      {columns}", flush=True)
    values = {"data.text_columns": list(columns.text), "data.label_column": columns.label}
    return config.with_values(values | ({} if columns.named else {"data.header": False}))


def load_data(
    config: Config, frame: "pd.DataFrame | None", console: "Console"
) -> "tuple[Split, DataReport]":
    """Read the rows, print the data report, and split them."""
    from ecomclf.data.dataset import load
    from ecomclf.data.resampling import require_classes
    from ecomclf.data.splitting import shared_test_texts, split_dataset
    from ecomclf.text.language_fit import describe_misfit

    def show(line: str) -> None:
        console.out(line, highlight=False)

    dataset, report = load(config.data, frame)
    show(report.as_text())
    for wanted in config.possible_values("train.resample"):
        require_classes(dataset.classes, wanted, "resample")
    for weights in config.possible_values("train.class_weight"):
        if isinstance(weights, dict):
            require_classes(dataset.classes, weights, "train.class_weight")
    split = split_dataset(dataset, config.data)
    sides = ("train", "validation", "test")
    show("split        " + ", ".join(f"{len(getattr(split, side)):,} {side}" for side in sides))
    misfit = describe_misfit(split.train.texts, config.text)
    if misfit:
        show(f"language     {misfit}")
    if split.protocol == "random_rows":
        show(
            f"split        random rows: {shared_test_texts(split):,} of {len(split.test):,} test "
            "rows have their text in training; the metrics are inflated"
        )
    return split, report


def _check_engine(engine: str | None, address: str | None) -> None:
    if engine not in (None, "local", "ray"):
        raise RequestError(f"the engine must be local or ray but got {engine!r}")
    if address and engine != "ray":
        raise RequestError(
            f"the address {address!r} is that of a Ray cluster; ask for the engine ray with it"
        )


def _seconds(duration: str | float) -> float:
    try:
        return parse_duration(duration)
    except ValueError as error:
        raise RequestError(f"time_limit: {error}") from error


def _suggest(
    data: "pd.DataFrame | str | Path",
    text_columns: Sequence[int | str],
    label_column: int | str | None,
) -> "Suggestion":
    from ecomclf.search.suggestion import suggest

    frame = None if isinstance(data, str | Path) else data
    source = str(data) if isinstance(data, str | Path) else "DataFrame"
    return suggest(source, frame, text_columns=text_columns, label_column=label_column)


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


def _console(*, verbose: bool) -> "Console":
    from rich.console import Console

    return Console(quiet=not verbose)
