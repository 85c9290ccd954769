"""The sweep: resume a study, run its trials, evaluate the winner, register it.

The parent process owns the parent run, the count of trials and the display; `worker` trains.
"""

import contextlib
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace

import optuna
from rich.console import Console

from ecomclf.errors import StudyError, SweepFailedError, SweepInterruptedError
from ecomclf.evaluation.error_tables import describe_label_check
from ecomclf.runtime.environment import describe_environment
from ecomclf.runtime.tensorflow_setup import start_tensorflow
from ecomclf.runtime.terminal import print_line
from ecomclf.search import study as studies
from ecomclf.search.baseline_runs import log_baselines
from ecomclf.search.blending import (
    Winner,
    choose_winner,
    delete_other_models,
)
from ecomclf.search.disk_space import require_space
from ecomclf.search.final_evaluation import evaluate_winner
from ecomclf.search.job import Job
from ecomclf.search.linear_models import LinearModels, start_linear_models
from ecomclf.search.plan import SweepPlan
from ecomclf.search.result import SweepResult, finished_run, make_result
from ecomclf.search.scheduler import TrialScheduler, Workers, reconcile
from ecomclf.search.seed_repeats import repeat_with_seeds
from ecomclf.search.storage import StudyLock, lock_study
from ecomclf.search.worker import WorkerContext, is_outage
from ecomclf.search.workers import describe_error
from ecomclf.text.encoded_texts import (
    check_encodable,
    portable_texts,
)
from ecomclf.tracking.connection import connect, without_password
from ecomclf.tracking.datasets import describe_datasets
from ecomclf.tracking.descriptions import describe_interruption, describe_plan
from ecomclf.tracking.evaluation_record import (
    EVALUATION_FILE,
    FinalEvaluation,
    read_evaluation,
)
from ecomclf.tracking.leaderboard import leaderboard, print_leaderboard
from ecomclf.tracking.runs import MONITOR, PROTOCOL, SEARCHED, Run, Tracking


@dataclass(frozen=True)
class _Sweep:
    """A sweep under way: its plan, and the study, store and parent run that it writes to."""

    plan: SweepPlan
    study: optuna.Study
    lock: StudyLock
    tracking: Tracking
    parent: Run
    console: Console

    @property
    def job(self) -> Job:
        """Return what the final evaluation needs to know."""
        plan = self.plan
        study_id = self.study.user_attrs[studies.ID]
        return Job(plan.config, plan.report, plan.split, self.parent, plan.study_name, study_id)


def run_sweep(plan: SweepPlan, workers: Workers, console: Console) -> SweepResult:
    """Bring the study to its number of trials, evaluate the winner and register it.

    Args:
        plan: what is asked for.
        workers: processes that run the trials.
        console: where progress, leaderboard and the winner are printed.

    Raises:
        DataError: cleaning leaves no word of the training texts.
        RequestError: a word-vector file has a malformed line.
        StudyError: the study was created with other settings, or another process is running it.
        SweepFailedError: no trial was completed.
        SweepInterruptedError: Ctrl-C or SIGTERM; finished trials are kept.

    """
    check_encodable(plan.split, plan.config)
    with lock_study(plan.study_name, plan.storage) as lock:
        identity = studies.study_identity(plan.config, plan.split.fingerprint)
        study = studies.open_study(plan.study_name, identity, plan.storage)
        tracking = connect(plan.config.tracking.experiment)
        _require_runs(study, tracking)
        studies.enqueue_first(study, plan.config.sweep)
        reconcile(study, tracking, alive=())
        tracking.close_sweeps(study.user_attrs[studies.ID])
        earlier = finished_run(plan, study)
        if earlier is not None:
            done = studies.counted(study)
            print_line(console, f"study {plan.study_name} has its {done} trials, nothing to do")
            print_leaderboard(tracking, console, study_id=study.user_attrs[studies.ID])
            evaluation = read_evaluation(tracking, earlier)
            for line in evaluation.lines():
                print_line(console, line)
            tracking.describe_launched(
                f"{plan.study_name}: nothing to do",
                f"The study has its trials already; the result is in the run `{earlier}`.",
            )
            return make_result(study, tracking, earlier, evaluation)
        missing = plan.trials - studies.counted(study)
        require_space(plan.config, plan.split, tracking.artifact_location, missing)
        sweep = _start(plan, study, lock, tracking, console)
        evaluation = _run_recorded(sweep, workers)
        study.set_user_attr(studies.REPEATS, plan.repeats)
        study.set_user_attr(studies.EVALUATION_RUN, sweep.parent.run_id)
        study.set_user_attr(studies.JUDGED, studies.evaluation_key(study, plan.config))
        _log_report(sweep)
        return make_result(study, tracking, sweep.parent.run_id, evaluation)


def _require_runs(study: optuna.Study, tracking: Tracking) -> None:
    """Refuse to continue a study whose runs are in another store, or deleted."""
    runs = tracking.trial_runs(study.user_attrs[studies.ID])
    missing = [number for number in studies.counted_trials(study) if number not in runs]
    if missing:
        raise StudyError(
            f"the study {study.study_name!r}: {len(missing)} of its trials have no run in the "
            f"MLflow store {without_password(tracking.uri)}; use the store that they were written "
            "to, or start anew with another --study"
        )


def _start(
    plan: SweepPlan, study: optuna.Study, lock: StudyLock, tracking: Tracking, console: Console
) -> _Sweep:
    """Start the parent run."""
    tags = studies.run_tags(study) | {
        PROTOCOL: plan.split.protocol,
        SEARCHED: " ".join(plan.config.sweep.space),
        MONITOR: plan.config.train.monitor,
    }
    parent = tracking.start_run("sweep", plan.study_name, tags=tags)
    return _Sweep(plan, study, lock, tracking, parent, console)


def _run_recorded(sweep: _Sweep, workers: Workers) -> FinalEvaluation:
    """Run a sweep; however it ends, its study and runs agree afterwards, and its run says how."""
    try:
        with sweep.parent.recorded():
            try:
                return _run(sweep, workers)
            except BaseException:
                reconcile(sweep.study, sweep.tracking, alive=())
                raise
    except BaseException as error:
        if not is_outage(error):
            _describe_end(sweep, error)
            _log_report(sweep)
        if not isinstance(error, KeyboardInterrupt):
            raise
        raise SweepInterruptedError(
            f"interrupted with {studies.counted(sweep.study)} of {sweep.plan.trials} trials done, "
            "all kept; run the same command again to go on"
        ) from None


def _describe_end(sweep: _Sweep, error: BaseException) -> None:
    """Describe a parent run that ended without a result."""
    why = "interrupted" if isinstance(error, KeyboardInterrupt) else describe_error(error)
    # How the sweep ended matters more than a description that cannot be written.
    with contextlib.suppress(Exception, KeyboardInterrupt):
        # The repeats may have been interrupted, after the evaluation.
        if EVALUATION_FILE not in sweep.tracking.artifact_names(sweep.parent.run_id):
            done = studies.counted(sweep.study)
            sweep.parent.describe(describe_interruption(done, sweep.plan.trials, why))


def _log_report(sweep: _Sweep) -> None:
    """Write the report to the parent run, which has ended; a sweep does not fail for its report."""
    try:
        # Its libraries take a second to import, which the first trial need not wait for.
        from ecomclf.reporting.page import REPORT_FILE, render_report
        from ecomclf.reporting.sweep_record import read_sweep

        record = read_sweep(sweep.tracking, run_id=sweep.parent.run_id)
        sweep.parent.log_text(render_report(record), REPORT_FILE)
    except (Exception, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else describe_error(error)
        line = f"no report: {why}; `ecomclf report` writes it"
    else:
        line = (
            f"report: {REPORT_FILE} of the run, or `ecomclf report --study {record.study} --open`"
        )
    print_line(sweep.console, line)


def _run(sweep: _Sweep, workers: Workers) -> FinalEvaluation:
    plan, study, tracking, console = sweep.plan, sweep.study, sweep.tracking, sweep.console
    _log_plan(sweep)
    trials = _schedule_trials(sweep)
    linear_models = _start_linear_models(sweep, trials)
    trials.run(workers)
    trials_ended = time.monotonic()
    _end_trials(sweep)
    linear = linear_models.result()
    log_baselines(sweep.job, linear.baselines, tracking, studies.run_tags(study), console)
    sweep.parent.log_table(linear.suspects, "label_suspects.json")
    labels_checked = describe_label_check(plan.split.train, plan.split.classes)
    if labels_checked is not None:
        print_line(console, labels_checked)
    if not studies.complete(study):
        raise SweepFailedError(
            f"none of the {plan.trials} trials of the study {plan.study_name} was completed; "
            "failed runs hold their traceback in error.txt"
        )
    start_tensorflow()
    winner = choose_winner(plan.config, plan.split, study, tracking, linear.path)
    _log_winner(sweep, winner)
    evaluation = evaluate_winner(sweep.job, winner, linear.baselines)
    not_deleted = delete_other_models(study, tracking, plan.config.sweep.keep_models)
    if not_deleted:
        print_line(
            console, f"could not delete {not_deleted} models: the artifact store does not allow it"
        )
    _print_winner(sweep, winner, evaluation)
    study.set_user_attr(studies.SECONDS_AT_END, time.monotonic() - trials_ended)
    if plan.repeats:
        tags = studies.run_tags(study)
        repeat_with_seeds(
            winner.configs[0],
            plan.repeats,
            plan.split,
            tracking,
            sweep.parent,
            tags,
            console,
            describe_datasets(plan.split, plan.report, test=True),
        )
    return evaluation


def _log_plan(sweep: _Sweep) -> None:
    """Take over the runs of earlier commands, and log what is to be done."""
    plan, parent = sweep.plan, sweep.parent
    print_line(sweep.console, f"study {plan.study_name}, run {parent.run_id}")
    sweep.tracking.adopt(sweep.study.user_attrs[studies.ID], parent)
    parent.log_params(
        plan.config.flat()
        | {"data.fingerprint": plan.split.fingerprint, "data.read_as": plan.report.read_as}
    )
    parent.describe(describe_plan(plan.trials, [*plan.config.sweep.space], plan.report, plan.split))
    parent.log_datasets(describe_datasets(plan.split, plan.report, test=True))
    parent.log_json(describe_environment(), "environment.json")
    parent.log_text(plan.config.to_yaml(), "config.yaml")
    parent.log_json(plan.report.to_dict(), "data_report.json")


def _schedule_trials(sweep: _Sweep) -> TrialScheduler:
    plan, budget = sweep.plan, sweep.plan.budget
    if budget is not None:
        measured = sweep.study.user_attrs.get(studies.SECONDS_AT_END, 0.0)
        budget = replace(budget, measured_end=measured)
    context = WorkerContext(
        config=plan.config,
        split=plan.split,
        tracking=sweep.tracking,
        study_name=plan.study_name,
        storage=plan.storage,
        # Workers on other machines have no cache of this one's.
        datasets=tuple(describe_datasets(plan.split, plan.report, test=False)),
        texts=portable_texts(plan.split, plan.config) if plan.config.sweep.engine == "ray" else {},
    )
    return TrialScheduler(
        context,
        sweep.study,
        sweep.lock,
        sweep.parent,
        sweep.console,
        total=plan.trials,
        workers=plan.workers,
        budget=budget,
    )


def _start_linear_models(sweep: _Sweep, trials: TrialScheduler) -> "Future[LinearModels]":
    """Fit what is linear while the trials run.

    It competes with the trials for the cores, and the first result of a trial matters most, so it
    starts after that; unless there is a trial for each worker at most, so that nothing would be
    left to run beside it. With a time limit it does not wait for long, since the end waits for it.
    """
    plan = sweep.plan
    longest = plan.budget.longest_wait if plan.budget else None
    missing = plan.trials - studies.counted(sweep.study)

    def wait_for_a_trial() -> None:
        if missing > plan.workers:
            trials.one_has_ended.wait(longest)

    return start_linear_models(plan.split, plan.config, wait_for_a_trial)


def _end_trials(sweep: _Sweep) -> None:
    """Settle what a time limit has stopped, and say why trials are missing."""
    plan, study = sweep.plan, sweep.study
    reconcile(study, sweep.tracking, alive=(), reason="time limit")
    done = studies.counted(study)
    if done >= plan.wanted:
        return
    if done >= plan.trials:
        line = f"the search space has no more than these {done} combinations; the sweep ends"
    elif studies.has_ended(study, plan.config.sweep, plan.trials):
        line = (
            f"sweep.stop_after: no better one among the last {studies.trials_since_best(study)} "
            f"trials; the sweep ends with {done} of {plan.trials}"
        )
    else:
        line = (
            f"the time limit is reached with {done} of {plan.trials} trials; the same command "
            "goes on"
        )
    print_line(sweep.console, line)


def _log_winner(sweep: _Sweep, winner: Winner) -> None:
    """Log which trials the winner consists of, and the leaderboard."""
    study_id = sweep.study.user_attrs[studies.ID]
    best = winner.trials[0]
    sweep.parent.tag(
        winner_trial=best,
        winner_run=sweep.tracking.trial_runs(study_id)[best].info.run_id,
        winner_trials=" ".join(map(str, winner.trials)),
    )
    _, table = leaderboard(sweep.tracking, study_id=study_id)
    sweep.parent.log_table(table, "leaderboard.json")


def _print_winner(sweep: _Sweep, winner: Winner, evaluation: FinalEvaluation) -> None:
    print_leaderboard(sweep.tracking, sweep.console, study_id=sweep.study.user_attrs[studies.ID])
    made_of = f"winner: {winner.made_of()}"
    for line in filter(None, (made_of, *evaluation.lines(), winner.review_notice())):
        print_line(sweep.console, line)
