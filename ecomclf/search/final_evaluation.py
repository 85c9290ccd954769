"""The winner on the test rows: read once, recorded, registered once, sent through the gate.

The test rows choose nothing. Only `seed_repeats` reads them again, which chooses nothing either.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecomclf.models.baseline import Evaluated
from ecomclf.search.blending import Winner
from ecomclf.tracking.descriptions import describe_result
from ecomclf.tracking.evaluation_record import (
    EVALUATION_FILE,
    FinalEvaluation,
)
from ecomclf.tracking.registry import GATE, GATE_REASON, Registry

if TYPE_CHECKING:
    pass

from ecomclf.search.held_out_scores import log_scores, score_on_test_rows
from ecomclf.search.job import Job
from ecomclf.search.registration import pass_gate, register


def evaluate_winner(
    job: Job, winner: Winner, baselines: Mapping[str, Evaluated]
) -> FinalEvaluation:
    """Score a winner on the test rows, record it in the job's run, register it unless it is.

    Args:
        job: what it comes from.
        winner: chosen on validation rows.
        baselines: by name; the gate compares with the best of them.

    """
    scores = score_on_test_rows(job, winner, baselines)
    log_scores(job, winner, scores)
    registry = Registry(job.run.uri, job.config.registry.model)
    version = register(registry, job, winner, scores.report)
    champion = None
    if GATE not in version.tags:
        champion = pass_gate(registry, version, job, winner, scores)
        version = registry.resolve(version=str(version.version))
    stages = {number: stage for stage, number in registry.holders().items()}
    evaluation = FinalEvaluation(
        test=scores.report,
        baselines=scores.baselines,
        differences=scores.differences,
        metric=job.metric,
        model=registry.name,
        version=str(version.version),
        gate=version.tags[GATE_REASON],
        stage=stages.get(str(version.version)),
        intervals=scores.intervals,
        champion=champion,
    )
    job.run.log_json(evaluation.to_dict(), EVALUATION_FILE)
    job.run.describe(describe_result(evaluation, winner.made_of(), job.data, job.split))
    return evaluation
