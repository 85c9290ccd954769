"""Workers on a Ray of one node; the tasks are those of the processes' tests."""

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ecomclf.errors import JobError
from ecomclf.runtime.ray_cluster import RayCluster, connected
from ecomclf.search.ray_pool import RayWorkers
from ecomclf.search.workers import Died, Failed, Finished, Message
from tests.search.test_process_pool import in_vain, nothing, of, prepare, report_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of this machine alone."""
    with connected("local") as cluster:
        yield cluster


def pool(
    *,
    count: int = 1,
    tasks_per_worker: int = 9,
    cpus: float = 1,
    warm_up: Callable[[], object] = nothing,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
) -> RayWorkers[Any, Any]:
    """Make a pool."""
    return RayWorkers(
        warm_up,
        count=count,
        tasks_per_worker=tasks_per_worker,
        cpus=cpus,
        gpus=0,
        folder=folder,
        environment=environment or {},
        variables=variables or {},
    )


def run(actions: list[str], *, context: str = "c", **options: Any) -> list[Any]:
    """Work off actions and give all events."""
    tasks = list(enumerate(actions))
    with pool(**options) as workers:
        return list(workers.run(prepare, context, lambda: tasks.pop(0) if tasks else None))


def test_every_task_is_worked_off_once_in_the_end(cluster: RayCluster) -> None:
    """Of those that work, raise and die, each ends as it should, and the others go on."""
    events = run(["work", "raise", "die", "work", "work", "work"], count=2, tasks_per_worker=2)
    assert sorted(event.task[0] for event in of(events, Finished)) == [0, 3, 4, 5]
    (failed,) = of(events, Failed)
    assert (failed.task[0], failed.reason) == (1, "ValueError: on purpose")
    assert "ValueError: on purpose" in failed.error
    (death,) = of(events, Died)
    assert (death.task[0], death.reason) == (2, "its worker process has died")
    said = [event.task[0] for event in of(events, Message)]
    assert sorted({*said, 2}) == [0, 1, 2, 3, 4, 5]
    assert len(said) == len({*said})
    pids = [event.body[1] for event in of(events, Message)]
    assert max(pids.count(pid) for pid in pids) == 2


def test_set_up_or_warm_up_that_raises_fails_the_task(cluster: RayCluster) -> None:
    """The worker says why, instead of dying again and again."""
    (failure,) = of(run(["work"], context="broken"), Failed)
    assert "no set-up" in failure.error
    (failure,) = of(run(["work"], warm_up=in_vain), Failed)
    assert "no warmth" in failure.error


def dies() -> None:
    """Die while warming up."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_while_they_start_end_the_sweep(cluster: RayCluster) -> None:
    """After three of them the error says what every node needs."""
    with pytest.raises(JobError, match=r"3 workers in a row died while .* every node needs"):
        run(["work"], warm_up=dies)


def test_the_deadline_ends_it_with_tasks_running(cluster: RayCluster) -> None:
    """The tasks are killed with their workers, also while none has started."""
    begun = time.monotonic()
    events: list[Any] = []
    with pool() as workers:
        sleeping = workers.run(
            prepare, "c", lambda: (0, "sleep"), deadline=lambda: begun if events else None
        )
        events += [next(sleeping)]
        assert not list(sleeping)
    limit = time.monotonic() + 10
    while psutil.pid_exists(events[0].body[1]):
        assert time.monotonic() < limit
        time.sleep(0.1)
    soon = time.monotonic() + 0.2
    with pool(cpus=cluster.nodes[0].cpus + 1) as workers:
        assert not list(workers.run(prepare, "c", lambda: (0, "work"), deadline=lambda: soon))


def test_a_cluster_without_room_is_said_and_then_given_up(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nodes may come later, so it waits; the lines say for what."""
    monkeypatch.setattr("ecomclf.search.ray_pool._WARN_AFTER", 0.5)
    monkeypatch.setattr("ecomclf.search.ray_pool._GIVE_UP_AFTER", 2.5)
    with pytest.raises(JobError, match=r"no worker has started within .*: each needs 99 CPUs"):
        run(["work"], cpus=99)
    assert caplog.messages == [
        "no worker has started yet; each waits for 99 CPUs and 0 GPUs of a node"
    ]


def test_variables_and_folder_are_the_workers_alone(cluster: RayCluster, tmp_path: Path) -> None:
    """Those of the start, and those that no log file of Ray may hold."""
    for options in ({"environment": {"A_NAME": "yes"}}, {"variables": {"A_NAME": "yes"}}):
        tasks = iter([1])
        with pool(folder=tmp_path, **options) as workers:
            events = list(
                workers.run(report_environment, "A_NAME", functools.partial(next, tasks, None))
            )
        assert [event.body for event in of(events, Message)] == ["yes"]
    assert "A_NAME" not in os.environ
