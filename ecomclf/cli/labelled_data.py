"""Commands about labelled data: `init` and `data check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ecomclf.cli.application import app, data_app
from ecomclf.cli.options import LabelColumn, Overrides, TextColumns, parse_columns
from ecomclf.errors import AmbiguousLabelError


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

    label = choose_label(file, text_column, label_column)
    path, suggestion = api.init(
        file,
        Path(output) if output else None,
        text_columns=parse_columns(text_column),
        label_column=label,
        force=force,
    )
    for reason in suggestion.reasons:
        print(reason)
    minutes = max(1, round(suggestion.seconds / 60))
    print(f"{path} written; about {minutes} min: ecomclf sweep --config {path}")


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


def choose_label(file: str, text_column: list[str] | None, given: str) -> int | str | None:
    """Return the label column that is given, or that a person at the terminal names; else None."""
    if given:
        return parse_columns([given])[0]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    from ecomclf.data.guessed_columns import guess_columns

    try:
        guess_columns(file, text=parse_columns(text_column))
    except AmbiguousLabelError as error:
        from rich.prompt import Prompt

        candidates = [str(name) for name in error.candidates]
        return parse_columns([Prompt.ask("Which column is the label?", choices=candidates)])[0]
    return None
