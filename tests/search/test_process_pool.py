"""The engine with tasks that sleep, raise and die; no trials anywhere."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecomclf.search.process_pool import LocalWorkers
from ecomclf.search.workers import Died, Emit, Failed, Finished, Message


def prepare(context: str) -> Callable[[Any, Emit], None]:
    """Set up a worker that does what each task says."""
    if context == "broken":
        raise RuntimeError("no set-up")

    def work(task: tuple[int, str], emit: Emit) -> None:
        _, action = task
        emit((context, os.getpid()))
        if action == "raise":
            raise ValueError("on purpose")
        if action == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "sleep":
            time.sleep(60)

    return work


def nothing() -> None:
    """Warm up for nothing."""


def slowly() -> None:
    """Warm up for longer than anybody waits."""
    time.sleep(60)


def in_vain() -> None:
    """Fail to warm up."""
    raise RuntimeError("no warmth")


def run(
    actions: list[str],
    *,
    count: int = 1,
    tasks_per_worker: int = 9,
    context: str = "c",
    warm_up: Callable[[], None] = nothing,
) -> Any:
    """Work off actions and give all events."""
    tasks = list(enumerate(actions))
    with LocalWorkers(warm_up, count=count, tasks_per_worker=tasks_per_worker) as workers:
        return list(workers.run(prepare, context, lambda: tasks.pop(0) if tasks else None))


def of(events: list[Any], kind: type) -> list[Any]:
    """Return the events of a kind."""
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.slow
def test_every_task_is_worked_off_once() -> None:
    """Two workers share six tasks, and each task says its messages before it is finished."""
    events = run(["work"] * 6, count=2)
    assert sorted(event.task[0] for event in of(events, Finished)) == list(range(6))
    assert sorted(event.task[0] for event in of(events, Message)) == list(range(6))
    assert {event.body[0] for event in of(events, Message)} == {"c"}
    assert len({event.body[1] for event in of(events, Message)}) == 2


@pytest.mark.slow
def test_a_worker_is_replaced_after_its_number_of_tasks() -> None:
    """Five tasks at two a worker take three processes, one after the other."""
    pids = [event.body[1] for event in of(run(["work"] * 5, tasks_per_worker=2), Message)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


@pytest.mark.slow
def test_an_exception_is_reported_and_the_worker_lives_on() -> None:
    """A task that raises is Failed with its traceback; the same process does the next."""
    events = run(["raise", "work"])
    failed = of(events, Failed)[0]
    assert failed.reason == "ValueError: on purpose"
    assert "ValueError: on purpose" in failed.error
    assert [event.task[0] for event in of(events, Finished)] == [1]
    assert len({event.body[1] for event in of(events, Message)}) == 1


@pytest.mark.slow
def test_a_death_is_reported_and_the_others_go_on() -> None:
    """A killed worker's task is Died with its signal; a new worker does the rest."""
    events = run(["die", "work", "work"])
    (death,) = of(events, Died)
    assert (death.task[0], death.reason) == (0, f"of exit code -{signal.SIGKILL:d}")
    assert [event.task[0] for event in of(events, Finished)] == [1, 2]


@pytest.mark.slow
def test_a_set_up_that_raises_fails_the_task() -> None:
    """A worker that cannot be set up says why, instead of dying again and again."""
    (failure,) = of(run(["work"], context="broken"), Failed)
    assert "no set-up" in failure.error


@pytest.mark.slow
def test_a_warm_up_that_raises_fails_the_task() -> None:
    """It is reported when there is a task to report it for."""
    (failure,) = of(run(["work"], warm_up=in_vain), Failed)
    assert "no warmth" in failure.error


@pytest.mark.slow
def test_workers_start_before_there_are_tasks_and_are_left_at_once() -> None:
    """All but one start; leaving the pool without a task does not wait for their warm-up."""
    with LocalWorkers(slowly, count=3, tasks_per_worker=1):
        pids = [process.pid for process in multiprocessing.active_children()]
        assert len(pids) == 2
    # Their warm-up would have taken a minute: they are gone, so nobody waited for it.
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)


@pytest.mark.slow
def test_leaving_kills_running_workers() -> None:
    """What still runs when the block is left is ended at once."""
    with LocalWorkers(nothing, count=1, tasks_per_worker=1) as workers:
        event = next(iter(workers.run(prepare, "c", lambda: (0, "sleep"))))
        pid = event.body[1]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# Says when both of its workers are at their tasks.
PARENT = """
from ecomclf.search.process_pool import LocalWorkers
from tests.search.test_process_pool import nothing, prepare

if __name__ == "__main__":
    tasks = [(0, "sleep"), (1, "sleep")]
    with LocalWorkers(nothing, count=2, tasks_per_worker=1) as workers:
        for _ in workers.run(prepare, "c", lambda: tasks.pop() if tasks else None):
            print("working", flush=True)
"""


@pytest.mark.slow
def test_workers_of_a_killed_parent_leave_nothing(tmp_path: Path) -> None:
    """They end, and remove the folder that it would have removed: it may hold all texts."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, str(tmp_path / "parent.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        for _ in range(2):
            assert parent.stdout.readline() == b"working\n"
        assert list(temporary.glob("ecomclf-workers-*/start"))
        parent.kill()
    limit = time.monotonic() + 10
    while list(temporary.glob("ecomclf-workers-*")):
        assert time.monotonic() < limit
        time.sleep(0.05)


def report_environment(context: str) -> Callable[[Any, Emit], None]:
    """Set up a worker that tells the value of an environment variable."""
    return lambda task, emit: emit(os.environ.get(context))


@pytest.mark.slow
def test_environment_variables_are_the_workers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are set in the workers, and not in the process that starts them."""
    monkeypatch.delenv("OF_WORKERS", raising=False)
    tasks = [1]
    with LocalWorkers(
        nothing, count=1, tasks_per_worker=1, environment={"OF_WORKERS": "yes"}
    ) as workers:
        events = list(
            workers.run(report_environment, "OF_WORKERS", lambda: tasks.pop() if tasks else None)
        )
    assert [event.body for event in events if isinstance(event, Message)] == ["yes"]
    assert "OF_WORKERS" not in os.environ


@pytest.mark.slow
def test_a_worker_does_not_run_the_main_script_again(tmp_path: Path) -> None:
    """A script that starts a pool needs no `if __name__ == "__main__"`."""
    script = tmp_path / "script.py"
    script.write_text(
        "from ecomclf.search.process_pool import LocalWorkers\n"
        "from tests.search.test_process_pool import nothing, prepare\n"
        "tasks = [(1, 'work')]\n"
        "with LocalWorkers(nothing, count=1, tasks_per_worker=1) as workers:\n"
        "    next_task = lambda: tasks.pop() if tasks else None\n"
        "    print(len(list(workers.run(prepare, 'c', next_task))))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2"]  # a message and the end of the task, printed once
