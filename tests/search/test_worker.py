import optuna
import pytest

from ecomclf.config.loading import Config
from ecomclf.runtime.locks import locked
from ecomclf.search import study as studies
from ecomclf.search import worker
from ecomclf.search.storage import STUDIES


def test_values_are_drawn_under_a_lock(workplace: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker looks for repetitions while another one has a number but not yet its values."""

    class DrawnError(Exception):
        pass

    def draw(*_: object) -> optuna.Trial:
        with pytest.raises(BlockingIOError), locked(STUDIES / "s.draw", wait=False):
            pass
        raise DrawnError

    monkeypatch.setattr(worker, "draw_trial", draw)
    studies.open_study("s", {}, None)
    context = worker.WorkerContext(Config(name="s"), None, None, "s", None)  # type: ignore[arg-type]
    work = worker.prepare_worker(context)
    with pytest.raises(DrawnError):
        work(worker.TrialTask(0, "parent"), lambda body: None)
