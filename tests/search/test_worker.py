from pathlib import Path
from typing import Any, cast

import optuna
import pytest

from ecomclf.config.loading import Config, load_config
from ecomclf.data.splitting import Split
from ecomclf.runtime.locks import locked
from ecomclf.search import study as studies
from ecomclf.search import worker
from ecomclf.search.scheduler import reconcile
from ecomclf.search.storage import STUDIES
from ecomclf.tracking.connection import connect
from ecomclf.tracking.runs import Run


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


class CutOff(worker.TrialRun):
    """A trial whose worker nobody can reach while it trains, so that somebody settles it."""

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        reconcile(self._study, self._context.tracking, alive=())
        return 0.5


class Reporting(CutOff):
    """Says so after its next epoch."""

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        score = super()._train(trial, values, run)
        trial.report(score, 1)
        return score


class Failing(CutOff):
    """Fails afterwards, as a worker does whose node is going down."""

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        super()._train(trial, values, run)
        raise RuntimeError("cut off")


@pytest.mark.parametrize("kind", [CutOff, Reporting, Failing])
def test_a_trial_that_was_settled_meanwhile_does_not_count_twice(
    kind: type[CutOff], store: Path, tiny: Path
) -> None:
    """Its worker comes back and finds it tried again: its run stays KILLED, nothing is told."""
    config = load_config(tiny)
    studies.open_study("s", studies.study_identity(config, "data"), None)
    study = studies.load_worker_study("s", None, config.sweep, 2)
    context = worker.WorkerContext(config, cast(Split, None), connect("e"), "s", None)
    said: list[object] = []
    kind(context, study, {}, said.append).run(worker.TrialTask(0, "parent"))
    lost, again = study.trials
    assert (lost.state.name, again.state.name) == ("FAIL", "WAITING")
    assert studies.OWN_ERROR not in lost.user_attrs
    (run,) = connect().search("trial")
    assert run.info.status == "KILLED"
    assert [type(message).__name__ for message in said] == ["Started"]
