import pytest

from ecomclf.runtime import timing
from ecomclf.runtime.timing import Stopwatch


def test_laps_of_a_part_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time between two laps counts for the part of the later one."""
    times = iter([10.0, 12.0, 13.0, 15.5])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(times))
    watch = Stopwatch()
    for part in ("fitting", "logging", "fitting"):
        watch.lap(part)
    assert watch.metrics() == {"seconds/fitting": 4.5, "seconds/logging": 1.0}
