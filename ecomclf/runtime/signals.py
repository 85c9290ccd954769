"""Handlers for SIGINT (Ctrl-C) and SIGTERM."""

import math
import signal
import time
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_QUIET_SECONDS = 2.0


def install_signal_handlers() -> None:
    """Raise `KeyboardInterrupt` on SIGINT and SIGTERM, but not again within two seconds.

    `mlflow run` sends SIGTERM right after the terminal's Ctrl-C, which must not interrupt the
    cleanup after the first one. Later signals still get through: Python swallows an exception that
    is raised in a destructor, so the first interrupt may be lost.
    """
    last = -math.inf

    def interrupt(*_: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_SECONDS:
            last = time.monotonic()
            raise KeyboardInterrupt

    for each in _SIGNALS:
        signal.signal(each, interrupt)


def ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM from now on, so that a finished command keeps its exit code."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
