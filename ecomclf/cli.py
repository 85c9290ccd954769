"""The command line: parse, make one call of `api`, print. Heavy imports are inside the commands."""

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ecomclf.errors import AmbiguousLabelError, EcomclfError, RequestError
from ecomclf.runtime.signals import ignore_signals, install_signal_handlers

if TYPE_CHECKING:
    from ecomclf.config.loading import Config
    from ecomclf.tracking.registry import Move

DEBUG = "--debug"

app = typer.Typer(
    name="ecomclf",
    help="Sort product texts into shop categories: sweeps, runs, a registered model.",
    epilog=f"{DEBUG}, anywhere, shows the traceback of an error.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer()


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"ecomclf {version('ecomclf')}")
        raise typer.Exit


@app.callback()
def ecomclf_command(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Sort product texts into shop categories: sweeps, runs, a registered model."""


@data_app.callback()
def data() -> None:
    """Look at data before any training."""


app.add_typer(data_app, name="data")

# MLproject passes every parameter; an empty one is unset.
ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file; see configs/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a config key; repeatable. Several at once: '{model.units: 96, seed: 1}'.",
    ),
]
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="Registered model.")]
Stage = Annotated[str, typer.Option(metavar="S", help="Staging or Production.")]
Version = Annotated[str, typer.Option(metavar="V", help="Number of a version.")]
TextColumns = Annotated[
    list[str] | None,
    typer.Option("--text-column", metavar="NAME", help="Text column; repeatable."),
]
LabelColumn = Annotated[str, typer.Option(metavar="NAME", help="Column of the class.")]
Address = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Ray's head node, if not found by itself.")
]
StudyName = Annotated[str, typer.Option("--study", metavar="NAME", help="Name of the study.")]


@app.command()
def init(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Labelled texts in any format.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="C.yaml", help="Default: the name of FILE.")
    ] = "",
    text_column: TextColumns = None,
    label_column: LabelColumn = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Look at a file of labelled texts; write a commented config that runs."""
    from ecomclf import api

    label = _choose_label(file, text_column, label_column)
    path, suggestion = api.init(
        file,
        Path(output) if output else None,
        text_columns=_columns(text_column),
        label_column=label,
        force=force,
    )
    for reason in suggestion.reasons:
        print(reason)
    minutes = max(1, round(suggestion.seconds / 60))
    print(f"{path} written; about {minutes} min: ecomclf sweep --config {path}")


@app.command()
def sweep(
    file: Annotated[
        str,
        typer.Argument(metavar="[FILE]", help="Labelled texts; the config is made for them."),
    ] = "",
    config: Annotated[str, typer.Option(metavar="PATH", help="YAML file; see configs/.")] = "",
    text_column: TextColumns = None,
    label_column: LabelColumn = "",
    trials: Annotated[
        str, typer.Option(metavar="N", help="Total number of trials; the same command resumes.")
    ] = "",
    time_limit: Annotated[
        str, typer.Option(metavar="T", help="How long it may take: 90s, 10m, 1h30m.")
    ] = "",
    workers: Annotated[
        str, typer.Option(metavar="W", help="Worker processes; default: one per core.")
    ] = "",
    engine: Annotated[
        str, typer.Option(metavar="E", help="local, or ray for a cluster; default: the config's.")
    ] = "",
    address: Address = "",
    overrides: Overrides = None,
    study: StudyName = "",
    storage: Annotated[
        str, typer.Option(metavar="URL", help="Database of the study instead of a local file.")
    ] = "",
    repeats: Annotated[
        str, typer.Option(metavar="R", help="Train the best trial again with R other seeds.")
    ] = "",
) -> None:
    """Search hyperparameters; register the best model."""
    total = _count("--trials", trials)
    processes = _count("--workers", workers)
    again = _count("--repeats", repeats)
    if bool(file) == bool(config):
        raise RequestError("name either a file of labelled texts, or a config with --config")
    if config and (text_column or label_column):
        raise RequestError("--text-column and --label-column go with FILE; a config names them")
    from ecomclf import api

    if config:
        loaded = _load_config(Path(config), overrides)
    else:
        loaded = _suggest_config(file, text_column, label_column, overrides)
    install_signal_handlers()
    api.sweep(
        loaded,
        trials=total,
        time_limit=time_limit or None,
        workers=processes,
        engine=engine or None,
        address=address or None,
        study=study or None,
        storage=storage or None,
        repeats=again,
    )


@app.command()
def train(
    config: ConfigPath,
    register: Annotated[
        bool, typer.Option("--register", help="Register the model, through the promotion gate.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Train one model with the config's own values; score it once on the test rows."""
    loaded = _load_config(config, overrides)
    install_signal_handlers()
    from ecomclf import api

    api.train(loaded, register=register)


@app.command()
def leaderboard(study: StudyName = "") -> None:
    """Print the trials of a study, the best first; by default of the newest study."""
    from ecomclf import api

    name, table = api.leaderboard(study or None)
    from rich.console import Console

    from ecomclf.runtime.terminal import print_table

    print_table(Console(), f"study {name}", table.drop(columns="run_id"))


@app.command()
def models(model: ModelName = "ecomclf") -> None:
    """List the registered versions: stage, metrics, decision of the promotion gate."""
    from ecomclf import api

    table = api.models(model)
    from rich.console import Console

    from ecomclf.runtime.terminal import print_table

    print_table(Console(), f"model {model}", table)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Number of the version.")],
    stage: Annotated[str, typer.Option(metavar="S", help="Staging or Production.")],
    model: ModelName = "ecomclf",
) -> None:
    """Give a stage to a version; the version that held it is archived."""
    from ecomclf import api

    _print_move(api.promote(version, stage, model=model))


@app.command()
def rollback(
    stage: Annotated[str, typer.Option(metavar="S", help="Staging or Production.")],
    model: ModelName = "ecomclf",
) -> None:
    """Give a stage back to the version that held it before."""
    from ecomclf import api

    _print_move(api.rollback(stage, model=model))


@app.command()
def classify(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Rows to classify; a pattern names several files.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The rows with their labels; its ending is the format. For several: a folder.",
        ),
    ],
    stage: Stage = "",
    version: Version = "",
    text_column: TextColumns = None,
    header: Annotated[bool, typer.Option(help="The first row names the columns.")] = True,
    prefix: Annotated[str, typer.Option(metavar="P", help="Prefix of the added columns.")] = "",
    file_format: Annotated[
        str, typer.Option("--format", metavar="F", help="Of the input, if not detected.")
    ] = "",
    encoding: Annotated[
        str, typer.Option(metavar="E", help="Of the input, such as cp1252, if not detected.")
    ] = "",
    separator: Annotated[
        str, typer.Option(metavar="C", help="Of the cells, or tab, if not detected.")
    ] = "",
    quote: Annotated[str, typer.Option(metavar="C", help="Of the cells, if not detected.")] = "",
    rejects: Annotated[
        str, typer.Option(metavar="FILE", help="Write broken rows here instead of stopping.")
    ] = "",
    engine: Annotated[
        str, typer.Option(metavar="E", help="local, or ray for several files on a cluster.")
    ] = "",
    address: Address = "",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Classify a file: its columns, then `label`, `confidence`, `needs_review`.

    It may be CSV of any dialect and encoding, JSON lines, Parquet or Excel, also gzipped or zipped.
    """
    install_signal_handlers()
    from ecomclf import api
    from ecomclf.config.data_section import DataConfig
    from ecomclf.data.file_format import FileOptions
    from ecomclf.serving.file_batch import Columns

    names = tuple(name for name in text_column or () if name)
    given = {"format": file_format, "encoding": encoding, "separator": separator, "quote": quote}
    data = DataConfig.model_validate({key: value for key, value in given.items() if value})
    api.classify(
        source,
        target,
        model=model,
        stage=stage,
        version=version,
        columns=Columns(text=names, header=header, prefix=prefix),
        options=FileOptions.of(data),
        rejects=Path(rejects) if rejects else None,
        engine=engine or None,
        address=address or None,
        force=force,
    )


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    stage: Stage = "",
    version: Version = "",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Write a version as plain files: Keras model, weights, tokenizer, label encoder, report."""
    from ecomclf import api

    for path in api.export(folder, model=model, stage=stage, version=version, force=force):
        print(path)


@app.command()
def predict(
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT…", help="Without any: lines of stdin.")
    ] = None,
    stage: Stage = "",
    version: Version = "",
    model: ModelName = "ecomclf",
) -> None:
    """Classify texts; print one line of JSON per text."""
    from ecomclf import api
    from ecomclf.serving.json_lines import lines_as_they_come

    chunks: Iterator[list[str]] = iter([texts]) if texts else lines_as_they_come(sys.stdin.fileno())
    for line in api.predict(chunks, model=model, stage=stage, version=version):
        print(line, flush=True)


@data_app.command("check")
def check_data(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Labelled texts.")],
    config: Annotated[
        str, typer.Option(metavar="PATH", help="Take columns and split from this config.")
    ] = "",
    overrides: Overrides = None,
) -> None:
    """Print what the loader makes of each file; columns that are not named are guessed."""
    from ecomclf import api
    from ecomclf.config.loading import Config, load_config
    from ecomclf.config.overrides import parse_overrides

    if config:
        base = load_config(config, overrides or ())
    else:
        base = Config(name="check").with_values(parse_overrides(overrides or ()))
    if api.check_data(files, base):
        raise typer.Exit(2)


def main() -> NoReturn:
    """Run the command line: an expected error becomes one line on stderr and an exit code."""
    debug = DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG] or ["--help"]
    try:
        code = app(arguments, prog_name="ecomclf", standalone_mode=False)
    except Exception as error:
        expected = _expected(error)
        if expected is None:
            raise
        if debug:
            traceback.print_exc()
        print(f"ecomclf: {_one_line(expected)}", file=sys.stderr)
        code = getattr(expected, "exit_code", 2)
    ignore_signals()
    sys.exit(code)


def _expected(error: Exception) -> Exception | None:
    """Return the error to report in one line; None for an unexpected one."""
    if isinstance(error, (EcomclfError, typer.TyperException)):
        return error
    from ecomclf.tracking.connection import name_outage

    return name_outage(error)


def _one_line(error: Exception) -> str:
    # Usage errors build their message from the option they are about.
    message = getattr(error, "format_message", error.__str__)()
    return " ".join(message.split()) if isinstance(error, typer.TyperException) else message


def _print_move(move: "Move") -> None:
    before = f"version {move.before}" if move.before else "none"
    note = f"; {move.note}" if move.note else ""
    print(f"{move.stage}: version {move.version}, before it {before} ({move.reason}){note}")


def _count(option: str, text: str) -> int | None:
    """Read a number of at least 1; "" is None."""
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise RequestError(f"{option} must be a whole number of at least 1 but got {text!r}")
    return int(text)


def _columns(names: list[str] | None) -> tuple[int | str, ...]:
    """Return columns as a config names them: digits are positions."""
    return tuple(int(name) if name.isdecimal() else name for name in names or () if name)


def _choose_label(file: str, text_column: list[str] | None, given: str) -> int | str | None:
    """Return the label column that is given, or that a person at the terminal names; else None."""
    if given:
        return _columns([given])[0]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    from ecomclf.data.guessed_columns import guess_columns

    try:
        guess_columns(file, text=_columns(text_column))
    except AmbiguousLabelError as error:
        from rich.prompt import Prompt

        candidates = [str(name) for name in error.candidates]
        return _columns([Prompt.ask("Which column is the label?", choices=candidates)])[0]
    return None


def _suggest_config(
    file: str, text_column: list[str] | None, label_column: str, overrides: list[str] | None
) -> "Config":
    from ecomclf import api
    from ecomclf.config.overrides import parse_overrides

    label = _choose_label(file, text_column, label_column)
    config = api.suggest_config(file, text_columns=_columns(text_column), label_column=label)
    return config.with_values(parse_overrides(overrides or ()))


def _load_config(path: Path, overrides: list[str] | None) -> "Config":
    from ecomclf.config.loading import load_config

    return load_config(path, overrides or ())
