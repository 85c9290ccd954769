"""What a sweep ends with, and where an ended one has recorded it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import optuna
import pandas as pd

from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import Report
from ecomclf.search import study as studies
from ecomclf.search.plan import SweepPlan
from ecomclf.tracking.evaluation_record import FinalEvaluation
from ecomclf.tracking.leaderboard import leaderboard
from ecomclf.tracking.promotion_gate import Comparison
from ecomclf.tracking.runs import Tracking


@dataclass(frozen=True)
class SweepResult:
    """What a sweep ends with.

    Attributes:
        study: name of the study.
        run_id: MLflow run that holds the evaluation; the parent of the trials' runs.
        model: name of the registered model.
        version: number of the version that the winner is.
        stage: what this version holds now; None when the promotion gate refused it.
        gate: decision of the promotion gate, with its reasons.
        test: metrics of the winner on the test rows.
        baselines: those of each baseline, by its name.
        differences: `metric` of the winner minus that of each baseline.
        metric: the metric of `Report` that `train.monitor` names.
        intervals: 95 % intervals of the winner's metrics on the test rows, by name.
        champion: the comparison with the version in Production; None where there was none.
        leaderboard: one row per trial, the best finished trial first.
        tracking: the store of the runs.

    """

    study: str
    run_id: str
    model: str
    version: str
    stage: str | None
    gate: str
    test: Report
    baselines: dict[str, Report]
    differences: dict[str, Interval]
    metric: str
    intervals: dict[str, Interval]
    champion: Comparison | None
    leaderboard: pd.DataFrame = field(repr=False, compare=False)
    tracking: Tracking = field(repr=False, compare=False)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML file that loads nothing from anywhere.

        Args:
            path: of the file; by default the name of the study with `.html`, in the working
                directory. An existing file is replaced.

        Returns:
            The path that was written.

        Raises:
            RequestError: the file cannot be written.

        """
        from ecomclf.reporting.page import save_report
        from ecomclf.reporting.sweep_record import read_sweep

        record = read_sweep(self.tracking, run_id=self.run_id)
        return save_report(record, None if path is None else Path(path))


def finished_run(plan: SweepPlan, study: optuna.Study) -> str | None:
    """Return the run that holds the evaluation when nothing is left to do, else None."""
    has_trials = studies.has_ended(study, plan.config.sweep, plan.trials)
    is_judged = study.user_attrs.get(studies.JUDGED) == studies.evaluation_key(study, plan.config)
    has_repeats = study.user_attrs.get(studies.REPEATS, 0) >= plan.repeats
    if has_trials and is_judged and has_repeats:
        return cast("str | None", study.user_attrs.get(studies.EVALUATION_RUN))
    return None


def make_result(
    study: optuna.Study, tracking: Tracking, run_id: str, evaluation: FinalEvaluation
) -> SweepResult:
    """Return a study's evaluation with its leaderboard as it is now."""
    _, table = leaderboard(tracking, study_id=study.user_attrs[studies.ID])
    return SweepResult(
        study=study.study_name,
        run_id=run_id,
        leaderboard=table,
        tracking=tracking,
        **vars(evaluation),
    )
