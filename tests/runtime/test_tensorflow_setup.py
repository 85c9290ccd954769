"""What processes are given before they start."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ecomclf.runtime import tensorflow_setup as startup
from ecomclf.runtime.tensorflow_setup import count_cores, imports_without_gc, keep_memory

# Frees 8 MiB and asks for them again, as a step of training does; prints the pages it was given.
AGAIN_AND_AGAIN = """
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
def test_what_is_freed_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes begun after the call keep their memory; a user's own setting stays."""

    def pages() -> int:
        done = subprocess.run(
            [sys.executable, "-c", AGAIN_AND_AGAIN], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4194304")
    keep_memory()
    assert pages() > 10 * (8 << 20) / resource.getpagesize()
    monkeypatch.delenv("GLIBC_TUNABLES")
    keep_memory()
    assert "GLIBC_TUNABLES" in os.environ
    assert pages() < 100


@pytest.mark.parametrize(("quota", "share"), [("max", None), ("100000", 1), ("50000", 1)])
def test_a_container_has_the_cores_of_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, share: int | None
) -> None:
    """It sees all of the machine's, and may use no more than its share; one at least."""
    everything = count_cores()
    monkeypatch.setattr(startup, "_QUOTA", tmp_path / "cpu.max")
    assert count_cores() == everything
    (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
    assert count_cores() == (share or everything)


def test_no_garbage_is_looked_for_while_importing() -> None:
    """What is there afterwards is left out for good; who looks for none himself still does not."""
    assert gc.isenabled()
    before = gc.get_stats()[0]["collections"]
    try:
        with imports_without_gc():
            kept = [[number] for number in range(100_000)]
            with imports_without_gc():
                pass
            assert not gc.isenabled()
        assert gc.get_stats()[0]["collections"] == before
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(kept)
        gc.disable()
        with imports_without_gc():
            pass
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()
