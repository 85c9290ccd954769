"""Hands trials out to workers until the study has its number, and reconciles lost ones."""

import contextlib
import threading
import time
from collections.abc import Collection

import optuna
from optuna.trial import TrialState
from rich.console import Console

from ecomclf.errors import JobError
from ecomclf.runtime.tensorflow_setup import start_tensorflow
from ecomclf.search import study as studies
from ecomclf.search.budget import Budget
from ecomclf.search.progress import SweepDisplay
from ecomclf.search.storage import StudyLock
from ecomclf.search.worker import Ended, Epoch, Started, TrialTask, WorkerContext, prepare_worker
from ecomclf.search.workers import Died, Event, Failed, Message, WorkerPool
from ecomclf.tracking.leaderboard import trial_state
from ecomclf.tracking.runs import STOPPED, Run, Tracking

Workers = WorkerPool[WorkerContext, TrialTask]

# After so many workers in a row have died before they got a trial, no more are started.
_MAX_FALSE_STARTS = 3


class TrialScheduler:
    """Hands trials out until the study has its number of them, and follows their progress."""

    def __init__(
        self,
        context: WorkerContext,
        study: optuna.Study,
        lock: StudyLock,
        parent: Run,
        console: Console,
        *,
        total: int,
        workers: int,
        budget: Budget | None = None,
    ) -> None:
        """Prepare to run trials.

        Args:
            context: what the workers need to know.
            study: its trials are counted.
            lock: the study's; nothing is handed out or counted once another process has it.
            parent: the run that new trials belong to.
            console: where progress is printed.
            total: number of trials that the study is to have.
            workers: number of worker processes.
            budget: limits the time; by default it is not limited.

        """
        self._budget = budget
        self._context = context
        self._study = study
        self._lock = lock
        self._parent = parent
        self._total = total
        # The trial number that each running task has announced; None before that.
        self._announced: dict[TrialTask, int | None] = {}
        self._false_starts = 0
        self._unsettled = False
        # Also set when there are no trials to run.
        self.one_has_ended = threading.Event()
        self._display = SweepDisplay(
            console,
            total=total,
            done=studies.counted(study),
            workers=workers,
            monitor=context.config.train.monitor,
            measured_end=study.user_attrs.get(studies.SECONDS_AT_END),
            budget=budget,
        )
        self._has_complete = bool(studies.complete(study))
        if self._has_complete:
            self._display.best_so_far(study.best_value, study.best_trial.number)

    def run(self, workers: Workers) -> None:
        """Run the missing trials.

        Raises:
            JobError: the workers fail, whatever the trial.

        """
        # Once this returns, no worker is running a trial any more.
        with self._display, contextlib.closing(workers):
            for event in workers.run(
                prepare_worker, self._context, self._next_task, deadline=self._deadline
            ):
                self._follow(event)
        self.one_has_ended.set()

    def _next_task(self) -> TrialTask | None:
        # After a worker has died, nothing new starts before the lost trial is enqueued again.
        if self._unsettled:
            return None
        study = studies.Snapshot(self._study)
        if self._all_begun(study) or not self._has_time(study):
            # A worker is idle, so a core is free to start what the winner is evaluated with.
            start_tensorflow()
            return None
        self._lock.require()
        ordinals = [task.ordinal for task in self._announced]
        # Not a time of day or of this machine's clock: the worker may be elsewhere.
        seconds = self._budget.deadline - time.monotonic() if self._budget else None
        ordinal = studies.free_ordinal(study, ordinals)
        task = TrialTask(ordinal, self._parent.run_id, seconds)
        self._announced[task] = None
        return task

    def _all_begun(self, study: studies.Trials) -> bool:
        """Return whether no further trial is to begin, unless a running one is lost."""
        if studies.has_ended(study, self._context.config.sweep, self._total):
            return True
        done = studies.counted_trials(study)
        # A trial may have ended without its worker having said so yet.
        working = [trial for trial in self._announced.values() if trial not in done]
        return len(done) + len(working) >= self._total

    def _deadline(self) -> float | None:
        """Return when running trials are stopped; None while the study has no complete trial.

        Without one there is no winner: a worker itself ends its trial early then, and keeps it.
        """
        if self._budget is None or not self._has_complete:
            return None
        return self._budget.deadline

    def _has_time(self, study: studies.Trials) -> bool:
        """Return whether a trial that begins now is expected to end in time."""
        if self._budget is None:
            return True
        return self._budget.allows(time.monotonic(), studies.durations(study))

    def _follow(self, event: Event[TrialTask]) -> None:
        if isinstance(event, Message):
            self._show(event)
        elif isinstance(event, Failed):
            failure = JobError(
                f"a worker failed outside of its trial: {event.reason}; the traceback is in "
                f"error.txt of the run {self._parent.run_id}"
            )
            failure.add_note(event.error)
            raise failure
        elif isinstance(event, Died):
            self._worker_died(event)
        else:
            del self._announced[event.task]
        # Once all running tasks have announced their trials, the lost one is known.
        if self._unsettled and None not in self._announced.values():
            alive = [trial for trial in self._announced.values() if trial is not None]
            reconcile(self._study, self._context.tracking, alive=alive, after_death=True)
            self._has_complete = bool(studies.complete(self._study))
            self._unsettled = False

    def _show(self, message: Message[TrialTask]) -> None:
        body = message.body
        if isinstance(body, Started):
            self._announced[message.task] = body.trial
            self._false_starts = 0
            epochs = body.values.get("train.epochs", self._context.config.train.epochs)
            self._display.started(body.trial, body.values, epochs)
        elif isinstance(body, Epoch):
            self._display.epoch(body.trial, body.epoch, body.score)
        elif isinstance(body, Ended):
            self._lock.require()
            self._display.ended(
                body.trial, body.state, body.score, body.error, body.never_predicted
            )
            self._has_complete = self._has_complete or body.state == "finished"
            self.one_has_ended.set()

    def _worker_died(self, death: Died[TrialTask]) -> None:
        self._unsettled = True
        trial = self._announced.pop(death.task)
        if trial is not None:
            self._display.lost(trial, counts=trial in studies.counted_trials(self._study))
            return
        self._false_starts += 1
        if self._false_starts == _MAX_FALSE_STARTS:
            raise JobError(
                f"{self._false_starts} workers in a row died before they got a trial, the last "
                f"because {death.reason}; if memory is short, use fewer --workers"
            )


def reconcile(
    study: optuna.Study,
    tracking: Tracking,
    *,
    alive: Collection[int],
    after_death: bool = False,
    reason: str | None = None,
) -> None:
    """Make study and runs agree on trials that no process is running any more.

    A run that had ended says how its trial ended. Any other run becomes KILLED; its trial does not
    count, and its parameters are enqueued again. When interrupted, the next call does the rest.

    Args:
        study: changed in place.
        tracking: the store of the runs.
        alive: numbers of the trials that are running.
        after_death: a worker crashed, so the trial's parameters may be the cause.
        reason: why trials were stopped, for a tag of their runs; by default none is set.

    """
    left = [trial for trial in studies.running(study) if trial.number not in alive]
    runs = tracking.trial_runs(study.user_attrs[studies.ID]) if left else {}
    for trial in left:
        run = runs.get(trial.number)
        state = trial_state(run) if run else "killed"
        if run and run.info.status == "RUNNING":
            failed = studies.OWN_ERROR in trial.user_attrs
            reopened = tracking.reopen(run.info.run_id)
            if reason is not None and not failed:
                reopened.tag(**{STOPPED: reason})
            reopened.finish("FAILED" if failed else "KILLED")
        if run and state == "finished":
            monitor = study.user_attrs[studies.IDENTITY]["train.monitor"]
            study.tell(trial.number, run.data.metrics[monitor])
        elif state == "pruned":
            study.tell(trial.number, state=TrialState.PRUNED)
        else:
            study.tell(trial.number, state=TrialState.FAIL)
    studies.enqueue_retries(study, after_death=after_death)
