import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecomclf.runtime.locks import locked

HOLDER = """
import sys
from pathlib import Path
from ecomclf.runtime.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Hold the lock in a second process, which is killed at the end at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_held_elsewhere_raises_without_waiting(tmp_path: Path) -> None:
    """With `wait=False` the second process gets a BlockingIOError; a killed holder releases it."""
    path = tmp_path / "mine.lock"
    with held_by_another_process(path) as holder:
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
        holder.kill()
        holder.wait()
        with locked(path, wait=False):
            pass


def test_a_lock_held_elsewhere_is_waited_for(tmp_path: Path) -> None:
    """By default the block starts when the other process has left its own."""
    path = tmp_path / "mine.lock"

    def enter() -> str:
        with locked(path):
            return "entered"

    with held_by_another_process(path) as holder, ThreadPoolExecutor(1) as pool:
        entered = pool.submit(enter)
        with pytest.raises(TimeoutError):
            entered.result(timeout=0.3)
        assert holder.stdin is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert entered.result(timeout=30) == "entered"


def test_the_lock_is_released_when_the_block_fails(tmp_path: Path) -> None:
    """An exception passes through."""
    path = tmp_path / "mine.lock"
    with pytest.raises(RuntimeError, match="inside"), locked(path):
        raise RuntimeError("inside")
    with locked(path, wait=False):
        pass


def test_the_file_is_opened_for_appending(tmp_path: Path) -> None:
    """What it holds is kept."""
    path = tmp_path / "journal"
    for line in (b"one\n", b"two\n"):
        with locked(path) as file:
            file.write(line)
    assert path.read_bytes() == b"one\ntwo\n"
