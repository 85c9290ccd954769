"""The worker process of a sweep: asks the study for a trial, trains it, tells the result.

A trial's MLflow run ends before Optuna is told, so when the process is killed in between, the run
says how the trial ended.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from mlflow.entities import DatasetInput
from optuna.trial import TrialState

from ecomclf.config.loading import Config
from ecomclf.config.optuna_space import chosen_values
from ecomclf.data.splitting import Split
from ecomclf.errors import JobError
from ecomclf.runtime.timing import Stopwatch
from ecomclf.search import study as studies
from ecomclf.search.drawing import draw_trial
from ecomclf.search.storage import lock_draws
from ecomclf.search.workers import Emit, describe_error
from ecomclf.tracking.connection import name_outage
from ecomclf.tracking.descriptions import describe_trial
from ecomclf.tracking.runs import NAME, NOTE, PRUNED, STOPPED, TRIAL, Run, Tracking

if TYPE_CHECKING:
    from ecomclf.models.fitting import EpochMetrics
    from ecomclf.text.encoded_texts import EncodedTexts


@dataclass(frozen=True)
class WorkerContext:
    """What a worker needs to know besides its tasks; sent to it once.

    `texts` are encoded texts by their text config, as JSON; a worker encodes those that are missing
    itself, or finds them in the cache on its disk. `datasets` is what each trial's run reads.
    """

    config: Config
    split: Split
    tracking: Tracking
    study_name: str
    storage: str | None
    texts: "Mapping[str, EncodedTexts]" = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()


@dataclass(frozen=True)
class TrialTask:
    """One trial to run; `ordinal` seeds its sampler, `parent` is the id of the parent run.

    `seconds` is the time in which it is to have ended, if there is a limit.
    """

    ordinal: int
    parent: str
    seconds: float | None = None


@dataclass(frozen=True)
class Started:
    """Message: a trial has got its values and its run."""

    trial: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Epoch:
    """Message: a trial has completed an epoch; `score` is the monitored metric."""

    trial: int
    epoch: int
    score: float


@dataclass(frozen=True)
class Ended:
    """Message: a trial is `finished`, `pruned` or `failed`; `error` says why it failed.

    `never_predicted` are classes that a finished trial predicts for no validation row.
    """

    trial: int
    state: str
    score: float | None = None
    error: str | None = None
    never_predicted: tuple[str, ...] = ()


def prepare_worker(context: WorkerContext) -> Callable[[TrialTask, Emit], None]:
    """Return the function that runs a task; study and encoded texts are loaded once."""
    config = context.config
    epochs = max(config.possible_values("train.epochs"))
    study = studies.load_worker_study(context.study_name, context.storage, config.sweep, epochs)
    encoded: dict[str, EncodedTexts] = dict(context.texts)

    def work(task: TrialTask, emit: Emit) -> None:
        TrialRun(context, study, encoded, emit).run(task)

    return work


class LostTrialError(Exception):
    """The trial is no longer this worker's: somebody has declared the worker dead meanwhile."""


@contextlib.contextmanager
def _lost_if_settled() -> Iterator[None]:
    """Turn Optuna's refusal to write to a trial that has ended into a `LostTrialError`."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise LostTrialError from error


class TrialRun:
    """One trial, from `ask` to `tell`."""

    def __init__(
        self,
        context: WorkerContext,
        study: optuna.Study,
        encoded: "dict[str, EncodedTexts]",
        emit: Emit,
    ) -> None:
        self._context = context
        self._config = context.config
        self._study = study
        self._encoded = encoded
        self._emit = emit
        self._score: float | None = None
        self._never_predicted: tuple[str, ...] = ()
        self._epoch_begun = 0.0
        self._deadline: float | None = None

    def run(self, task: TrialTask) -> None:
        """Run a trial; exceptions of the trial itself are recorded, others are raised."""
        space = self._config.sweep.space
        if task.seconds is not None:
            self._deadline = time.monotonic() + task.seconds
        # Optuna creates a trial before it draws its values. Another worker must not look for
        # repetitions in between.
        with lock_draws(self._context.study_name, self._context.storage):
            trial = draw_trial(self._study, self._config.sweep, task.ordinal)
        if studies.ORDINAL not in trial.user_attrs:
            trial.set_user_attr(studies.ORDINAL, task.ordinal)
        values = chosen_values(space, trial.params)
        run = self._context.tracking.start_run(
            "trial",
            f"trial {trial.number}",
            parent=task.parent,
            tags=studies.run_tags(self._study) | {TRIAL: trial.number},
        )
        run.log_datasets(self._context.datasets)
        self._emit(Started(trial.number, values))
        try:
            with (
                run.recorded(killed_by=(optuna.TrialPruned, LostTrialError), leave_open=is_outage),
                _lost_if_settled(),
            ):
                score = self._attempt(trial, values, run)
                self._require_ours(trial)
        except LostTrialError:
            return
        except optuna.TrialPruned:
            self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            self._emit(Ended(trial.number, "pruned", self._score))
        except Exception as error:
            if is_outage(error):
                # Not the trial's own error: it is tried again.
                raise
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            reason = trial.user_attrs[studies.OWN_ERROR]
            self._emit(Ended(trial.number, "failed", error=reason))
        else:
            self._study.tell(trial, score, skip_if_finished=True)
            self._emit(Ended(trial.number, "finished", score, None, self._never_predicted))

    def _require_ours(self, trial: optuna.Trial) -> None:
        """Check that nobody has settled the trial while this worker could not be reached.

        Its values are tried again then, so that its run must not count.
        """
        here = self._study.get_trials(deepcopy=False)[trial.number]
        if here.state != TrialState.RUNNING:
            raise LostTrialError

    def _attempt(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        """Train the trial; note why it ended early while its run is still open."""
        try:
            return self._train(trial, values, run)
        except optuna.TrialPruned as pruned:
            run.tag(
                **{
                    PRUNED: pruned,
                    NAME: f"trial {trial.number} (pruned)",
                    NOTE: describe_trial(values, f"**Pruned** {pruned}."),
                }
            )
            raise
        except Exception as error:
            if not is_outage(error):
                reason = describe_error(error)
                trial.set_user_attr(studies.OWN_ERROR, reason)
                note = describe_trial(values, f"**Failed:** {reason}")
                # The trial's own error matters more than its description.
                with contextlib.suppress(Exception):
                    run.tag(**{NAME: f"trial {trial.number} (failed)", NOTE: note})
            raise

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        from ecomclf.search.training_run import train_in_run
        from ecomclf.text.encoded_texts import encode_texts

        def report(epoch: int, metrics: "EpochMetrics") -> None:
            self._report(trial, epoch, metrics[config.train.monitor])
            if epoch < config.train.epochs:
                self._stop_in_time(run)

        if trial.user_attrs.get(studies.ATTEMPT, 1) > studies.MAX_ATTEMPTS:
            raise JobError(
                f"the worker died {studies.MAX_ATTEMPTS} times with these parameters; if memory is "
                "short, use fewer --workers or a smaller search space"
            )
        config = self._config.with_values(values)
        watch = Stopwatch()
        key = config.text.model_dump_json()
        if key not in self._encoded:
            self._encoded[key] = encode_texts(self._context.split, config.text)
            watch.lap("encoding")
        self._epoch_begun = time.monotonic()
        fitted = train_in_run(
            run, config, self._context.split, self._encoded[key], report, watch=watch
        )
        self._never_predicted = fitted.report.never_predicted
        outcome = f"**Finished:** {fitted.report.summary('on the validation rows')}"
        kept = f"the best epoch was {fitted.history.kept_epoch} of {len(fitted.history.epochs)}"
        run.describe(describe_trial(values, f"{outcome}; {kept}.", run.run_id))
        return fitted.history.kept[config.train.monitor]

    def _report(self, trial: optuna.Trial, epoch: int, score: float) -> None:
        self._score = score
        self._emit(Epoch(trial.number, epoch, score))
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned(
                f"by the {self._config.sweep.pruner} pruner in epoch {epoch} with "
                f"{self._config.train.monitor} {score:.4f}"
            )

    def _stop_in_time(self, run: Run) -> None:
        """End the training, and keep it, if another epoch would end too late to have a winner.

        With a complete trial in the study there is one; the scheduler stops what still runs.
        """
        from ecomclf.models.fitting import StopTraining

        now, begun = time.monotonic(), self._epoch_begun
        self._epoch_begun = now
        deadline = self._deadline
        if deadline is None or now + (now - begun) < deadline or studies.complete(self._study):
            return
        run.tag(**{STOPPED: "time limit"})
        raise StopTraining


def is_outage(error: BaseException) -> bool:
    """Return whether a store, the disk or the network failed, rather than the trial itself."""
    return isinstance(error, Exception) and name_outage(error) is not None
