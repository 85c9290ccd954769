"""Exclusive locks between processes."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[BinaryIO]:
    """Open a file for appending and hold an exclusive lock on it while the block runs.

    The lock is advisory (`flock`): it only excludes others that lock the same file, in this process
    or another. The system releases it when the process that holds it is killed. The file is created
    if it is missing, and not deleted afterwards: a process that waits for the lock may have it
    open.

    Args:
        path: the file; its folder must exist.
        wait: whether to wait while the lock is held elsewhere.

    Yields:
        The open file, in binary mode.

    Raises:
        BlockingIOError: the lock is held elsewhere and `wait` is false.
        OSError: the file cannot be opened or locked.

    Example:
        with locked(Path("studies/mine.lock"), wait=False):
            continue_study("mine")

    """
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
