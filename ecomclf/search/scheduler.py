"""A sweep's trials: handed out until the study has its number of them, followed, and settled."""

import contextlib
import threading
from collections.abc import Collection

import optuna
from optuna.trial import TrialState
from rich.console import Console

from ecomclf.errors import JobError
from ecomclf.runtime.tensorflow_setup import start_tensorflow
from ecomclf.search import study as studies
from ecomclf.search.process_pool import Died, Event, Failed, LocalWorkers, Message
from ecomclf.search.progress import SweepDisplay
from ecomclf.search.worker import Ended, Epoch, Started, TrialTask, WorkerContext, prepare_worker
from ecomclf.tracking.leaderboard import trial_state
from ecomclf.tracking.runs import Run, Tracking

Workers = LocalWorkers[WorkerContext, TrialTask]

# When so many workers in a row die before they have a trial, the next will not do better.
_MOST_FALSE_STARTS = 3


class TrialScheduler:
    """Hands out trials until the study has its number of them, and follows them."""

    def __init__(
        self,
        context: WorkerContext,
        study: optuna.Study,
        parent: Run,
        console: Console,
        *,
        total: int,
        workers: int,
    ) -> None:
        self._context = context
        self._study = study
        self._parent = parent
        self._total = total
        # The trial that each running task has announced; None before it has.
        self._announced: dict[TrialTask, int | None] = {}
        self._false_starts = 0
        self._unsettled = False
        # Set when there are none to run, too.
        self.one_has_ended = threading.Event()
        self._display = SweepDisplay(
            console,
            total=total,
            done=studies.counted(study),
            workers=workers,
            monitor=context.config.train.monitor,
        )
        if studies.complete(study):
            self._display.best_so_far(study.best_value, study.best_trial.number)

    def run(self, workers: Workers) -> None:
        """Run what is missing.

        Raises:
            JobError: workers cannot work, whatever the trial.

        """
        # Whatever comes after may rely on nobody running a trial any more.
        with self._display, contextlib.closing(workers):
            for event in workers.run(prepare_worker, self._context, self._next_task):
                self._follow(event)
        self.one_has_ended.set()

    def _next_task(self) -> TrialTask | None:
        # After a death nothing new starts before the lost trial is enqueued again.
        if self._unsettled:
            return None
        done = studies.counted_trials(self._study)
        # A trial may have ended whose worker has not said so yet.
        working = [trial for trial in self._announced.values() if trial not in done]
        if len(done) + len(working) >= self._total:
            # Who asks is idle: a core is free for bringing up what the winner is judged with.
            start_tensorflow()
            return None
        ordinals = [task.ordinal for task in self._announced]
        task = TrialTask(studies.free_ordinal(self._study, ordinals), self._parent.run_id)
        self._announced[task] = None
        return task

    def _follow(self, event: Event[TrialTask]) -> None:
        if isinstance(event, Message):
            self._show(event)
        elif isinstance(event, Failed):
            failure = JobError(
                f"a worker failed outside of its trial: {event.reason}; its "
                f"traceback is in error.txt of the run {self._parent.run_id}"
            )
            failure.add_note(event.error)
            raise failure
        elif isinstance(event, Died):
            self._worker_died(event)
        else:
            del self._announced[event.task]
        # A trial without its worker can be told from the others once these have said theirs.
        if self._unsettled and None not in self._announced.values():
            alive = [trial for trial in self._announced.values() if trial is not None]
            reconcile(self._study, self._context.tracking, alive=alive, after_death=True)
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
            self._display.ended(body.trial, body.state, body.score, body.error)
            self.one_has_ended.set()

    def _worker_died(self, death: Died[TrialTask]) -> None:
        self._unsettled = True
        trial = self._announced.pop(death.task)
        if trial is not None:
            self._display.lost(trial, counts=trial in studies.counted_trials(self._study))
            return
        self._false_starts += 1
        if self._false_starts == _MOST_FALSE_STARTS:
            raise JobError(
                f"{self._false_starts} workers in a row died before they began, the last with exit "
                f"code {death.exit_code}; if memory is short, try fewer --workers"
            )


def reconcile(
    study: optuna.Study, tracking: Tracking, *, alive: Collection[int], after_death: bool = False
) -> None:
    """Bring study and runs to agree on trials that nobody is running any more.

    A run that had ended tells what has become of its trial. Any other is KILLED, and its trial does
    not count; its parameters are enqueued again. Killed in the midst of it, the next call does the
    rest.

    Args:
        study: changed in place.
        tracking: where the runs are.
        alive: numbers of the trials that are being run.
        after_death: a worker died by itself, so that the trial may be to blame.

    """
    left = [trial for trial in studies.running(study) if trial.number not in alive]
    runs = tracking.trial_runs(study.user_attrs[studies.ID]) if left else {}
    for trial in left:
        run = runs.get(trial.number)
        state = trial_state(run) if run else "killed"
        if run and run.info.status == "RUNNING":
            failed = studies.OWN_ERROR in trial.user_attrs
            tracking.reopen(run.info.run_id).finish("FAILED" if failed else "KILLED")
        if run and state == "finished":
            monitor = study.user_attrs[studies.IDENTITY]["train.monitor"]
            study.tell(trial.number, run.data.metrics[monitor])
        elif state == "pruned":
            study.tell(trial.number, state=TrialState.PRUNED)
        else:
            study.tell(trial.number, state=TrialState.FAIL)
    studies.enqueue_retries(study, after_death=after_death)
