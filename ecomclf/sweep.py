"""The sweep: hand out trials, resume, bring the study to its number of them, judge the winner.

The parent process owns the parent run, the count of trials and the display; `worker` does the rest.
"""

import contextlib
import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

import mlflow
import optuna
import pandas as pd
from optuna.trial import TrialState
from rich.console import Console
from rich.text import Text

from ecomclf import study as studies
from ecomclf.baseline import Baseline, fit_baselines
from ecomclf.config import Config
from ecomclf.data import DataReport
from ecomclf.display import SweepDisplay
from ecomclf.embeddings import require_vectors
from ecomclf.encoding import encode_ahead, require_texts
from ecomclf.engine import Died, Event, Failed, LocalWorkers, Message
from ecomclf.errors import (
    ConfigError,
    JobError,
    StudyError,
    SweepFailedError,
    SweepInterruptedError,
)
from ecomclf.judge import Judgement, judge_winner
from ecomclf.leaderboard import print_leaderboard, trial_state
from ecomclf.mistakes import label_suspects
from ecomclf.repeats import repeat
from ecomclf.split import Split
from ecomclf.startup import start_tensorflow
from ecomclf.storage import hold_study, require_own_storage
from ecomclf.text import Cleaner
from ecomclf.tracking import (
    MONITOR,
    PROTOCOL,
    SEARCHED,
    Run,
    Tracking,
    connect,
    without_password,
)
from ecomclf.winner import Winner, choose_winner, keep_best_models
from ecomclf.worker import Ended, Epoch, Started, TrialTask, WorkerContext, prepare_worker

Workers = LocalWorkers[WorkerContext, TrialTask]
Result = TypeVar("Result")

# When so many workers in a row die before they have a trial, the next will not do better.
_MOST_FALSE_STARTS = 3


@dataclass(frozen=True)
class Sweep:
    """What one `sweep` command was asked for, checked."""

    config: Config
    split: Split
    report: DataReport
    study_name: str
    storage: str | None
    trials: int
    workers: int
    repeats: int


def require_searchable(config: Config, *, study: str | None, storage: str | None) -> None:
    """Check what can be checked of a request before any data is read.

    Raises:
        ConfigError: the config has no search space.
        RequestError: a cleaning step or a file of vectors cannot work here, or the study's name is
            none.

    """
    if not config.sweep.space:
        raise ConfigError(
            "sweep.space is empty, there is nothing to search; name keys in it, or use "
            "`ecomclf train` for a single run"
        )
    for steps in config.candidates("text.steps"):
        Cleaner(steps)
    require_vectors(config.candidates("model.embeddings"), config.candidates("model.embedding_dim"))
    if study is not None:
        studies.require_study_name(study)
    if storage is not None:
        require_own_storage(storage, mlflow.get_tracking_uri())


def plan_sweep(
    config: Config,
    split: Split,
    report: DataReport,
    *,
    trials: int | None,
    workers: int,
    study: str | None,
    storage: str | None,
    repeats: int | None,
) -> Sweep:
    """Fill in what was not asked for: the config's number of trials, a study's name."""
    identity = studies.study_identity(config, split.fingerprint)
    return Sweep(
        config=config,
        split=split,
        report=report,
        study_name=study or studies.default_study_name(config, identity),
        storage=storage,
        trials=trials or config.sweep.trials,
        workers=workers,
        repeats=repeats or 0,
    )


def run_sweep(sweep: Sweep, workers: Workers, console: Console) -> None:
    """Bring the study to its number of trials, judge the winner and register it.

    Args:
        sweep: what was asked for.
        workers: processes that trials run on; TensorFlow is up in them, or will be.
        console: where the table, the winner and what happens are shown.

    Raises:
        DataError: cleaning leaves no word of the training texts.
        RequestError: a line of a file of vectors is none.
        StudyError: the study was made with other settings, or another process is running it.
        SweepFailedError: no trial was completed.
        SweepInterruptedError: Ctrl-C or SIGTERM; what is finished is kept.

    """
    require_texts(sweep.split, sweep.config)
    name = sweep.study_name
    with hold_study(name, sweep.storage):
        identity = studies.study_identity(sweep.config, sweep.split.fingerprint)
        study = studies.open_study(name, identity, sweep.storage)
        tracking = connect(sweep.config.tracking.experiment)
        _require_runs(study, tracking)
        studies.enqueue_first(study, sweep.config.sweep)
        settle(study, tracking, alive=())
        tracking.close_sweeps(study.user_attrs[studies.ID])
        done = studies.counted(study)
        repeats = study.user_attrs.get(studies.REPEATS, 0)
        is_judged = study.user_attrs.get(studies.JUDGED) == studies.judgement(study, sweep.config)
        if done >= sweep.trials and is_judged and repeats >= sweep.repeats:
            console.print(f"study {name} has its {done} trials, nothing to do", soft_wrap=True)
            print_leaderboard(tracking, console, study_id=study.user_attrs[studies.ID])
            return
        tags = studies.run_tags(study) | {
            PROTOCOL: sweep.split.protocol,
            SEARCHED: " ".join(sweep.config.sweep.space),
            MONITOR: sweep.config.train.monitor,
        }
        parent = tracking.start_run("sweep", name, tags=tags)
        try:
            _run(sweep, workers, study, tracking, parent, console)
        except KeyboardInterrupt:
            settle(study, tracking, alive=())
            parent.finish("KILLED")
            raise SweepInterruptedError(
                f"interrupted with {studies.counted(study)} of {sweep.trials} trials done, all "
                "kept; run the same command again to go on"
            ) from None
        except BaseException:
            settle(study, tracking, alive=())
            parent.log_text(traceback.format_exc(), "error.txt")
            parent.finish("FAILED")
            raise
        parent.finish("FINISHED")
        study.set_user_attr(studies.REPEATS, sweep.repeats)
        study.set_user_attr(studies.JUDGED, studies.judgement(study, sweep.config))


def _require_runs(study: optuna.Study, tracking: Tracking) -> None:
    """Refuse to continue a study whose runs are in another store, or deleted."""
    runs = tracking.trial_runs(study.user_attrs[studies.ID])
    missing = [number for number in studies.counted_trials(study) if number not in runs]
    if missing:
        raise StudyError(
            f"runs of the study {study.study_name!r} that are not in the MLflow store "
            f"{without_password(tracking.uri)}: {len(missing)}; use the store that they were "
            "written to, or begin anew with --study"
        )


def settle(
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


def _run(
    sweep: Sweep,
    workers: Workers,
    study: optuna.Study,
    tracking: Tracking,
    parent: Run,
    console: Console,
) -> None:
    console.print(f"study {sweep.study_name}, run {parent.run_id}", soft_wrap=True)
    tracking.adopt(study.user_attrs[studies.ID], parent)
    parent.log_params(sweep.config.flat() | {"data.fingerprint": sweep.split.fingerprint})
    parent.log_text(sweep.config.as_yaml(), "config.yaml")
    parent.log_json(sweep.report.to_dict(), "data_report.json")
    # Beside the trials: all this takes a while, and the parent has nothing else to do. Should the
    # first fail, so will the trials that need it, and say why.
    split = sweep.split
    ahead = _begin(lambda: encode_ahead(split, sweep.config))
    trials = _Trials(sweep, study, tracking, parent, console)
    missing = sweep.trials - studies.counted(study)

    def fit_linear() -> tuple[dict[str, Baseline], pd.DataFrame]:
        # It takes a core from the trials, and the first result is waited for most. With a trial for
        # each worker there would be nothing left to do beside it.
        wait([ahead])
        if missing > sweep.workers:
            trials.one_has_ended.wait()
        monitor = sweep.config.train.monitor
        return fit_baselines(split, monitor), label_suspects(split.train, split.classes)

    linear = _begin(fit_linear)
    trials.run(workers)
    baselines, suspects = linear.result()
    _log_baselines(baselines, split, study, tracking, parent, console)
    parent.log_table(suspects, "label_suspects.json")
    if not studies.complete(study):
        raise SweepFailedError(
            f"none of the {sweep.trials} trials of the study {sweep.study_name} was completed; "
            "the failed runs hold their traceback in error.txt"
        )
    start_tensorflow()
    winner = choose_winner(sweep.config, split, study, tracking)
    judgement = judge_winner(
        sweep.config, sweep.report, split, study, tracking, parent, winner, baselines
    )
    left = keep_best_models(study, tracking, sweep.config.sweep.keep_models)
    if left:
        console.print(f"the artifact store lets nothing be removed: {left} models stay")

    print_leaderboard(tracking, console, study_id=study.user_attrs[studies.ID])
    _print_judgement(console, winner, judgement)
    if sweep.repeats:
        tags = studies.run_tags(study)
        repeat(winner.configs[0], sweep.repeats, split, tracking, parent, tags, console)


def _begin(work: Callable[[], Result]) -> "Future[Result]":
    """Begin some work in a thread that holds up nobody who wants to leave."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _log_baselines(
    baselines: Mapping[str, Baseline],
    split: Split,
    study: optuna.Study,
    tracking: Tracking,
    parent: Run,
    console: Console,
) -> None:
    """Write each yardstick to a run of its own, and its figures to the parent."""
    for name, baseline in baselines.items():
        validation = baseline.evaluate(split.validation)
        parent.log_metrics(validation.metrics(f"{name}_val"))
        title = name.replace("_", " ")
        tags = studies.run_tags(study) | {PROTOCOL: split.protocol}
        run = tracking.start_run("baseline", title, parent=parent.run_id, tags=tags)
        run.log_params(baseline.settings() | {"data.fingerprint": split.fingerprint})
        run.log_metrics(validation.metrics("val"))
        run.log_json(validation.to_dict(), "report.json")
        run.finish("FINISHED")
        console.print(f"{title}: {validation.summary('validation')}", soft_wrap=True)


def _print_judgement(console: Console, winner: Winner, judgement: Judgement) -> None:
    trials, share = ", ".join(map(str, winner.trials)), winner.blend.wide_share
    lines = [
        f"winner: trials {trials} averaged, share of the wide path {share:.2f}",
        f"winner: {judgement.test.summary('test')}",
        *(
            f"{name.replace('_', ' ')}: {report.summary('test')}; winner minus it "
            f"{judgement.differences[name].as_text()}"
            for name, report in judgement.baselines.items()
        ),
    ]
    version = judgement.version
    where = f"in {judgement.stage}" if judgement.stage else "without a stage"
    lines += [
        f"winner is version {version.version} of the model {version.name}, {where}",
        f"gate: {judgement.verdict}",
    ]
    for line in lines:
        console.print(Text(line), soft_wrap=True)


class _Trials:
    """Hands out trials until the study has its number of them, and follows them."""

    def __init__(
        self, sweep: Sweep, study: optuna.Study, tracking: Tracking, parent: Run, console: Console
    ) -> None:
        self._sweep = sweep
        self._study = study
        self._tracking = tracking
        self._parent = parent
        # The trial that each running task has announced; None before it has.
        self._announced: dict[TrialTask, int | None] = {}
        self._false_starts = 0
        self._unsettled = False
        # Set when there are none to run, too.
        self.one_has_ended = threading.Event()
        self._display = SweepDisplay(
            console,
            total=sweep.trials,
            done=studies.counted(study),
            workers=sweep.workers,
            monitor=sweep.config.train.monitor,
        )
        if studies.complete(study):
            self._display.best_so_far(study.best_value, study.best_trial.number)

    def run(self, workers: Workers) -> None:
        """Run what is missing.

        Raises:
            JobError: workers cannot work, whatever the trial.

        """
        sweep = self._sweep
        context = WorkerContext(
            config=sweep.config,
            split=sweep.split,
            tracking=self._tracking,
            study_name=sweep.study_name,
            storage=sweep.storage,
        )
        # Whatever comes after may rely on nobody running a trial any more.
        with self._display, contextlib.closing(workers):
            for event in workers.run(prepare_worker, context, self._next_task):
                self._follow(event)
        self.one_has_ended.set()

    def _next_task(self) -> TrialTask | None:
        # After a death nothing new starts before the lost trial is enqueued again.
        if self._unsettled:
            return None
        done = studies.counted_trials(self._study)
        # A trial may have ended whose worker has not said so yet.
        working = [trial for trial in self._announced.values() if trial not in done]
        if len(done) + len(working) >= self._sweep.trials:
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
            self._mourn(event)
        else:
            del self._announced[event.task]
        # A trial without its worker can be told from the others once these have said theirs.
        if self._unsettled and None not in self._announced.values():
            alive = [trial for trial in self._announced.values() if trial is not None]
            settle(self._study, self._tracking, alive=alive, after_death=True)
            self._unsettled = False

    def _show(self, message: Message[TrialTask]) -> None:
        body = message.body
        if isinstance(body, Started):
            self._announced[message.task] = body.trial
            self._false_starts = 0
            epochs = body.values.get("train.epochs", self._sweep.config.train.epochs)
            self._display.started(body.trial, body.values, epochs)
        elif isinstance(body, Epoch):
            self._display.epoch(body.trial, body.epoch, body.score)
        elif isinstance(body, Ended):
            self._display.ended(body.trial, body.state, body.score, body.error)
            self.one_has_ended.set()

    def _mourn(self, death: Died[TrialTask]) -> None:
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
