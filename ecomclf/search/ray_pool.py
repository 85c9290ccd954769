"""Workers on a Ray cluster: each is an actor, whose running task sends its messages as they come.

Ray starts no actor again and runs no task again: what a dead worker was doing is for the caller to
decide. What all workers need to know is put into Ray's object store, which copies it once to each
node.
"""

import logging
import os
import queue
import re
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, Self

from ecomclf.errors import JobError
from ecomclf.search.workers import (
    Context,
    Died,
    Event,
    Setup,
    Task,
    describe_error,
    event_of,
)

# Seconds without any worker, after which a warning is logged, and after which the sweep fails. A
# cluster that adds machines on demand takes minutes.
_WARN_AFTER = 20.0
_GIVE_UP_AFTER = 900.0
# After so many workers in a row have died while they started, no more are started.
_MAX_FALSE_STARTS = 3

_log = logging.getLogger("ecomclf")


class RayWorkers(Generic[Context, Task]):
    """Actors of the Ray cluster that this process is connected to."""

    def __init__(
        self,
        warm_up: Callable[[], object],
        *,
        count: int,
        tasks_per_worker: int,
        cpus: float,
        gpus: float,
        folder: Path | None,
        environment: Mapping[str, str],
        variables: Mapping[str, str],
    ) -> None:
        """Prepare the pool; entering the `with` block starts the workers.

        Args:
            warm_up: what every worker calls first; a module-level function of an importable module.
            count: number of workers.
            tasks_per_worker: after so many tasks a worker is replaced.
            cpus: CPUs that Ray reserves for a worker.
            gpus: GPUs that Ray reserves for a worker; may be less than one.
            folder: working directory of the workers, which must exist on all nodes; by default a
                temporary one on each node.
            environment: environment variables with which the workers start; Ray writes them to its
                log files.
            variables: environment variables that the workers set when they have started; in no log
                file.

        """
        self.count = count
        self._warm_up = warm_up
        self._tasks_per_worker = tasks_per_worker
        self._folder = folder
        self._options = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": dict(environment)},
        }
        self._variables = dict(variables)
        self._workers: list[_Worker[Task]] = []
        self._false_starts = 0
        self._idle_since = time.monotonic()
        self._warned = False

    def __enter__(self) -> Self:
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def run(
        self,
        setup: Setup[Context, Task],
        context: Context,
        next_task: Callable[[], Task | None],
        *,
        deadline: Callable[[], float | None] = lambda: None,
    ) -> Iterator[Event[Task]]:
        """Run tasks; see `WorkerPool.run`.

        Raises:
            JobError: no worker starts, for want of room in the cluster or because all die.

        """
        import ray

        # In a list: Ray would fetch a reference by itself, for each task anew.
        start = [ray.put((setup, context))]
        while True:
            self._fill()
            self._hand_out(next_task, start)
            waiting = {worker.pending: worker for worker in self._workers if worker.pending}
            if all(worker.task is None for worker in self._workers) and any(
                worker.is_ready for worker in self._workers
            ):
                break
            now, end = time.monotonic(), deadline()
            if end is not None and now >= end:
                break
            ready, _ = ray.wait(list(waiting), timeout=min(1.0, (end or now + 1.0) - now))
            for pending in ready:
                event = self._receive(waiting[pending])
                if event is not None:
                    yield event
            self._require_workers()

    def _fill(self) -> None:
        """Start the workers that are missing."""
        for worker in [each for each in self._workers if each.tasks_left == 0 and not each.task]:
            self._discard(worker)
        while len(self._workers) < self.count:
            self._workers.append(
                _Worker(
                    self._options,
                    (self._warm_up, str(self._folder or ""), self._variables),
                    self._tasks_per_worker,
                )
            )

    def _hand_out(self, next_task: Callable[[], Task | None], start: list[Any]) -> None:
        """Give tasks to the workers that have started and have none."""
        for worker in self._workers:
            if not worker.is_ready or worker.task is not None:
                continue
            task = next_task()
            if task is None:
                return
            worker.begin(task, start)

    def _receive(self, worker: "_Worker[Task]") -> Event[Task] | None:
        import ray

        task = worker.task
        try:
            kind, body = worker.receive()
        except ray.exceptions.RayError as error:
            self._discard(worker)
            if task is not None:
                return Died(task, _reason(error))
            self._false_starts += 1
            if self._false_starts >= _MAX_FALSE_STARTS:
                raise JobError(
                    f"{self._false_starts} workers in a row died while they started, the last one "
                    f"because {_reason(error)}; every node needs ecomclf and its packages in the "
                    "versions of this one"
                ) from error
            return None
        self._false_starts = 0
        if task is None:
            _require_version(body)
            return None
        if kind != "message":
            worker.task = None
        return event_of(task, kind, body)

    def _discard(self, worker: "_Worker[Task]") -> None:
        worker.end()
        self._workers.remove(worker)

    def _require_workers(self) -> None:
        """Say it once when no worker has started for long; raise an error in the end."""
        if any(worker.is_ready for worker in self._workers):
            self._idle_since, self._warned = time.monotonic(), False
            return
        waited = time.monotonic() - self._idle_since
        wants = f"{self._options['num_cpus']:g} CPUs and {self._options['num_gpus']:g} GPUs"
        if waited >= _GIVE_UP_AFTER:
            raise JobError(
                f"no worker has started within {_GIVE_UP_AFTER / 60:.0f} minutes: each needs "
                f"{wants} of a node; `ray status` shows what the cluster has and who uses it"
            )
        if waited >= _WARN_AFTER and not self._warned:
            self._warned = True
            _log.warning("no worker has started yet; each waits for %s of a node", wants)


class _Worker(Generic[Task]):
    """An actor, and the task that it runs."""

    def __init__(self, options: Mapping[str, Any], arguments: Any, tasks: int) -> None:
        import ray

        # A type checker takes the methods of an actor for those of its class.
        remote: Any = ray.remote(Worker)
        self._actor = remote.options(**options).remote(*arguments)
        self.task: Task | None = None
        self.tasks_left = tasks
        self.is_ready = False
        # What to wait for next: the end of the start, or the messages of the task.
        self.pending = self._actor.started.remote()

    def begin(self, task: Task, start: list[Any]) -> None:
        self.task = task
        self.tasks_left -= 1
        self.pending = self._actor.run.options(num_returns="streaming").remote(start, task)

    def receive(self) -> tuple[str, Any]:
        """Return the next message; ("started", its version of ecomclf) when it has started."""
        import ray

        if not self.is_ready:
            there = ray.get(self.pending)
            self.is_ready, self.pending = True, None
            return "started", there
        kind, body = ray.get(next(self.pending))
        if kind != "message":
            self.pending = None
        return kind, body

    def end(self) -> None:
        import ray

        ray.kill(self._actor)


class Worker:
    """What runs in the process of an actor."""

    def __init__(
        self, warm_up: Callable[[], object], folder: str, variables: Mapping[str, str]
    ) -> None:
        os.environ.update(variables)
        os.chdir(folder or _own_folder())
        self._function: Callable[[Any, Any], None] | None = None
        self._failure: tuple[str, str] | None = None
        try:
            warm_up()
        except Exception as error:
            self._failure = describe_error(error), traceback.format_exc()

    def started(self) -> str:
        """Return the version of this package on the node, once the worker has started."""
        return version("ecomclf")

    def run(self, start: list[Any], task: Any) -> Iterator[tuple[str, Any]]:
        """Run a task; yield its messages, then how it ended."""
        messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(start, task, messages), daemon=True).start()
        kind = "message"
        while kind == "message":
            kind, body = messages.get()
            yield kind, body

    def _run(
        self, start: list[Any], task: Any, messages: "queue.SimpleQueue[tuple[str, Any]]"
    ) -> None:
        import ray

        if self._failure is not None:
            messages.put(("failed", self._failure))
            return
        try:
            if self._function is None:
                setup, context = ray.get(start[0])
                self._function = setup(context)
            self._function(task, lambda body: messages.put(("message", body)))
        except Exception as error:
            messages.put(("failed", (describe_error(error), traceback.format_exc())))
        else:
            messages.put(("finished", None))


def _own_folder() -> Path:
    """Return a folder for a node's caches, the same for all workers on it."""
    folder = Path(tempfile.gettempdir()) / f"ecomclf-{os.getuid()}" / "ray"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _require_version(there: str) -> None:
    here = version("ecomclf")
    if there != here:
        raise JobError(
            f"a node of the Ray cluster has ecomclf {there}, and this one {here}; install the same "
            "version on all nodes"
        )


def _reason(error: Exception) -> str:
    """Return in a phrase why Ray's worker is gone; its own messages have ten lines."""
    found = re.search(r"because (.+?)\.(\s|$)", str(error))
    return found[1] if found else describe_error(error)
