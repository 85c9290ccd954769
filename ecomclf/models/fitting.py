"""Fit: learning-rate and stopping rules, metrics an epoch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from ecomclf.config.schema import TrainConfig
from ecomclf.errors import TrainingDivergedError
from ecomclf.text.batching import TrainingBatches

EpochMetrics = dict[str, float]


@dataclass(frozen=True)
class History:
    """What each epoch reached, and which one's weights were kept.

    `epochs[i]` holds epoch i + 1: `train_…` and `val_…` of `loss`, `accuracy`, `f1_macro`,
    `f1_weighted`, and `learning_rate`. `kept_epoch` counts from 1.
    """

    epochs: tuple[EpochMetrics, ...]
    kept_epoch: int

    @property
    def kept(self) -> EpochMetrics:
        """Give the metrics of the epoch whose weights the model has."""
        return self.epochs[self.kept_epoch - 1]


def fit(
    model: keras.Model,
    train: TrainingBatches,
    validation: TrainingBatches,
    config: TrainConfig,
    *,
    tensorboard: Path,
    on_epoch: Callable[[int, EpochMetrics], None],
) -> History:
    """Train until the figure that decides has not improved for `patience` epochs.

    The model ends with the weights of its best epoch, or of the last where the config says so.

    Args:
        model: not compiled; changed in place.
        train: batches to learn from.
        validation: batches to choose the epoch by.
        config: optimizer and rules.
        tensorboard: folder for TensorBoard's event files.
        on_epoch: called after each epoch with its number, from 1, and its metrics; what it raises
            ends the training.

    Raises:
        TrainingDivergedError: the loss stopped being a number.

    """
    model.compile(
        optimizer=keras.optimizers.Adam(_learning_rate(config, len(train))),
        loss="categorical_crossentropy",
        metrics=_metrics(model.output_shape[-1]),
    )
    # A first step that makes variables would be traced a second time, for a second or more.
    model.optimizer.build(model.trainable_variables)
    stopping = keras.callbacks.EarlyStopping(
        monitor=config.stop_on or config.monitor,
        mode="min" if config.stop_on == "val_loss" else "max",
        patience=config.patience,
        restore_best_weights=config.keep == "best",
    )
    callbacks = [stopping]
    if config.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=config.reduce_factor, patience=config.reduce_patience
            )
        )
    board = keras.callbacks.TensorBoard(tensorboard, write_graph=False)
    recorder = _Recorder(on_epoch)
    try:
        model.fit(
            train.dataset(),
            shuffle=False,
            validation_data=validation.dataset(),
            epochs=config.epochs,
            verbose=0,
            # The recorder comes last: when it ends the training, the others have had the epoch.
            callbacks=[*callbacks, board, recorder],
        )
    except BaseException:
        # Keras ends callbacks only when all went well; this one has files open.
        board.on_train_end()
        raise
    epochs = tuple(recorder.epochs)
    kept = stopping.best_epoch + 1 if config.keep == "best" else len(epochs)
    return History(epochs=epochs, kept_epoch=kept)


def _metrics(classes: int) -> list[keras.metrics.Metric]:
    """Give the metrics, their variables made."""
    f1 = [
        keras.metrics.F1Score(average=average, name=f"f1_{average}")
        for average in ("macro", "weighted")
    ]
    for metric in f1:
        nothing = keras.ops.zeros((1, classes))
        metric.update_state(nothing, nothing)
        metric.reset_state()
    return [keras.metrics.CategoricalAccuracy(name="accuracy"), *f1]


def _learning_rate(config: TrainConfig, steps_an_epoch: int) -> Any:
    """Give the optimizer's learning rate: a number that a rule changes, or a schedule."""
    if config.schedule != "cosine":
        return config.learning_rate
    steps = config.epochs * steps_an_epoch
    warmup = round(config.warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=config.learning_rate,
        warmup_steps=max(1, warmup),
    )


class _Recorder(keras.callbacks.Callback):
    """Keeps each epoch's metrics under the names they are logged by, and passes them on."""

    def __init__(self, on_epoch: Callable[[int, EpochMetrics], None]) -> None:
        super().__init__()
        self.epochs: list[EpochMetrics] = []
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if "learning_rate" not in figures:  # only a rule that changes it puts it there
            rate = self.model.optimizer.learning_rate
            figures["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        as_they_are = ("val_", "learning_rate")
        metrics = {
            name if name.startswith(as_they_are) else f"train_{name}": value
            for name, value in figures.items()
        }
        if not math.isfinite(metrics["train_loss"]):
            raise TrainingDivergedError(
                f"the training loss is {metrics['train_loss']} in epoch {epoch + 1}; "
                f"lower train.learning_rate (now {metrics['learning_rate']:g})"
            )
        self.epochs.append(metrics)
        self._on_epoch(epoch + 1, metrics)
