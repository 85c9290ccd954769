import io
import time
from pathlib import Path
from typing import cast

import optuna
import pytest
from rich.console import Console

from ecomclf.config.loading import Config, load_config
from ecomclf.config.optuna_space import distributions
from ecomclf.data.splitting import Split
from ecomclf.errors import JobError
from ecomclf.search import study as studies
from ecomclf.search.budget import Budget
from ecomclf.search.scheduler import TrialScheduler, reconcile
from ecomclf.search.storage import StudyLock
from ecomclf.search.worker import Ended, Started, TrialTask, WorkerContext
from ecomclf.search.workers import Died, Failed, Finished, Message
from ecomclf.tracking.connection import connect
from ecomclf.tracking.runs import TRIAL


@pytest.fixture
def config(store: Path, tiny: Path) -> Config:
    """The tiny config, in a folder with an empty store."""
    return load_config(tiny)


@pytest.fixture
def study(config: Config) -> optuna.Study:
    """A study of it."""
    return studies.open_study("s", studies.study_identity(config, "data"), None)


def schedule(
    config: Config, study: optuna.Study, total: int, output: io.StringIO
) -> TrialScheduler:
    """Make a scheduler for two workers; what it prints goes to `output`."""
    tracking = connect("ecomclf")
    parent = tracking.start_run("sweep", "s", tags=studies.run_tags(study))
    # The scheduler hands the split on, and does not look at it.
    context = WorkerContext(config, cast(Split, None), tracking, study.study_name, None)
    return TrialScheduler(
        context, study, StudyLock(), parent, Console(file=output), total=total, workers=2
    )


def test_a_trial_told_before_anothers_death_is_counted_once(
    config: Config, study: optuna.Study
) -> None:
    """However events are ordered, as many trials are handed out as are missing."""
    tracking = connect("ecomclf")
    parent = tracking.start_run("sweep", "s", tags=studies.run_tags(study))
    # The scheduler hands the split on, and does not look at it.
    context = WorkerContext(config, cast(Split, None), tracking, study.study_name, None)
    trials = TrialScheduler(
        context, study, StudyLock(), parent, Console(file=io.StringIO()), total=3, workers=2
    )

    def start() -> tuple[TrialTask, optuna.Trial]:
        task = trials._next_task()
        assert task is not None
        trial = study.ask(distributions(config.sweep.space))
        trials._follow(Message(task, Started(trial.number, {})))
        return task, trial

    (first, one), (second, _) = start(), start()
    study.tell(one, 0.5)
    trials._follow(Died(second, "of exit code -9"))
    trials._follow(Finished(first))
    (third, three), (fourth, four) = start(), start()
    assert trials._next_task() is None
    assert three.params == study.trials[1].params
    study.tell(three, 0.5)
    study.tell(four, 0.5)
    trials._follow(Finished(third))
    trials._follow(Finished(fourth))
    assert trials._next_task() is None
    assert studies.counted(study) == 3


def test_progress_is_printed_as_it_happens(config: Config, study: optuna.Study) -> None:
    """A trial that ended has one line with its score, how many are done, and the best so far."""
    output = io.StringIO()
    trials = schedule(config, study, 2, output)
    for score in (0.5, 0.25):
        task = trials._next_task()
        assert task is not None
        trial = study.ask(distributions(config.sweep.space))
        trials._follow(Message(task, Started(trial.number, {"model.units": 4})))
        study.tell(trial, score)
        trials._follow(Message(task, Ended(trial.number, "finished", score)))
        trials._follow(Finished(task))
    assert trials.one_has_ended.is_set()
    first, second = output.getvalue().splitlines()
    assert first.startswith("trial 0 finished val_f1_macro 0.5000, 0 epochs,")
    assert first.endswith("model.units=4; 1 of 2 done best 0.5000 (trial 0)")
    assert second.endswith("2 of 2 done best 0.5000 (trial 0)")


def test_workers_that_never_begin_end_the_sweep(config: Config, study: optuna.Study) -> None:
    """After three deaths in a row before a trial began, the error names exit code and remedy."""
    trials = schedule(config, study, 5, io.StringIO())
    for _ in range(2):
        task = trials._next_task()
        assert task is not None
        trials._follow(Died(task, "of exit code -9"))
    task = trials._next_task()
    assert task is not None
    with pytest.raises(JobError, match=r"3 workers in a row .* exit code -9; .* fewer --workers"):
        trials._follow(Died(task, "of exit code -9"))


def test_a_failure_outside_of_a_trial_ends_the_sweep(config: Config, study: optuna.Study) -> None:
    """The reason is in the message, the worker's traceback is attached to it."""
    trials = schedule(config, study, 1, io.StringIO())
    task = trials._next_task()
    assert task is not None
    with pytest.raises(JobError, match="KeyError: 'x'") as caught:
        trials._follow(Failed(task, "KeyError: 'x'", "Traceback of the worker"))
    assert caught.value.__notes__ == ["Traceback of the worker"]


def test_half_written_ends_of_trials_are_completed(study: optuna.Study) -> None:
    """A trial killed after it was tagged pruned is pruned; after its error was kept, failed."""
    tracking = connect("ecomclf")
    for tags, attributes in (({"pruned": "by a test"}, {}), ({}, {studies.OWN_ERROR: "x"})):
        trial = study.ask()
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        own = studies.run_tags(study) | {TRIAL: trial.number}
        tracking.start_run("trial", "t", parent="p", tags=tags | own)
    reconcile(study, tracking, alive=())
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "FAIL"]
    assert studies.counted(study) == 2
    assert {
        number: run.info.status
        for number, run in tracking.trial_runs(study.user_attrs[studies.ID]).items()
    } == {0: "KILLED", 1: "FAILED"}


def test_running_trials_are_stopped_in_time_once_there_is_a_complete_one(
    config: Config, study: optuna.Study
) -> None:
    """Without a complete trial there would be no winner, so the scheduler stops none."""
    tracking = connect("ecomclf")
    parent = tracking.start_run("sweep", "s", tags=studies.run_tags(study))
    context = WorkerContext(config, cast(Split, None), tracking, study.study_name, None)
    console, budget = Console(file=io.StringIO()), Budget(100.0, begun=time.monotonic())
    trials = TrialScheduler(
        context, study, StudyLock(), parent, console, total=3, workers=2, budget=budget
    )
    assert trials._deadline() is None
    task = trials._next_task()
    assert task is not None
    trial = study.ask(distributions(config.sweep.space))
    trials._follow(Message(task, Started(trial.number, {})))
    study.tell(trial, 0.5)
    trials._follow(Message(task, Ended(trial.number, "finished", 0.5)))
    assert trials._deadline() == budget.deadline
