"""Progress of a sweep: a live view in a terminal, elsewhere one plain line per trial."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ecomclf.data.class_names import join_names
from ecomclf.runtime.terminal import has_live_view, pack, print_line, short_names, short_text
from ecomclf.search.budget import Budget
from ecomclf.search.time_left import TimeLeft


@dataclass
class _RunningTrial:
    values: Mapping[str, Any]
    epochs: int
    started: float = field(default_factory=time.monotonic)
    epoch: int = 0
    score: float | None = None


class SweepDisplay:
    """Shows the trials of a sweep.

    Where escape sequences are unwelcome (`NO_COLOR`, `TERM=dumb`, a file, a pipe) there is no live
    view, only a line for each trial that has ended.

    Args:
        console: where it is printed.
        total: number of trials that the study is to have.
        done: trials that an earlier command has counted; they are shown, but not used to estimate
            the time left.
        workers: number of worker processes.
        monitor: name of the score.
        measured_end: seconds from the last trial to the end in an earlier command, if known.
        budget: time limit, which the time left never exceeds.

    """

    def __init__(
        self,
        console: Console,
        *,
        total: int,
        done: int,
        workers: int,
        monitor: str,
        measured_end: float | None = None,
        budget: Budget | None = None,
    ):
        self._console = console
        self._total = total
        self._monitor = monitor
        self._counts = {"finished": 0, "pruned": 0, "failed": 0}
        self._done_before = done
        self._time_left = TimeLeft(
            missing=total - done, workers=workers, measured_end=measured_end, budget=budget
        )
        self._running: dict[int, _RunningTrial] = {}
        self._best: tuple[float, int] | None = None
        self._live: Live | None = None
        self._next = ""

    def __enter__(self) -> Self:
        if has_live_view(self._console):
            self._live = Live(
                get_renderable=self._view, console=self._console, refresh_per_second=4
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            # This last view stays on the screen.
            seconds = self._time_left.seconds_at_end()
            self._next = "stopped" if kind else f"evaluation next, {_duration(seconds)}"
            self._live.__exit__(kind, error, traceback)
            self._live = None

    def best_so_far(self, score: float, trial: int) -> None:
        """Set the best score of earlier commands."""
        self._best = (score, trial)

    def started(self, trial: int, values: Mapping[str, Any], epochs: int) -> None:
        """Show that a trial has started."""
        running = _RunningTrial(values, epochs)
        self._running[trial] = running
        self._time_left.started(trial, running.started)

    def epoch(self, trial: int, epoch: int, score: float) -> None:
        """Show that a trial has completed an epoch."""
        self._running[trial].epoch, self._running[trial].score = epoch, score
        self._time_left.epoch(trial, time.monotonic())

    def ended(
        self,
        trial: int,
        state: str,
        score: float | None,
        error: str | None,
        never_predicted: Sequence[str] = (),
    ) -> None:
        """Print that a trial is finished, pruned or failed, its score and its shortcomings."""
        running, now = self._running.pop(trial), time.monotonic()
        seconds = now - running.started
        self._time_left.ended(trial, now)
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
        self._time_left.lost(trial, time.monotonic(), counts=counts)
        if counts:
            self.say(f"trial {trial} ended: its worker died afterwards, its result counts")
        else:
            self.say(f"trial {trial} killed: its worker died; its parameters are tried again")

    def say(self, line: str) -> None:
        """Print a line, above the live view where there is one."""
        print_line(self._console, line)

    def _done(self) -> int:
        return self._done_before + sum(self._counts.values())

    def _view(self) -> Group:
        progress = Progress(
            TextColumn("sweep"),
            # One colour in every state; the counts say in words how trials ended.
            BarColumn(complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.completed}/{task.total}"),
        )
        progress.add_task("", total=self._total, completed=self._done())
        head = pack(self._head(), self._console.width, between=" · ")
        running = [] if self._next or not self._running else [self._running_trials()]
        return Group(progress, *map(Text, head), *running)

    def _head(self) -> list[str]:
        """Return what is shown of the sweep as a whole; each part fits a line."""
        counts = ", ".join(f"{count} {state}" for state, count in self._counts.items())
        if self._done_before:
            counts += f", {self._done_before} before"
        best = f"{self._best[0]:.4f} (trial {self._best[1]})" if self._best else "none yet"
        seconds = self._time_left.seconds(time.monotonic())
        left = "unknown" if seconds is None else _duration(seconds)
        return [counts, f"best {self._monitor} {best}", self._next or f"time left {left}"]

    def _running_trials(self) -> Table:
        table = Table(box=None, header_style="")
        for head in ("trial", "epoch", short_names([self._monitor])[self._monitor], "seconds"):
            table.add_column(head, no_wrap=True)
        table.add_column("parameters")
        for number, trial in sorted(self._running.items()):
            score = "" if trial.score is None else f"{trial.score:.4f}"
            names = short_names(list(trial.values))
            values = " ".join(f"{names[key]}={short_text(trial.values[key])}" for key in names)
            seconds = f"{time.monotonic() - trial.started:.0f}"
            table.add_row(
                str(number), f"{trial.epoch}/{trial.epochs}", score, seconds, Text(values)
            )
        return table


def _duration(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
