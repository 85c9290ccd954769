from pathlib import Path

import pytest

from ecomclf.errors import RequestError
from ecomclf.reporting.search_charts import rebuild_study
from ecomclf.reporting.sweep_record import read_sweep
from ecomclf.tracking.connection import connect
from tests.reporting.recorded import record_sweep


def test_trials_are_read_as_they_were_recorded(store: Path) -> None:
    """State, score, curve without the repeated kept epoch, and the seconds of each part."""
    tracking, parent = record_sweep()
    record = read_sweep(tracking)
    assert record.run_id == parent.run_id
    assert [trial.state for trial in record.trials] == [
        "finished", "finished", "pruned", "finished", "failed", "finished",
    ]  # fmt: skip
    first = record.trials[0]
    assert [epoch for epoch, _ in first.curve] == [1, 2, 3]
    assert first.kept_epoch == 2
    assert first.parts == {"fitting": 2.0, "encoding": 0.5}
    assert record.best is not None
    assert record.best.number == 5


def test_the_study_is_rebuilt_from_runs(store: Path) -> None:
    """Finished and pruned trials with their values, under their numbers; others as failed."""
    tracking, _ = record_sweep()
    study = rebuild_study(read_sweep(tracking))
    assert [trial.state.name for trial in study.trials] == [
        "COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "FAIL", "COMPLETE",
    ]  # fmt: skip
    assert study.trials[1].params == {
        "model.units": 9, "model.dropout": 0.03, "text.steps": "[]",
    }  # fmt: skip
    assert study.best_value == pytest.approx(0.755)


def test_a_study_is_found_by_its_name(store: Path) -> None:
    """By default the newest; an unknown name is refused with those that exist."""
    record_sweep(study="old", states=())
    tracking, _ = record_sweep(study="new", states=())
    assert read_sweep(tracking).study == "new"
    assert read_sweep(tracking, "old").study == "old"
    with pytest.raises(RequestError, match=r"no study 'other'.*new, old"):
        read_sweep(tracking, "other")


def test_a_store_without_sweeps_is_refused(store: Path) -> None:
    """The remedy is to run one."""
    with pytest.raises(RequestError, match="run `ecomclf sweep` first"):
        read_sweep(connect())
