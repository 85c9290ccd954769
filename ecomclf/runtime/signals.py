"""Ctrl-C and SIGTERM end a command by a `KeyboardInterrupt`, and leave its cleaning up alone."""

import math
import signal
import time
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_APART = 2.0


def install_signal_handlers() -> None:
    """Let both interrupt, and ignore what follows at once.

    `mlflow run` sends SIGTERM right after the terminal's Ctrl-C. For good they are not ignored yet:
    Python swallows an interrupt that comes in a destructor, and another must get through.
    """
    last = -math.inf

    def interrupt(*_: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_APART:
            last = time.monotonic()
            raise KeyboardInterrupt

    for each in _SIGNALS:
        signal.signal(each, interrupt)


def ignore_signals() -> None:
    """Let a command end with its own exit code, whatever comes while Python shuts down."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
