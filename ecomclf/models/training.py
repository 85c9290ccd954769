"""The training recipe: one config → a fitted classifier. It knows nothing of MLflow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ecomclf.config.loading import Config
from ecomclf.data.class_weights import class_weights
from ecomclf.data.resampling import drop_suspects, resample_rows
from ecomclf.data.splitting import Split
from ecomclf.evaluation.cross_validation import label_support
from ecomclf.evaluation.report import Report, evaluate
from ecomclf.models.architecture import build_model
from ecomclf.models.classifier import Classifier
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.models.fitting import EpochMetrics, History, fit
from ecomclf.models.subword_layers import SUBWORD_BUCKETS, fold_subwords
from ecomclf.runtime.timing import Stopwatch
from ecomclf.text.batching import TrainingBatches
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.encoded_texts import EncodedTexts
from ecomclf.text.subwords import Subwords
from ecomclf.text.token_ids import TokenIds

# A row with less support for its label is dropped by `suspects: drop`.
_LEAST_SUPPORT = 0.3
# With `suspects: weigh` a row weighs as much as the support for its label, but at least this much.
_LEAST_WEIGHT = np.float32(0.1)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier, and how it was trained.

    Attributes:
        config: what was trained.
        classifier: with the weights of the kept epoch.
        history: metrics of each epoch.
        report: metrics on the validation rows.
        probabilities: float32 [validation rows, classes].
        vector_coverage: metrics of a word-vector file: the fraction of the vocabulary and of the
            tokens that it covers; empty without one.

    """

    config: Config
    classifier: Classifier
    history: History
    report: Report
    probabilities: np.ndarray
    vector_coverage: dict[str, float]


def fit_classifier(
    config: Config,
    split: Split,
    texts: EncodedTexts,
    on_epoch: Callable[[int, EpochMetrics], None],
    *,
    tensorboard: Path,
    watch: Stopwatch,
) -> Fitted:
    """Train one set of hyperparameters on the training rows; test rows are not touched.

    Args:
        config: hyperparameters.
        split: labels and class names.
        texts: the split's texts as ids, encoded with `config.text`.
        on_epoch: called after each epoch with its number, from 1, and its metrics; see `fit`.
        tensorboard: folder for TensorBoard's event files.
        watch: records the seconds spent on each step.

    Raises:
        TrainingDivergedError: the loss is no longer finite.

    """
    keras.utils.set_random_seed(config.seed)
    embeddings, vector_coverage = texts.initial_embeddings(config.model)
    watch.lap("vectors")
    ngrams = texts.ngrams(SUBWORD_BUCKETS) if config.model.subwords != "none" else None
    model = build_model(
        config.model,
        vocabulary_size=texts.vectorizer.vocabulary_size,
        classes=len(split.classes),
        max_length=config.text.max_length,
        embeddings=embeddings,
    )
    fast = with_fast_lstms(model)
    watch.lap("building")

    def time_epoch(epoch: int, metrics: EpochMetrics) -> None:
        watch.lap("fitting")
        on_epoch(epoch, metrics)
        watch.lap("logging")

    train, validation = _batches(config, split, texts, ngrams)
    if config.train.suspects != "keep":
        watch.lap("suspects")
    try:
        history = fit(
            fast, train, validation, config.train, tensorboard=tensorboard, on_epoch=time_epoch
        )
    finally:
        watch.lap("fitting")
    model.set_weights(fast.get_weights())
    if ngrams is not None:
        fold_subwords(model, texts.vectorizer, ngrams)
    classifier = Classifier(
        texts.cleaner,
        texts.vectorizer,
        model,
        split.classes,
        text_columns=split.text_columns,
        ngrams=ngrams,
    )
    probabilities = classifier.predict_encoded(texts.validation)
    report = evaluate(split.validation.labels, probabilities, split.classes, ordered=split.ordered)
    watch.lap("evaluating")
    return Fitted(config, classifier, history, report, probabilities, vector_coverage)


def _batches(
    config: Config, split: Split, texts: EncodedTexts, ngrams: CharacterNgrams | None
) -> tuple[TrainingBatches, TrainingBatches]:
    """Return the batches of the training rows that are drawn, and of the validation rows."""

    def with_subwords(ids: TokenIds) -> TokenIds | Subwords:
        return ids if ngrams is None else Subwords.of_all(ids, texts.vectorizer, ngrams)

    ids, labels = with_subwords(texts.train), split.train.labels
    rows, weights = _draw_rows(config, split)
    if rows is not None:
        ids, labels = ids.take(rows), labels[rows]
    classes, batch_size = len(split.classes), config.train.batch_size
    train = TrainingBatches(
        ids,
        labels,
        classes=classes,
        batch_size=batch_size,
        shuffle=True,
        seed=config.seed,
        word_swap=config.train.word_swap,
        weights=weights,
    )
    validation = TrainingBatches(
        with_subwords(texts.validation),
        split.validation.labels,
        classes=classes,
        batch_size=batch_size,
        shuffle=False,
    )
    return train, validation


def _draw_rows(config: Config, split: Split) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return which training rows to train on, suspects dropped and classes resampled, if at all.

    Returns:
        int64 [drawn rows], None for all rows; and their weights in the loss, float32 [drawn rows],
        None if all weigh the same.

    """
    labels, suspects = split.train.labels, config.train.suspects
    rows = weights = None
    if suspects != "keep":
        support = label_support(split.train, len(split.classes))
        if suspects == "weigh":
            weights = np.maximum(support, _LEAST_WEIGHT)
        else:
            rows = drop_suspects(labels, support, _LEAST_SUPPORT)
    if config.train.resample:
        kept = np.arange(len(labels)) if rows is None else rows
        rows = kept[resample_rows(labels[kept], split.classes, config.train.resample, config.seed)]
    if rows is not None and weights is not None:
        weights = weights[rows]
    return rows, _weigh_classes(config, split, rows, weights)


def _weigh_classes(
    config: Config, split: Split, rows: np.ndarray | None, weights: np.ndarray | None
) -> np.ndarray | None:
    """Return the weights of the drawn rows times those of their classes among these rows."""
    labels = split.train.labels if rows is None else split.train.labels[rows]
    of_classes = class_weights(labels, split.classes, config.train.class_weight)
    if of_classes is None:
        return weights
    of_rows: np.ndarray = of_classes[labels]
    return of_rows if weights is None else weights * of_rows
