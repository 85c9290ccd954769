"""The winner of a sweep, chosen on validation rows: best trials averaged, with the wide path."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from mlflow.entities import Run

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split
from ecomclf.search.study import ID, chosen_values, complete
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, Tracking

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier
    from ecomclf.models.ensemble import Blend
    from ecomclf.text.token_ids import TokenIds


@dataclass(frozen=True)
class Winner:
    """What was chosen: trials, best first, how they are blended, and the classifier it makes.

    `configs` are the trials' own. `probabilities` float32 [rows, classes] are those of the
    validation rows.
    """

    trials: tuple[int, ...]
    configs: tuple[Config, ...]
    blend: "Blend"
    classifier: "Classifier"
    probabilities: np.ndarray


def choose_winner(config: Config, split: Split, study: optuna.Study, tracking: Tracking) -> Winner:
    """Choose on validation rows; the models are those that the trials left."""
    from ecomclf.evaluation.calibration import threshold_for
    from ecomclf.models.ensemble import build_ensemble, choose_blend
    from ecomclf.models.linear_path import fit_linear_path

    runs = tracking.trial_runs(study.user_attrs[ID])
    configs = _candidates(config, study, tracking, runs)
    loaded = _load(tracking, {number: runs[number] for number in configs})
    best = next(iter(loaded.values()))
    labels, classes = split.validation.labels, len(split.classes)
    train, validation = _encode(best, split, next(iter(configs.values())))
    wide, decisions = None, None
    if config.winner.wide:
        wide = fit_linear_path(
            train,
            split.train.labels,
            vocabulary_size=best.vectorizer.vocabulary_size,
            classes=classes,
        )
        decisions = best.with_network(wide).predict_encoded(validation)
    blend = choose_blend(
        labels, [each.predict_encoded(validation) for each in loaded.values()], decisions
    )
    trials = tuple(loaded)[: blend.members]
    members = {number: loaded[number].network for number in trials}
    classifier = best.with_network(build_ensemble(members, wide, blend))
    probabilities = classifier.predict_encoded(validation)
    target = config.winner.target_precision
    classifier.threshold = threshold_for(labels, probabilities, target)
    return Winner(
        trials, tuple(configs[number] for number in trials), blend, classifier, probabilities
    )


def _candidates(
    config: Config, study: optuna.Study, tracking: Tracking, runs: Mapping[int, Run]
) -> dict[int, Config]:
    """Give the configs of the best trials that have the text config of the very best."""
    # When the study was judged before, others have lost their models.
    best = ranked(study)[: config.sweep.keep_models]
    kept = [
        number
        for number in best
        if tracking.has_artifact(runs[number].info.run_id, CLASSIFIER_FOLDER)
    ]
    configs = {
        number: config.with_values(chosen_values(config.sweep.space, study.trials[number].params))
        for number in kept
    }
    alike = [number for number in kept if configs[number].text == configs[kept[0]].text]
    return {number: configs[number] for number in alike[: config.winner.members]}


def _load(tracking: Tracking, runs: Mapping[int, Run]) -> "dict[int, Classifier]":
    from ecomclf.models.classifier import Classifier

    loaded = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, run in runs.items():
            place = Path(folder) / str(number)
            place.mkdir()
            saved = tracking.download(run.info.run_id, CLASSIFIER_FOLDER, place)
            loaded[number] = Classifier.load(saved)
    return loaded


def _encode(classifier: "Classifier", split: Split, config: Config) -> "tuple[TokenIds, TokenIds]":
    """Give the training and validation texts as ids, as the classifier was trained on them.

    Kept ones are taken, which other code may have made since, with another vocabulary.
    """
    from ecomclf.text.encoded_texts import encode_texts

    kept = encode_texts(split, config.text)
    if kept.vectorizer.words == classifier.vectorizer.words:
        return kept.train, kept.validation
    return classifier.encode(split.train.texts), classifier.encode(split.validation.texts)


def ranked(study: optuna.Study) -> list[int]:
    """Give the numbers of complete trials, best first."""
    trials = sorted(complete(study), key=lambda trial: (-(trial.value or 0.0), trial.number))
    return [trial.number for trial in trials]


def delete_other_models(study: optuna.Study, tracking: Tracking, count: int) -> int:
    """Remove the saved classifiers of all but the best trials; gives how many could not be."""
    kept = {*ranked(study)[:count]}
    return sum(
        not tracking.delete_artifact(run.info.run_id, CLASSIFIER_FOLDER)
        for number, run in tracking.trial_runs(study.user_attrs[ID]).items()
        if number not in kept
    )
