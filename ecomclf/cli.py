"""Parse, load the config, make one call; heavy imports inside the commands."""

import functools
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ecomclf.errors import DataError, EcomclfError, RequestError
from ecomclf.runtime.signals import ignore_signals, install_signal_handlers

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from ecomclf.config.loading import Config
    from ecomclf.data.dataset import DataReport
    from ecomclf.data.splitting import Split
    from ecomclf.search.scheduler import Workers
    from ecomclf.tracking.registry import Move, Registry

DEBUG = "--debug"

app = typer.Typer(
    name="ecomclf",
    help="Sort product texts into shop categories: sweeps, runs, a registered model.",
    epilog=f"{DEBUG}, anywhere, shows the traceback of an error.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer()


@data_app.callback()
def data() -> None:
    """Look at data before any training."""


app.add_typer(data_app, name="data")

ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file; see configs/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key; repeatable."),
]
# MLproject passes every parameter; an empty one is unset.
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="Registered model.")]
Stage = Annotated[str, typer.Option(metavar="S", help="Staging or Production.")]
Version = Annotated[str, typer.Option(metavar="V", help="Number of a version.")]
StudyName = Annotated[str, typer.Option("--study", metavar="NAME", help="Name of the study.")]


@app.command()
def sweep(
    config: ConfigPath,
    trials: Annotated[
        str, typer.Option(metavar="N", help="Total of trials; the same command resumes.")
    ] = "",
    workers: Annotated[
        str, typer.Option(metavar="W", help="Worker processes; default: one a core.")
    ] = "",
    overrides: Overrides = None,
    study: StudyName = "",
    storage: Annotated[
        str, typer.Option(metavar="URL", help="Database of the study instead of a local file.")
    ] = "",
    repeats: Annotated[
        str, typer.Option(metavar="R", help="Train the winner's config again with R other seeds.")
    ] = "",
) -> None:
    """Search hyperparameters; register the best model."""
    total = _count("--trials", trials)
    processes = _count("--workers", workers)
    again = _count("--repeats", repeats)
    loaded = _load_config(config, overrides)
    install_signal_handlers()
    from ecomclf.runtime.tensorflow_setup import (
        count_cores,
        imports_without_gc,
        keep_memory,
        quiet_mlflow,
        redirect_library_settings,
        require_backend,
        warm_up,
    )
    from ecomclf.search.process_pool import LocalWorkers

    backend = require_backend(repeats=bool(again))
    keep_memory()
    # Before there are workers: the temporary folder that they have ends with them.
    redirect_library_settings()
    cores = count_cores()
    count = min(processes or loaded.sweep.workers or cores, total or loaded.sweep.trials)
    modules = ("ecomclf.search.training_run", "ecomclf.search.worker")
    warm = functools.partial(warm_up, backend, max(1, cores // count), modules)
    pool: Workers = LocalWorkers(warm, count=count, tasks_per_worker=loaded.sweep.trials_per_worker)
    # Workers start while this process imports what it needs itself, and reads the data.
    with pool:
        with imports_without_gc():
            from rich.console import Console

            from ecomclf.search import sweep as sweeps

        quiet_mlflow()
        sweeps.check_sweep_request(loaded, study=study or None, storage=storage or None)
        split, report = _load_data(loaded)
        planned = sweeps.plan_sweep(
            loaded,
            split,
            report,
            trials=total,
            workers=count,
            study=study or None,
            storage=storage or None,
            repeats=again,
        )
        sweeps.run_sweep(planned, pool, Console())


@app.command()
def train(config: ConfigPath, overrides: Overrides = None) -> None:
    """Train one model with the config's values, judged once on the test rows."""
    loaded = _load_config(config, overrides)
    install_signal_handlers()
    from rich.console import Console

    from ecomclf.runtime.tensorflow_setup import quiet_mlflow, require_backend, start_tensorflow
    from ecomclf.text.cleaning import Cleaner
    from ecomclf.text.word_vectors import check_vector_files

    quiet_mlflow()
    backend = require_backend()
    Cleaner(loaded.text.steps)
    check_vector_files((loaded.model.embeddings,), (loaded.model.embedding_dim,))
    split, report = _load_data(loaded)
    start_tensorflow(backend=backend)
    from ecomclf.search.training_run import run_alone

    run_alone(loaded, split, report, Console())


@app.command("leaderboard")
def show_leaderboard(study: StudyName = "") -> None:
    """Print a study's runs side by side; without a name the newest study's."""
    from rich.console import Console

    from ecomclf.runtime.tensorflow_setup import quiet_mlflow
    from ecomclf.tracking.leaderboard import print_leaderboard
    from ecomclf.tracking.runs import connect

    quiet_mlflow()
    print_leaderboard(connect(), Console(), study or None)


@app.command()
def models(model: ModelName = "ecomclf") -> None:
    """List the registered versions: stage, figures, and what the gate said."""
    from rich.console import Console

    from ecomclf.runtime.terminal import print_table
    from ecomclf.tracking.version_table import version_table

    registry = _registry(model)
    print_table(Console(), f"model {model}", version_table(registry))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Number of the version.")],
    stage: Annotated[str, typer.Option(metavar="S", help="Staging or Production.")],
    model: ModelName = "ecomclf",
) -> None:
    """Let a stage hold a version; the one before is archived."""
    _print_move(_registry(model).promote(version, stage))


@app.command()
def rollback(
    stage: Annotated[str, typer.Option(metavar="S", help="Staging or Production.")],
    model: ModelName = "ecomclf",
) -> None:
    """Bring back the version that a stage held before."""
    _print_move(_registry(model).rollback(stage))


@app.command()
def classify(
    source: Annotated[Path, typer.Argument(metavar="IN.csv", help="Rows to classify.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.csv", help="The rows and their labels.")],
    stage: Stage = "",
    version: Version = "",
    text_column: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Column of texts; repeatable.")
    ] = None,
    header: Annotated[bool, typer.Option(help="The first row names the columns.")] = True,
    prefix: Annotated[str, typer.Option(metavar="P", help="Put before the added names.")] = "",
    rejects: Annotated[
        str, typer.Option(metavar="FILE", help="Broken rows go here instead of ending the job.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Classify a CSV: its columns, and `label`, `confidence`, `needs_review`."""
    install_signal_handlers()
    from rich.console import Console

    from ecomclf.runtime.tensorflow_setup import count_cores, start_tensorflow
    from ecomclf.serving.csv_batch import Columns, check_request, classify_csv

    broken = Path(rejects) if rejects else None
    check_request(source, target, broken, force=force)
    names = tuple(name for name in text_column or () if name)
    registry, found = _version(model, stage, version)
    threads = count_cores()
    start_tensorflow(threads)
    classify_csv(
        registry.load(found),
        source,
        target,
        Columns(text=names, header=header, prefix=prefix),
        rejects=broken,
        console=Console(stderr=True),
        threads=threads,
    )


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    stage: Stage = "",
    version: Version = "",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Write a version as plain files: Keras model, weights, tokenizer, label encoder, report."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow
    from ecomclf.serving.plain_files import export_version

    registry, found = _version(model, stage, version)
    start_tensorflow()
    export_version(registry, found, folder, force=force)


@app.command()
def predict(
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT…", help="Without any: lines of stdin.")
    ] = None,
    stage: Stage = "",
    version: Version = "",
    model: ModelName = "ecomclf",
) -> None:
    """Classify texts: a line of JSON each."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow
    from ecomclf.serving.json_lines import json_lines, lines_as_they_come

    registry, found = _version(model, stage, version)
    start_tensorflow()
    classifier = registry.load(found)
    chunks = [texts] if texts else lines_as_they_come(sys.stdin.fileno())
    for line in json_lines(classifier, chunks):
        print(line, flush=True)


@data_app.command("check")
def check_data(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="CSV files.")],
    config: Annotated[
        str, typer.Option(metavar="PATH", help="Take columns and split from this config.")
    ] = "",
    overrides: Overrides = None,
) -> None:
    """Say what the loader thinks of files; label in the first column unless told otherwise."""
    from ecomclf.config.loading import Config, load_config, parse_override

    if config:
        base = load_config(config, _each_override(overrides))
    else:
        values = dict(parse_override(override) for override in _each_override(overrides))
        base = Config(name="check").with_values(values)
    wrong = False
    for file in files:
        try:
            _load_data(base.with_values({"data.source": file, "data.test_source": None}))
        except DataError as error:
            wrong = True
            print(f"ecomclf: {error}", file=sys.stderr, flush=True)
    if wrong:
        raise typer.Exit(2)


def main() -> NoReturn:
    """Run the command line: an expected error becomes one line on stderr and an exit code."""
    debug = DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG] or ["--help"]
    try:
        code = app(arguments, prog_name="ecomclf", standalone_mode=False)
    except Exception as error:
        said = _expected(error)
        if said is None:
            raise
        if debug:
            traceback.print_exc()
        print(f"ecomclf: {_one_line(said)}", file=sys.stderr)
        code = getattr(said, "exit_code", 2)
    ignore_signals()
    sys.exit(code)


def _expected(error: Exception) -> Exception | None:
    """Give what is to be said of an error; None of one that nobody expected."""
    if isinstance(error, (EcomclfError, typer.TyperException)):
        return error
    from ecomclf.tracking.runs import name_outage

    return name_outage(error)


def _one_line(error: Exception) -> str:
    # Usage errors build their message from the option they are about.
    message = getattr(error, "format_message", error.__str__)()
    return " ".join(message.split()) if isinstance(error, typer.TyperException) else message


def _registry(model: str) -> "Registry":
    """Open the registry of the store that MLflow's variables name."""
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow
    from ecomclf.tracking.registry import Registry
    from ecomclf.tracking.runs import connect

    quiet_mlflow()
    return Registry(connect().uri, model)


def _version(model: str, stage: str, version: str) -> "tuple[Registry, ModelVersion]":
    """Find the version asked for; where a choice was made, stderr says which."""
    registry = _registry(model)
    if stage and version:
        raise RequestError(f"name a stage or a version, not both: {stage!r} and {version!r}")
    found = registry.resolve(stage=stage or None, version=version or None)
    if not stage and not version:
        print(f"{model} version {found.version}, {found.current_stage}", file=sys.stderr)
    return registry, found


def _print_move(move: "Move") -> None:
    before = f"version {move.before}" if move.before else "none"
    print(f"{move.stage}: version {move.version}, before it {before} ({move.reason})")


def _count(option: str, text: str) -> int | None:
    """Read a number of at least 1; "" is None."""
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise RequestError(f"{option} must be a whole number of at least 1 but got {text!r}")
    return int(text)


def _each_override(overrides: list[str] | None) -> list[str]:
    """Take several overrides from one `--set` too: MLproject has one parameter for all."""
    from ecomclf.config.loading import split_overrides

    return [each for text in overrides or () for each in split_overrides(text)]


def _load_config(path: Path, overrides: list[str] | None) -> "Config":
    from ecomclf.config.loading import load_config

    return load_config(path, _each_override(overrides))


def _load_data(config: "Config") -> "tuple[Split, DataReport]":
    """Load, print the report, split."""
    from ecomclf.data.dataset import load
    from ecomclf.data.resampling import require_classes
    from ecomclf.data.splitting import shared_test_texts, split_dataset

    dataset, report = load(config.data)
    print(report.as_text(), flush=True)
    for wanted in config.possible_values("train.resample"):
        require_classes(dataset.classes, wanted)
    parted = split_dataset(dataset, config.data)
    sides = ("train", "validation", "test")
    rows = ", ".join(f"{len(getattr(parted, side)):,} {side}" for side in sides)
    print(f"split        {rows}", flush=True)
    if parted.protocol == "random_rows":
        shared = f"{shared_test_texts(parted):,} of {len(parted.test):,} test rows have their text"
        print(f"split        random rows: {shared} in training; figures are not honest", flush=True)
    return parted, report
