"""A winner becomes a version, and goes through the promotion gate."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mlflow.entities.model_registry import ModelVersion

from ecomclf.data.near_duplicates import group_keys
from ecomclf.evaluation.report import Report
from ecomclf.runtime.disk_cache import digest_of
from ecomclf.search.blending import Winner
from ecomclf.tracking.descriptions import classify_command
from ecomclf.tracking.model_card import model_card
from ecomclf.tracking.promotion_gate import Champion, Comparison, compare, decide
from ecomclf.tracking.registry import CHAMPION, GATE, GATE_REASON, Registry
from ecomclf.tracking.runs import as_json
from ecomclf.tracking.version_files import CONFIG_FILE, ENSEMBLE_FILE, REPORT_FILE, SAMPLES_FILE

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

from ecomclf.search.held_out_scores import HeldOutScores, validation_report
from ecomclf.search.job import Job

_SAMPLES = 10


def register(registry: Registry, job: Job, winner: Winner, test: Report) -> ModelVersion:
    """Register the winner, or return the version that an interrupted command registered."""
    from ecomclf.models.ensemble import describe

    networks = dict(zip(winner.trials, (each.model for each in winner.configs), strict=True))
    ensemble = describe(networks, winner.blend)
    # With other minimum metrics the same winner goes through the gate again, as a new version.
    rules = job.config.registry.model_dump_json()
    recipe = digest_of([ensemble, repr(winner.classifier.threshold), rules])
    version = registry.find(study_id=job.study_id, recipe=recipe)
    if version is not None:
        return version
    split = job.split
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    keys = {name: np.unique(group_keys(rows.texts)) for name, rows in sides.items()}
    files = {
        CONFIG_FILE: winner.configs[0].to_yaml(),
        ENSEMBLE_FILE: ensemble,
        REPORT_FILE: as_json(test.to_dict()),
        SAMPLES_FILE: as_json(split.test.texts[:_SAMPLES]),
    }
    return registry.register(
        job.run,
        job.run.log_model(winner.classifier, keys, files),
        study=job.study,
        study_id=job.study_id,
        trials=" ".join(map(str, winner.trials)),
        recipe=recipe,
    )


def pass_gate(
    registry: Registry, version: ModelVersion, job: Job, winner: Winner, scores: HeldOutScores
) -> Comparison | None:
    """Send a version through the promotion gate; if it passes, it gets its stage.

    Returns:
        The comparison with the champion, where there is one.

    The tag `gate` is written last: a command that is killed before that is repeated by the next.

    """
    config, number = job.config.registry, str(version.version)
    baseline = min(scores.differences, key=lambda name: scores.differences[name].value)
    decision = decide(
        scores.report,
        config,
        _compare_with_champion(registry, number, winner.classifier, job),
        baseline=scores.differences[baseline],
        leak_free=job.split.protocol == "groups",
        metric=job.metric,
    )
    card = model_card(
        classify_command(registry.name, number),
        winner.description(),
        winner.classifier.threshold,
        job.data,
        job.split,
        job.config.data.split_seed,
        scores.report,
        scores.baselines[baseline],
        decision,
        never_predicted=validation_report(job, winner).never_predicted,
    )
    comparison = decision.comparison
    tags = {GATE_REASON: decision.as_text()}
    if comparison is not None:
        tags[CHAMPION] = comparison.as_text()
    registry.describe(version, card, tags)
    if decision.passed:
        compared = comparison is None or comparison.comparable
        registry.promote(number, config.stage if compared else "Staging", "passed the gate")
    registry.describe(version, card, {GATE: "passed" if decision.passed else "refused"})
    return comparison


def _compare_with_champion(
    registry: Registry, version: str, challenger: "Classifier", job: Job
) -> Comparison | None:
    """Compare a version's classifier with the champion; None where there is no other one."""
    from ecomclf.models.classifier import Classifier
    from ecomclf.tracking.mlflow_flavor import GROUP_KEYS_FILE

    number = registry.holders().get("Production")
    # A command that was killed after the promotion finds the version itself there.
    if number is None or number == version:
        return None
    held = registry.resolve(version=number)
    with tempfile.TemporaryDirectory() as folder:
        files = registry.download(held, Path(folder))
        # A version that was registered in another way does not say which texts it has seen.
        if not (files / GROUP_KEYS_FILE).exists():
            return Comparison(number, 0)
        with np.load(files / GROUP_KEYS_FILE, allow_pickle=False) as keys:
            seen = np.union1d(keys["train"], keys["validation"])
        champion = Classifier.load(files)
    return compare(
        lambda texts: challenger.predict(texts)["label"].tolist(),
        Champion(number, lambda texts: champion.predict(texts)["label"].tolist(), seen),
        job.split.test,
        job.split.classes,
        min_rows=job.config.registry.min_common_rows,
        metric=job.metric,
    )
