"""What a worker process of a sweep does: ask the study for a trial, train it, tell its result.

A trial's MLflow run ends before Optuna is told. Killed in between, the run says what has become of
the trial.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split
from ecomclf.errors import JobError
from ecomclf.runtime.timing import Stopwatch
from ecomclf.search import study as studies
from ecomclf.search.process_pool import Emit
from ecomclf.tracking.runs import PRUNED, TRIAL, Run, Tracking, name_outage

if TYPE_CHECKING:
    from ecomclf.models.fitting import EpochMetrics
    from ecomclf.text.encoded_texts import EncodedTexts


@dataclass(frozen=True)
class WorkerContext:
    """What a worker needs besides tasks; sent to it once."""

    config: Config
    split: Split
    tracking: Tracking
    study_name: str
    storage: str | None


@dataclass(frozen=True)
class TrialTask:
    """One trial to run; `ordinal` seeds its sampler, `parent` is the id of the parent run."""

    ordinal: int
    parent: str


@dataclass(frozen=True)
class Started:
    """A trial has its values and its run."""

    trial: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Epoch:
    """A trial has an epoch more; `score` is the monitored figure."""

    trial: int
    epoch: int
    score: float


@dataclass(frozen=True)
class Ended:
    """A trial is `finished`, `pruned` or `failed`; `error` says why it failed."""

    trial: int
    state: str
    score: float | None = None
    error: str | None = None


def prepare_worker(context: WorkerContext) -> Callable[[TrialTask, Emit], None]:
    """Set up a worker process: the study once, texts once a text config."""
    config = context.config
    epochs = max(config.possible_values("train.epochs"))
    study = studies.load_worker_study(context.study_name, context.storage, config.sweep, epochs)
    encoded: dict[str, EncodedTexts] = {}

    def work(task: TrialTask, emit: Emit) -> None:
        _Trial(context, study, encoded, emit).run(task)

    return work


class _Trial:
    """One trial from asking to telling."""

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

    def run(self, task: TrialTask) -> None:
        """Run a trial; only what is wrong outside of it is raised."""
        space = self._config.sweep.space
        self._study.sampler = studies.make_sampler(self._config.sweep, task.ordinal)
        trial = self._study.ask(studies.distributions(space))
        if studies.ORDINAL not in trial.user_attrs:
            trial.set_user_attr(studies.ORDINAL, task.ordinal)
        values = studies.chosen_values(space, trial.params)
        run = self._context.tracking.start_run(
            "trial",
            f"trial {trial.number}",
            parent=task.parent,
            tags=studies.run_tags(self._study) | {TRIAL: trial.number},
        )
        self._emit(Started(trial.number, values))
        try:
            score = self._train(trial, values, run)
        except optuna.TrialPruned as pruned:
            run.tag(**{PRUNED: pruned})
            run.finish("KILLED")
            self._study.tell(trial, state=TrialState.PRUNED)
            self._emit(Ended(trial.number, "pruned", self._score))
        except Exception as error:
            if name_outage(error):
                # Not the trial's own: it is tried again.
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            trial.set_user_attr(studies.OWN_ERROR, reason)
            run.log_text(traceback.format_exc(), "error.txt")
            run.finish("FAILED")
            self._study.tell(trial, state=TrialState.FAIL)
            self._emit(Ended(trial.number, "failed", error=reason))
        else:
            run.finish("FINISHED")
            self._study.tell(trial, score)
            self._emit(Ended(trial.number, "finished", score))

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        from ecomclf.search.training_run import run_trial
        from ecomclf.text.encoded_texts import encode_texts

        def report(epoch: int, metrics: "EpochMetrics") -> None:
            self._report(trial, epoch, metrics[config.train.monitor])

        if trial.user_attrs.get(studies.ATTEMPT, 1) > studies.MOST_ATTEMPTS:
            raise JobError(
                f"workers died with these parameters {studies.MOST_ATTEMPTS} times; if memory is "
                "short, try fewer --workers or a smaller space"
            )
        config = self._config.with_values(values)
        watch = Stopwatch()
        key = config.text.model_dump_json()
        if key not in self._encoded:
            self._encoded[key] = encode_texts(self._context.split, config.text)
            watch.lap("encoding")
        texts = self._encoded[key]
        result = run_trial(config, self._context.split, texts, run, report, watch)
        return result.metrics[config.train.monitor]

    def _report(self, trial: optuna.Trial, epoch: int, score: float) -> None:
        self._score = score
        self._emit(Epoch(trial.number, epoch, score))
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned(
                f"by the {self._config.sweep.pruner} pruner in epoch {epoch} with "
                f"{self._config.train.monitor} {score:.4f}"
            )
