"""Commands that train: `sweep` and `train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecomclf.cli.application import app
from ecomclf.cli.labelled_data import choose_label
from ecomclf.cli.options import (
    Address,
    ConfigPath,
    LabelColumn,
    Overrides,
    StudyName,
    TextColumns,
    parse_columns,
    parse_count,
)
from ecomclf.errors import RequestError
from ecomclf.runtime.signals import install_signal_handlers

if TYPE_CHECKING:
    from ecomclf.config.loading import Config


@app.command()
def sweep(
    file: Annotated[
        str,
        typer.Argument(metavar="[FILE]", help="Labelled texts; the config is made for them."),
    ] = "",
    config: Annotated[
        str, typer.Option(metavar="PATH", help="YAML file; `ecomclf init` writes one.")
    ] = "",
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
    total = parse_count("--trials", trials)
    processes = parse_count("--workers", workers)
    again = parse_count("--repeats", repeats)
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


def _suggest_config(
    file: str, text_column: list[str] | None, label_column: str, overrides: list[str] | None
) -> "Config":
    from ecomclf import api
    from ecomclf.config.overrides import parse_overrides

    label = choose_label(file, text_column, label_column)
    config = api.suggest_config(file, text_columns=parse_columns(text_column), label_column=label)
    return config.with_values(parse_overrides(overrides or ()))


def _load_config(path: Path, overrides: list[str] | None) -> "Config":
    from ecomclf.config.loading import load_config

    return load_config(path, overrides or ())
