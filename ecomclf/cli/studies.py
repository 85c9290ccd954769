"""Commands about recorded studies: `leaderboard`, `report`, `tensorboard`."""

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ecomclf.cli.application import app
from ecomclf.cli.options import StudyName
from ecomclf.runtime.signals import install_signal_handlers

Open = Annotated[bool, typer.Option("--open", help="Open it in a browser.")]


@app.command()
def leaderboard(study: StudyName = "") -> None:
    """Print the trials of a study, the best first; by default of the newest study."""
    from ecomclf import api

    name, table = api.leaderboard(study or None)
    from rich.console import Console

    from ecomclf.runtime.terminal import print_table

    print_table(Console(), f"study {name}", table.drop(columns="run_id"))


@app.command()
def report(
    study: StudyName = "",
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Default: STUDY.html.")
    ] = "",
    show: Open = False,
) -> None:
    """Write a study's report as one HTML file; by default of the newest study."""
    from ecomclf import api

    path = api.report(study or None, Path(output) if output else None)
    print(path)
    if show:
        _show(path.absolute().as_uri())


@app.command()
def tensorboard(
    study: StudyName = "",
    run: Annotated[str, typer.Option(metavar="ID", help="Id of a run, instead of a study.")] = "",
    show: Open = False,
) -> None:
    """Show the training curves of a study, or of a run, in TensorBoard; end it with Ctrl-C."""
    import threading

    install_signal_handlers()
    from ecomclf import api

    with api.tensorboard(study or None, run=run or None) as (shown, address):
        print(f"{shown}: {address} (Ctrl-C ends it)", flush=True)
        if show:
            _show(address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _show(address: str) -> None:
    """Open an address in a browser, or say that there is none."""
    if not webbrowser.open(address):
        print(f"no browser was found; open {address}", file=sys.stderr)
