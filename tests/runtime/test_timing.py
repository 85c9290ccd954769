import pytest

from ecomclf.runtime import timing as stopwatch
from ecomclf.runtime.timing import Stopwatch


def test_each_part_has_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that comes again adds up; what is between two laps belongs to the later one."""
    times = iter([10.0, 12.0, 13.0, 15.5])
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(times))
    watch = Stopwatch()
    for part in ("fitting", "logging", "fitting"):
        watch.lap(part)
    assert watch.metrics() == {"seconds_fitting": 4.5, "seconds_logging": 1.0}
