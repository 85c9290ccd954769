"""The winner of a sweep, chosen on validation rows: best trials averaged, with the linear path."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from mlflow.entities import Run

from ecomclf.config.loading import Config
from ecomclf.config.optuna_space import chosen_values
from ecomclf.data.class_weights import class_weights
from ecomclf.data.splitting import Split
from ecomclf.errors import JobError
from ecomclf.search.study import ID, complete
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, Tracking

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier
    from ecomclf.models.ensemble import Blend
    from ecomclf.models.linear_path import LinearPath
    from ecomclf.models.training import Fitted
    from ecomclf.text.token_ids import TokenIds

# Above this fraction of predictions that need a review, the user is told.
_MANY_REVIEWS = 0.5


@dataclass(frozen=True)
class Winner:
    """The model that a sweep, or a single training, ends with.

    Attributes:
        trials: numbers of the averaged trials, best first; (0,) for a single training.
        configs: theirs, in the same order.
        blend: how they are combined.
        classifier: what that makes, calibrated, with its threshold.
        probabilities: float32 [validation rows, classes].
        needs_review: bool [validation rows].

    """

    trials: tuple[int, ...]
    configs: tuple[Config, ...]
    blend: "Blend"
    classifier: "Classifier"
    probabilities: np.ndarray
    needs_review: np.ndarray

    def made_of(self) -> str:
        """Return which trials the model consists of, and how much of the linear path."""
        numbers = ", ".join(map(str, self.trials))
        trials = f"trials {numbers} averaged" if len(self.trials) > 1 else f"trial {numbers}"
        return f"{trials}, share of the linear path {self.blend.wide_share:.2f}"

    def review_notice(self) -> str | None:
        """Return a line that more than half of the rows need a review; None if they do not."""
        share = float(self.needs_review.mean())
        if share <= _MANY_REVIEWS:
            return None
        return (
            f"{100 * share:.0f} % of the validation rows need a review: winner.target_precision is "
            f"{self.configs[0].winner.target_precision:g}, a lower one needs fewer reviews; texts "
            "without a known word always need one"
        )

    def description(self) -> str:
        """Return what the model consists of, in Markdown, for the model card."""
        config = self.configs[0]
        return (
            f"{self.made_of()}. The best trial: "
            f"{config.model.encoder.upper()} {config.model.units}, embedding "
            f"{config.model.embedding_dim}, dropout {config.model.dropout:.3g}, "
            f"{config.model.pooling} pooling. First {config.text.max_length} words, cleaning: "
            f"{', '.join(config.text.steps) or 'none'}."
        )


def choose_winner(
    config: Config,
    split: Split,
    study: optuna.Study,
    tracking: Tracking,
    prepared: "LinearPath | None" = None,
) -> Winner:
    """Choose on validation rows how many of the best trials are averaged, with the linear path.

    Args:
        config: what may be part of it.
        split: its training and validation rows.
        study: its trials.
        tracking: the store of their runs.
        prepared: the linear path, if it was fitted while the trials ran with the class weights of
            `config`; it is fitted anew if the best trial has others, or another vocabulary.

    Raises:
        JobError: none of the best trials has its model left in the artifact store.

    """
    from ecomclf.models.ensemble import choose_blend

    runs = tracking.trial_runs(study.user_attrs[ID])
    configs = _candidates(config, study, tracking, runs)
    loaded = _load(tracking, {number: runs[number] for number in configs})
    best, best_config = next(iter(loaded.values())), next(iter(configs.values()))
    train, validation = _encode(best, split, best_config)
    path, decisions = None, None
    if config.winner.wide:
        words, weight = best.vectorizer.words, best_config.train.class_weight
        path = prepared if prepared is not None and prepared.vocabulary == words else None
        if path is None or weight != config.train.class_weight:
            path = fit_weighted_path(best_config, split, words, train)
        decisions = path.decide(validation)
    members = [each.predict_encoded(validation) for each in loaded.values()]
    blend = choose_blend(split.validation.labels, members, decisions)
    trials = tuple(loaded)[: blend.members]
    return _blend(
        config,
        split,
        {number: loaded[number] for number in trials},
        tuple(configs[number] for number in trials),
        blend,
        validation,
        path if blend.wide_share else None,
    )


def fit_weighted_path(
    config: Config, split: Split, words: Sequence[str], train: "TokenIds"
) -> "LinearPath":
    """Fit a linear path on the training texts, with the class weights of a config."""
    from ecomclf.models.linear_path import fit_linear_path

    labels, classes = split.train.labels, split.classes
    weights = class_weights(labels, classes, config.train.class_weight)
    return fit_linear_path(words, train, labels, classes=len(classes), weights=weights)


def single_winner(fitted: "Fitted", split: Split, validation: "TokenIds") -> Winner:
    """Return a single trained classifier as a winner: calibrated, with its threshold."""
    from ecomclf.models.ensemble import choose_blend

    blend = choose_blend(split.validation.labels, [fitted.probabilities], None)
    members = {0: fitted.classifier}
    return _blend(fitted.config, split, members, (fitted.config,), blend, validation)


def _blend(
    config: Config,
    split: Split,
    members: "Mapping[int, Classifier]",
    configs: tuple[Config, ...],
    blend: "Blend",
    validation: "TokenIds",
    path: "LinearPath | None" = None,
) -> Winner:
    """Combine classifiers, and set the threshold for the config's target precision."""
    from ecomclf.evaluation.calibration import threshold_for
    from ecomclf.models.ensemble import build_ensemble

    networks = {number: each.network for number, each in members.items()}
    first = next(iter(members.values()))
    ngrams = next((each.ngrams for each in members.values() if each.ngrams), None)
    classifier = first.with_network(build_ensemble(networks, blend), path, ngrams)
    probabilities = classifier.predict_encoded(validation)
    # Others need a review at any threshold.
    known = validation.has_known
    classifier.threshold = threshold_for(
        split.validation.labels[known], probabilities[known], config.winner.target_precision
    )
    needs_review = classifier.needs_review(validation, probabilities)
    return Winner(tuple(members), configs, blend, classifier, probabilities, needs_review)


def _candidates(
    config: Config, study: optuna.Study, tracking: Tracking, runs: Mapping[int, Run]
) -> dict[int, Config]:
    """Return the configs of the best trials that have the text config of the very best."""
    best = ranked(study)[: config.sweep.keep_models]
    # In a study that was evaluated before, other trials have lost their models.
    kept = [
        number
        for number in best
        if tracking.has_artifact(runs[number].info.run_id, CLASSIFIER_FOLDER)
    ]
    if not kept:
        raise JobError(
            f"none of the best trials ({', '.join(map(str, best))}) has its model left in the "
            "artifact store; train more with a larger --trials, or start a new --study"
        )
    configs = {
        number: config.with_values(chosen_values(config.sweep.space, study.trials[number].params))
        for number in kept
    }
    same_texts = [number for number in kept if configs[number].text == configs[kept[0]].text]
    return {number: configs[number] for number in same_texts[: config.winner.members]}


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
    """Return the ids of the training and validation texts, with the classifier's vocabulary.

    The cached ids are used unless other code made them since, with another vocabulary.
    """
    from ecomclf.text.encoded_texts import encode_texts

    cached = encode_texts(split, config.text)
    if cached.vectorizer.words == classifier.vectorizer.words:
        return cached.train, cached.validation
    return classifier.encode(split.train.texts), classifier.encode(split.validation.texts)


def ranked(study: optuna.Study) -> list[int]:
    """Return the numbers of the complete trials, best first."""
    trials = sorted(complete(study), key=lambda trial: (-(trial.value or 0.0), trial.number))
    return [trial.number for trial in trials]


def delete_other_models(study: optuna.Study, tracking: Tracking, count: int) -> int:
    """Delete the saved classifiers of all but the `count` best trials.

    Returns:
        How many could not be deleted.

    """
    kept = {*ranked(study)[:count]}
    return sum(
        not tracking.delete_artifact(run.info.run_id, CLASSIFIER_FOLDER)
        for number, run in tracking.trial_runs(study.user_attrs[ID]).items()
        if number not in kept
    )
