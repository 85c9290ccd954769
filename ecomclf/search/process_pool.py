"""Worker processes on this machine.

Each has its own pipe for tasks and results, so a dead worker affects no other. What all workers
need to know is passed in a file: it may exceed a pipe's buffer, and the parent must not wait for a
worker that dies before it reads.
"""

import contextlib
import functools
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, NoReturn, Self

from ecomclf.search.workers import (
    Context,
    Died,
    Emit,
    Event,
    Setup,
    Task,
    describe_error,
    event_of,
)

# Not forked: TensorFlow does not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")


class LocalWorkers(Generic[Context, Task]):
    """Worker processes on this machine; leaving the `with` block kills those that still run.

    Their temporary files are in a folder that is removed with them. The last worker starts when
    there are tasks: until then the parent uses that core to prepare what the others wait for.
    """

    def __init__(
        self,
        warm_up: Callable[[], object],
        *,
        count: int,
        tasks_per_worker: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the pool; entering the `with` block starts all workers but one.

        Args:
            warm_up: what every worker calls first; a module-level function of an importable module.
            count: number of workers.
            tasks_per_worker: after so many tasks a worker is replaced.
            environment: environment variables of the workers, besides those of this process.

        """
        self._warm_up = warm_up
        self.count = count
        self._tasks_per_worker = tasks_per_worker
        self._environment = dict(environment or {})
        self._folder = tempfile.TemporaryDirectory(prefix="ecomclf-workers-")
        self._start = Path(self._folder.name) / "start"
        self._workers: list[_Worker[Task]] = []

    def __enter__(self) -> Self:
        for _ in range(max(1, self.count - 1)):
            self._add()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers and remove their folder."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._folder.cleanup()

    def run(
        self,
        setup: Setup[Context, Task],
        context: Context,
        next_task: Callable[[], Task | None],
        *,
        deadline: Callable[[], float | None] = lambda: None,
    ) -> Iterator[Event[Task]]:
        """Run tasks; see `WorkerPool.run`."""
        self._start.write_bytes(pickle.dumps((setup, context)))
        while True:
            self._hand_out(next_task)
            busy = [worker for worker in self._workers if worker.task is not None]
            if not busy:
                break
            end = deadline()
            time_left = None if end is None else max(0.0, end - time.monotonic())
            ready = connection.wait([worker.pipe for worker in busy], time_left)
            if not ready:
                break
            for worker in busy:
                if worker.pipe in ready:
                    yield self._receive(worker)

    def _hand_out(self, next_task: Callable[[], Task | None]) -> None:
        for worker in [worker for worker in self._workers if worker.task is None]:
            if worker.tasks_left == 0 or not worker.process.is_alive():
                self._discard(worker)
        while True:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) == self.count:
                return
            task = next_task()
            if task is None:
                return
            if idle is None:
                idle = self._add()
            idle.begin(task)

    def _add(self) -> "_Worker[Task]":
        with _environment(self._environment), _without_main_module():
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
            return Died(task, f"of exit code {worker.process.exitcode}")
        if kind != "message":
            worker.task = None
        return event_of(task, kind, body)

    def _discard(self, worker: "_Worker[Task]") -> None:
        worker.end()
        self._workers.remove(worker)


class _Worker(Generic[Task]):
    """A process, the parent's end of its pipe, and the task that it runs."""

    def __init__(self, warm_up: Callable[[], object], start: Path, tasks: int) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.task: Task | None = None
        self.tasks_left = tasks
        self.process: SpawnProcess = _SPAWN.Process(
            target=_work, args=(warm_up, start, theirs), daemon=True
        )
        # Ctrl-C reaches every process of the terminal, but only the parent acts on it. Workers
        # inherit the blocked signal, so it cannot hit one before it has set it to be ignored.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # If the parent kept the worker's end, the worker's death would not close the pipe.
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task = task
        self.tasks_left -= 1
        # If the worker has died, the next `recv` reports it.
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def end(self) -> None:
        """Kill the process; a normal exit would only spend seconds unloading libraries."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs; processes that it starts keep them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_main_module() -> Iterator[None]:
    """Hide `__main__` from the processes that the block starts.

    A spawned process runs the main script once more, to find what is defined in it. Nothing that a
    worker needs is, and a script without `if __name__ == "__main__"` would start its sweep again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(warm_up: Callable[[], object], start: Path, pipe: Any) -> None:
    """Run as a worker; `start` holds set-up and context by the time of the first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    folder = start.parent
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    tempfile.tempdir = str(folder)

    def send(kind: str, body: Any) -> None:
        try:
            pipe.send((kind, body))
        except OSError:
            # The parent is gone: nothing that the task does from now on could be reported.
            _end_with_parent(folder)

    failure: tuple[str, str] | None = None
    try:
        warm_up()
    except Exception as error:
        failure = (describe_error(error), traceback.format_exc())
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
            send("failed", (describe_error(error), traceback.format_exc()))
        else:
            send("finished", None)


def _end_with_parent(folder: Path) -> NoReturn:
    """Wait for the parent to end (which usually kills this process), then remove the folder.

    Every worker of a killed parent does so, in whichever order they end.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
