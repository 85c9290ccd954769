import gc
import os
import resource
import subprocess
import sys

import pytest

from ecomclf.runtime.tensorflow_setup import (
    count_cores,
    imports_without_gc,
    worker_environment,
)

# Frees and allocates 8 MiB repeatedly, as training steps do; prints the number of page faults.
ALLOCATIONS = """
import resource
def step():
    for _ in range(4):
        bytearray(8 << 20)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for the GNU C library")
def test_a_worker_keeps_the_memory_that_it_frees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only processes started with the variables do; this process's environment is unchanged."""

    def page_faults(environment: dict[str, str]) -> int:
        done = subprocess.run(
            [sys.executable, "-c", ALLOCATIONS],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    added = worker_environment()
    assert "GLIBC_TUNABLES" not in os.environ
    assert page_faults(added) < 100
    every_page = 10 * (8 << 20) / resource.getpagesize()
    assert page_faults({"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4194304"}) > every_page


def test_a_variable_that_is_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own tunables stay."""
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=2")
    assert worker_environment() == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_cores_respect_cpu_affinity() -> None:
    """A process that is bound to one core counts one."""
    program = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from ecomclf.runtime.tensorflow_setup import count_cores
print(count_cores())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    assert 1 <= count_cores() <= (os.cpu_count() or 1)


def test_the_garbage_collector_is_off_during_imports() -> None:
    """Nothing is frozen, and a collector that was disabled before stays disabled."""
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    try:
        with imports_without_gc():
            before = gc.get_stats()[0]["collections"]
            kept = [[number] for number in range(100_000)]
            with imports_without_gc():
                pass
            assert not gc.isenabled()
            assert gc.get_stats()[0]["collections"] == before
        assert gc.isenabled()
        assert gc.get_freeze_count() == frozen < len(kept)
        gc.disable()
        with imports_without_gc():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
