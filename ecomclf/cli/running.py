"""Run the command line: an expected error becomes one line on stderr and an exit code."""

import sys
import traceback
from typing import NoReturn

import typer

from ecomclf.cli.application import DEBUG, app
from ecomclf.errors import EcomclfError
from ecomclf.runtime.signals import ignore_signals


def main() -> NoReturn:
    """Run the command line: an expected error becomes one line on stderr and an exit code."""
    debug = DEBUG in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
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
