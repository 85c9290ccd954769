"""The Typer application that the commands are added to."""

from typing import Annotated

import typer

DEBUG = "--debug"

FIRST_STEPS = """\
ecomclf learns from a file of labelled texts to put new texts into its classes.

  ecomclf data check rows.csv            what it makes of your file
  ecomclf sweep rows.csv                 find, measure, register the best model
  ecomclf report --open                  the result as a page, to look at or send
  ecomclf promote 1 --stage Production   use the version that the sweep named
  ecomclf classify new.csv out.csv       classify a file with it

No file at hand? `ecomclf sweep --config configs/sample.yaml`, in a clone.
`ecomclf --help` lists all commands, `ecomclf sweep --help` the options of one.
"""

app = typer.Typer(
    name="ecomclf",
    help="Sort product texts into shop categories: sweeps, runs, a registered model.",
    epilog=f"{DEBUG}, anywhere, shows the traceback of an error.",
    pretty_exceptions_enable=False,
)
data_app = typer.Typer()


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"ecomclf {version('ecomclf')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def ecomclf_command(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Sort product texts into shop categories: sweeps, runs, a registered model."""
    if context.invoked_subcommand is None:
        print(FIRST_STEPS, end="")


@data_app.callback()
def data() -> None:
    """Look at data before any training."""


app.add_typer(data_app, name="data")
