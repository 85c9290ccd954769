"""The sweep: resume a study, bring it to its number of trials, judge the winner, register it.

The parent process owns the parent run, the count of trials and the display; `worker` does the rest.
"""

import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

import mlflow
import optuna
import pandas as pd
from rich.console import Console
from rich.text import Text

from ecomclf.config.loading import Config
from ecomclf.data.dataset import DataReport
from ecomclf.data.splitting import Split
from ecomclf.errors import ConfigError, StudyError, SweepFailedError, SweepInterruptedError
from ecomclf.evaluation.error_tables import label_suspects
from ecomclf.models.baseline import Baseline, fit_baselines
from ecomclf.runtime.tensorflow_setup import start_tensorflow
from ecomclf.search import study as studies
from ecomclf.search.blending import Winner, choose_winner, delete_other_models
from ecomclf.search.final_evaluation import FinalEvaluation, evaluate_winner
from ecomclf.search.scheduler import TrialScheduler, Workers, reconcile
from ecomclf.search.seed_repeats import repeat
from ecomclf.search.storage import check_storage, lock_study
from ecomclf.search.worker import WorkerContext
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.encoded_texts import check_encodable, precompute_encodings
from ecomclf.text.word_vectors import check_vector_files
from ecomclf.tracking.leaderboard import print_leaderboard
from ecomclf.tracking.runs import (
    MONITOR,
    PROTOCOL,
    SEARCHED,
    Run,
    Tracking,
    connect,
    without_password,
)

Result = TypeVar("Result")


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


def check_sweep_request(config: Config, *, study: str | None, storage: str | None) -> None:
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
    for steps in config.possible_values("text.steps"):
        Cleaner(steps)
    check_vector_files(
        config.possible_values("model.embeddings"), config.possible_values("model.embedding_dim")
    )
    if study is not None:
        studies.check_study_name(study)
    if storage is not None:
        check_storage(storage, mlflow.get_tracking_uri())


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
    check_encodable(sweep.split, sweep.config)
    name = sweep.study_name
    with lock_study(name, sweep.storage):
        identity = studies.study_identity(sweep.config, sweep.split.fingerprint)
        study = studies.open_study(name, identity, sweep.storage)
        tracking = connect(sweep.config.tracking.experiment)
        _require_runs(study, tracking)
        studies.enqueue_first(study, sweep.config.sweep)
        reconcile(study, tracking, alive=())
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
            reconcile(study, tracking, alive=())
            parent.finish("KILLED")
            raise SweepInterruptedError(
                f"interrupted with {studies.counted(study)} of {sweep.trials} trials done, all "
                "kept; run the same command again to go on"
            ) from None
        except BaseException:
            reconcile(study, tracking, alive=())
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
    parent.log_text(sweep.config.to_yaml(), "config.yaml")
    parent.log_json(sweep.report.to_dict(), "data_report.json")
    # Beside the trials: all this takes a while, and the parent has nothing else to do. Should the
    # first fail, so will the trials that need it, and say why.
    split = sweep.split
    ahead = _begin(lambda: precompute_encodings(split, sweep.config))
    context = WorkerContext(
        config=sweep.config,
        split=sweep.split,
        tracking=tracking,
        study_name=sweep.study_name,
        storage=sweep.storage,
    )
    trials = TrialScheduler(
        context, study, parent, console, total=sweep.trials, workers=sweep.workers
    )
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
    judgement = evaluate_winner(
        sweep.config, sweep.report, split, study, tracking, parent, winner, baselines
    )
    left = delete_other_models(study, tracking, sweep.config.sweep.keep_models)
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


def _print_judgement(console: Console, winner: Winner, judgement: FinalEvaluation) -> None:
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
