"""Run a command and measure its seconds, its output and the memory of all its processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecomclf.tracking.runs import Tracking


@dataclass
class Measured:
    """Measurements of one command.

    `lines` are what it printed, `memory` pairs of a time (of `time.time`) and MiB at that time.
    """

    begin: float
    end: float = 0.0
    lines: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Return how long the command ran."""
        return self.end - self.begin

    def peak(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """Return the peak memory of all its processes together between two times, in MiB."""
        return max((size for at, size in self.memory if begin <= at <= end), default=0.0)


def measure(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Measured:
    """Run a command in a folder and copy its output to stderr.

    Raises:
        CalledProcessError: the command failed.

    """
    done = Measured(time.time())
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(process.pid, done, over))
    watch.start()
    assert process.stdout is not None
    for line in process.stdout:
        done.lines.append(line.rstrip())
        print(f"  {line.rstrip()[:150]}", file=sys.stderr)
    process.wait()
    done.end = time.time()
    over.set()
    watch.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return done


def measure_sweep(
    config: Path, place: Path, overrides: Sequence[str], *options: str
) -> tuple[Measured, "Tracking"]:
    """Run `ecomclf sweep` in a new folder with its own store; return measurements and tracking."""
    from ecomclf.tracking.runs import Tracking

    place.mkdir()
    store = f"sqlite:///{place}/mlflow.db"
    command = [sys.executable, "-m", "ecomclf", "sweep", "--config", str(config), *options]
    for override in overrides:
        command += ["--set", override]
    return measure(command, place, {"MLFLOW_TRACKING_URI": store}), Tracking(store, "1")


def _watch(pid: int, done: Measured, over: threading.Event) -> None:
    # Reading takes 15 ms of CPU per process, at the expense of what is measured.
    while not over.wait(1.0):
        done.memory.append((time.time(), sum(map(_mebibytes, _family(pid)))))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _mebibytes(pid: int) -> float:
    """Return the proportional set size of a process: shared pages are divided among its users."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
