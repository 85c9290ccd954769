"""Progress of a sweep: a live view in a terminal, elsewhere one plain line per trial."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ecomclf.data.class_names import join_names
from ecomclf.runtime.terminal import short_text


@dataclass
class _RunningTrial:
    values: Mapping[str, Any]
    epochs: int
    started: float = field(default_factory=time.monotonic)
    epoch: int = 0
    score: float | None = None


class SweepDisplay:
    """Shows the trials of a sweep.

    `done` trials were counted by an earlier command: they are shown, but not used to estimate the
    time left.
    """

    def __init__(self, console: Console, *, total: int, done: int, workers: int, monitor: str):
        self._console = console
        self._total = total
        self._workers = workers
        self._monitor = monitor
        self._counts = {"finished": 0, "pruned": 0, "failed": 0}
        self._done_before = done
        self._seconds: list[float] = []
        self._running: dict[int, _RunningTrial] = {}
        self._best: tuple[float, int] | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._view, console=self._console, refresh_per_second=4
            )
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)
            self._live = None

    def best_so_far(self, score: float, trial: int) -> None:
        """Set the best score of earlier commands."""
        self._best = (score, trial)

    def started(self, trial: int, values: Mapping[str, Any], epochs: int) -> None:
        """Show that a trial has started."""
        self._running[trial] = _RunningTrial(values, epochs)

    def epoch(self, trial: int, epoch: int, score: float) -> None:
        """Show that a trial has completed an epoch."""
        self._running[trial].epoch, self._running[trial].score = epoch, score

    def ended(
        self,
        trial: int,
        state: str,
        score: float | None,
        error: str | None,
        never_predicted: Sequence[str] = (),
    ) -> None:
        """Print that a trial is finished, pruned or failed, its score and its shortcomings."""
        running = self._running.pop(trial)
        seconds = time.monotonic() - running.started
        self._seconds.append(seconds)
        self._counts[state] += 1
        if state == "finished" and score is not None:
            self._best = max(self._best or (score, trial), (score, trial), key=lambda best: best[0])
        values = " ".join(f"{key}={short_text(value)}" for key, value in running.values.items())
        reached = f" {self._monitor} {score:.4f}" if score is not None else ""
        best = f" best {self._best[0]:.4f} (trial {self._best[1]})" if self._best else ""
        never = f"; never predicted: {join_names(never_predicted, 5)}" if never_predicted else ""
        self.say(
            f"trial {trial} {state}{reached}, {running.epoch} epochs, {seconds:.1f} s, {values};"
            f" {self._done()} of {self._total} done{best}{never}" + (f"; {error}" if error else "")
        )

    def lost(self, trial: int, *, counts: bool) -> None:
        """Print that a trial's worker has died, and whether the trial had its result by then."""
        self._running.pop(trial, None)
        if counts:
            self.say(f"trial {trial} ended: its worker died afterwards, its result counts")
        else:
            self.say(f"trial {trial} killed: its worker died; its parameters are tried again")

    def say(self, line: str) -> None:
        """Print a line, above the live view where there is one."""
        self._console.print(Text(line), soft_wrap=True)

    def _done(self) -> int:
        return self._done_before + sum(self._counts.values())

    def _view(self) -> Group:
        progress = Progress(
            TextColumn("sweep"), BarColumn(), TextColumn("{task.completed}/{task.total}")
        )
        progress.add_task("", total=self._total, completed=self._done())
        counts = ", ".join(f"{count} {state}" for state, count in self._counts.items())
        if self._done_before:
            counts += f", {self._done_before} before"
        best = f"{self._best[0]:.4f} (trial {self._best[1]})" if self._best else "none yet"
        head = f"{counts} · best {self._monitor} {best} · time left {self._time_left()}"
        table = Table("trial", "epoch", self._monitor, "seconds", "parameters", box=None)
        for number, trial in sorted(self._running.items()):
            score = "" if trial.score is None else f"{trial.score:.4f}"
            values = " ".join(f"{key}={short_text(value)}" for key, value in trial.values.items())
            seconds = f"{time.monotonic() - trial.started:.0f}"
            table.add_row(str(number), f"{trial.epoch}/{trial.epochs}", score, seconds, values)
        return Group(progress, Text(head), table)

    def _time_left(self) -> str:
        if not self._seconds:
            return "unknown"
        each = sum(self._seconds) / len(self._seconds)
        begun = sum(time.monotonic() - trial.started for trial in self._running.values())
        seconds = max(0.0, (each * (self._total - self._done()) - begun) / self._workers)
        return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
