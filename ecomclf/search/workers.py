"""What a pool of workers does, and what it reports; `process_pool` and `ray_pool` are the two.

A pool runs a given function in several processes and knows nothing of trials. A worker warms up
while its parent may not know the tasks yet, is set up once, then runs one task at a time. It is
replaced after a number of tasks, or when it dies, and ends when its parent does. No pool runs a
task again: the caller hears of each death, and decides.
"""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

Context = TypeVar("Context")
Task = TypeVar("Task")


class Emit(Protocol):
    """Sends a message from a running task to the parent."""

    def __call__(self, body: Any) -> None:
        """Send any picklable value."""


# Called once in each worker; returns the function that runs a task.
Setup = Callable[[Context], Callable[[Task, Emit], None]]


@dataclass(frozen=True)
class Message(Generic[Task]):
    """A running task has sent a message."""

    task: Task
    body: Any


@dataclass(frozen=True)
class Finished(Generic[Task]):
    """A task has completed."""

    task: Task


@dataclass(frozen=True)
class Failed(Generic[Task]):
    """A task, or the set-up of its worker, has raised: reason in one line, and traceback."""

    task: Task
    reason: str
    error: str


@dataclass(frozen=True)
class Died(Generic[Task]):
    """A worker has died during a task; the reason is a phrase such as `its node has died`."""

    task: Task
    reason: str


Event = Message[Task] | Finished[Task] | Failed[Task] | Died[Task]


class WorkerPool(Protocol[Context, Task]):
    """Workers; leaving the `with` block ends those that still run."""

    @property
    def count(self) -> int:
        """Return the number of workers."""

    def __enter__(self) -> Self:
        """Start the workers."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """End the workers."""

    def close(self) -> None:
        """End the workers; none runs a task any more when this returns."""

    def run(
        self,
        setup: Setup[Context, Task],
        context: Context,
        next_task: Callable[[], Task | None],
        *,
        deadline: Callable[[], float | None] = lambda: None,
    ) -> Iterator[Event[Task]]:
        """Run tasks as long as there are any, and yield what happens. Can be called once.

        Args:
            setup: called once in each worker with the context; returns the function that runs a
                task.
            context: any picklable value.
            next_task: called whenever a worker is idle, and again after each event; None means that
                there is nothing to do for now. With nothing to do and no task running, `run` ends.
            deadline: called before each wait for an event; returns the time, of
                `time.monotonic()`, at which `run` ends even if tasks are running, or None.

        """


def event_of(task: Task, kind: str, body: Any) -> Event[Task]:
    """Return the event that a worker's answer means: `message`, `failed` or `finished`."""
    if kind == "message":
        return Message(task, body)
    return Failed(task, *body) if kind == "failed" else Finished(task)


def describe_error(error: BaseException) -> str:
    """Return an exception's type and message in one line of at most 300 characters."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" …")
