"""Commands about the registry: `models`, `promote`, `rollback`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ecomclf.cli.application import app
from ecomclf.cli.options import ModelName

if TYPE_CHECKING:
    from ecomclf.tracking.registry import Move


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


def _print_move(move: "Move") -> None:
    before = f"version {move.before}" if move.before else "none"
    note = f"; {move.note}" if move.note else ""
    print(f"{move.stage}: version {move.version}, before it {before} ({move.reason}){note}")
