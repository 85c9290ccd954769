"""Runs a given function on worker processes. Knows nothing of trials.

A worker warms up while its parent may not know yet what there is to do, is set up once, then works
off one task at a time. It ends when its parent does, and is replaced after a number of tasks, or
when it dies. Tasks and results travel by a pipe of its own, so that one worker's death harms no
other. What all workers need to know travels by a file: it may be larger than a pipe takes, and the
parent must not wait for a worker that dies before it reads.
"""

import contextlib
import functools
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

Context = TypeVar("Context")
Task = TypeVar("Task")

# Not forked: TensorFlow does not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")


class Emit(Protocol):
    """Sends a message from a task to the parent, while the task runs."""

    def __call__(self, body: Any) -> None:
        """Send any picklable value."""


# Called once in each worker; gives the function that works off a task.
Setup = Callable[[Context], Callable[[Task, Emit], None]]


@dataclass(frozen=True)
class Message(Generic[Task]):
    """A running task says something."""

    task: Task
    body: Any


@dataclass(frozen=True)
class Finished(Generic[Task]):
    """A task has returned."""

    task: Task


@dataclass(frozen=True)
class Failed(Generic[Task]):
    """A task, or its worker's set-up, has raised: why in a line, and the traceback."""

    task: Task
    reason: str
    error: str


@dataclass(frozen=True)
class Died(Generic[Task]):
    """A worker has died in the midst of a task; `exit_code` is negative for a signal."""

    task: Task
    exit_code: int | None


Event = Message[Task] | Finished[Task] | Failed[Task] | Died[Task]


class LocalWorkers(Generic[Context, Task]):
    """Processes on this machine; leaving the `with` block kills those that still work.

    Their temporary files lie in a folder that is removed with it. The last starts when there are
    tasks: until then the parent has something to do as well, and others wait for that.
    """

    def __init__(self, warm_up: Callable[[], object], *, count: int, tasks_per_worker: int) -> None:
        """Remember what every worker calls first; entering the `with` block starts all but one."""
        self._warm_up = warm_up
        self._count = count
        self._tasks_per_worker = tasks_per_worker
        self._folder = tempfile.TemporaryDirectory(prefix="ecomclf-workers-")
        self._start = Path(self._folder.name) / "start"
        self._workers: list[_Worker[Task]] = []

    def __enter__(self) -> Self:
        for _ in range(max(1, self._count - 1)):
            self._add()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers; what they were told is removed."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._folder.cleanup()

    def run(
        self,
        setup: Setup[Context, Task],
        context: Context,
        next_task: Callable[[], Task | None],
    ) -> Iterator[Event[Task]]:
        """Work off tasks as long as there are any, and yield what happens; for one call.

        Args:
            setup: called once in each worker with the context; gives what works off a task.
            context: any picklable value.
            next_task: asked whenever a worker is free, and again after each event; None means that
                there is nothing to do for now. With nothing to do and no task running, it ends.

        """
        self._start.write_bytes(pickle.dumps((setup, context)))
        while True:
            self._hand_out(next_task)
            busy = [worker for worker in self._workers if worker.task is not None]
            if not busy:
                break
            ready = connection.wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe in ready:
                    yield self._receive(worker)

    def _hand_out(self, next_task: Callable[[], Task | None]) -> None:
        for worker in [worker for worker in self._workers if worker.task is None]:
            if worker.tasks_left == 0 or not worker.process.is_alive():
                self._discard(worker)
        while True:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) == self._count:
                return
            task = next_task()
            if task is None:
                return
            if idle is None:
                idle = self._add()
            idle.begin(task)

    def _add(self) -> "_Worker[Task]":
        worker: _Worker[Task] = _Worker(self._warm_up, self._start, self._tasks_per_worker)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: "_Worker[Task]") -> Event[Task]:
        task = worker.task
        assert task is not None
        try:
            kind, body = worker.pipe.recv()
        except (EOFError, OSError):
            self._discard(worker)
            return Died(task, worker.process.exitcode)
        if kind == "message":
            return Message(task, body)
        worker.task = None
        if kind == "failed":
            return Failed(task, *body)
        return Finished(task)

    def _discard(self, worker: "_Worker[Task]") -> None:
        worker.end()
        self._workers.remove(worker)


class _Worker(Generic[Task]):
    """A process, the parent's end of its pipe, and the task it is at."""

    def __init__(self, warm_up: Callable[[], object], start: Path, tasks: int) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.task: Task | None = None
        self.tasks_left = tasks
        self.process: SpawnProcess = _SPAWN.Process(
            target=_work, args=(warm_up, start, theirs), daemon=True
        )
        # Ctrl-C goes to every process of the terminal; the parent decides what it means. Workers
        # inherit the block, so that none is hit before it can say that it ignores it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # Only the worker may hold its end: else its death would not close the pipe.
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task = task
        self.tasks_left -= 1
        # Has it died meanwhile, then receiving from it says so.
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def end(self) -> None:
        """Kill the process; an idle one has nothing left to do but take down its libraries."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _work(warm_up: Callable[[], object], start: Path, pipe: Any) -> None:
    """Live as a worker; `start` holds the set-up and its context by the time of the first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    folder = start.parent
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    tempfile.tempdir = str(folder)

    def send(kind: str, body: Any) -> None:
        try:
            pipe.send((kind, body))
        except OSError:
            # What a task does from now on could not be told any more.
            _end_with_parent(folder)

    failure: tuple[str, str] | None = None
    try:
        warm_up()
    except Exception as error:
        failure = _describe(error)
    function: Callable[[Any, Emit], None] | None = None
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            _end_with_parent(folder)
        try:
            if function is None:
                if failure:
                    send("failed", failure)
                    continue
                setup, context = pickle.loads(start.read_bytes())
                function = setup(context)
            function(task, functools.partial(send, "message"))
        except Exception as error:
            send("failed", _describe(error))
        else:
            send("finished", None)


def _describe(error: Exception) -> tuple[str, str]:
    """Say why in a line, and give the traceback of what is being handled."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}", traceback.format_exc()


def _end_with_parent(folder: Path) -> NoReturn:
    """Wait until the parent is gone, unless it kills this process; remove what it cannot any more.

    All workers of a killed parent do, whichever is last.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
