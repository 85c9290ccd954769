"""`fit`: train a network, with early stopping, learning-rate schedules and metrics per epoch."""

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


class StopTraining(Exception):  # noqa: N818 - no error
    """Raised by `on_epoch` to end the training after this epoch as if it had been the last one."""


@dataclass(frozen=True)
class History:
    """The metrics of each epoch, and the epoch whose weights were kept.

    Attributes:
        epochs: `epochs[i]` holds the metrics of epoch i + 1: `loss`, `accuracy`, `f1_macro` and
            `f1_weighted`, each as `train_…` and `val_…`, and `learning_rate`.
        kept_epoch: number of the kept epoch, from 1.

    Example:
        >>> History(epochs=({"val_loss": 0.9}, {"val_loss": 0.4}), kept_epoch=2).kept
        {'val_loss': 0.4}

    """

    epochs: tuple[EpochMetrics, ...]
    kept_epoch: int

    @property
    def kept(self) -> EpochMetrics:
        """Return the metrics of the epoch whose weights were kept."""
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
    """Train a network until the monitored metric stops improving.

    Training ends after `config.epochs`, or once `config.stop_on` (by default `config.monitor`) has
    not improved for `config.patience` epochs. The model then has the weights of its best epoch by
    that metric, or of its last epoch with `keep: last`.

    Args:
        model: an uncompiled network, trained in place.
        train: batches to train on.
        validation: batches to compute the `val_…` metrics on.
        config: optimizer, schedule and early stopping.
        tensorboard: folder for TensorBoard's event files.
        on_epoch: called after each epoch with its number, from 1, and its metrics. `StopTraining`
            ends the training; any other exception that it raises also does, and is passed on.

    Returns:
        The metrics of each epoch, and which epoch was kept.

    Raises:
        TrainingDivergedError: the loss is no longer finite.

    """
    _compile(model, config, steps_per_epoch=len(train))
    stopping, recorder = _early_stopping(config), _Recorder(on_epoch)
    board = keras.callbacks.TensorBoard(tensorboard, write_graph=False)
    try:
        model.fit(
            train.dataset(),
            shuffle=False,
            validation_data=validation.dataset(),
            epochs=config.epochs,
            verbose=0,
            # The recorder may raise to end the training; it is last, so that the other callbacks
            # have handled the epoch by then.
            callbacks=[stopping, *_reduce_on_plateau(config), board, recorder],
        )
    except BaseException:
        # Keras calls `on_train_end` only after a complete training; TensorBoard has open files.
        board.on_train_end()
        raise
    epochs = tuple(recorder.epochs)
    kept = stopping.best_epoch + 1 if config.keep == "best" else len(epochs)
    return History(epochs=epochs, kept_epoch=kept)


def _compile(model: keras.Model, config: TrainConfig, steps_per_epoch: int) -> None:
    model.compile(
        optimizer=keras.optimizers.Adam(_learning_rate(config, steps_per_epoch)),
        loss="categorical_crossentropy",
        metrics=_metrics(model.output_shape[-1]),
    )
    # Created before the first step; a step that creates variables is traced a second time, which
    # takes a second or more.
    model.optimizer.build(model.trainable_variables)


def _metrics(classes: int) -> list[keras.metrics.Metric]:
    """Return the training metrics, with their variables created."""
    f1 = [
        keras.metrics.F1Score(average=average, name=f"f1_{average}")
        for average in ("macro", "weighted")
    ]
    for metric in f1:
        zeros = keras.ops.zeros((1, classes))
        metric.update_state(zeros, zeros)
        metric.reset_state()
    return [keras.metrics.CategoricalAccuracy(name="accuracy"), *f1]


def _learning_rate(config: TrainConfig, steps_per_epoch: int) -> Any:
    """Return the optimizer's learning rate: a number, or a schedule with warm-up."""
    if config.schedule != "cosine":
        return config.learning_rate
    steps = config.epochs * steps_per_epoch
    warmup = round(config.warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=config.learning_rate,
        warmup_steps=max(1, warmup),
    )


def _early_stopping(config: TrainConfig) -> Any:
    return keras.callbacks.EarlyStopping(
        monitor=config.stop_on or config.monitor,
        mode="min" if config.stop_on == "val_loss" else "max",
        patience=config.patience,
        restore_best_weights=config.keep == "best",
    )


def _reduce_on_plateau(config: TrainConfig) -> list[Any]:
    if config.schedule != "plateau":
        return []
    return [
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=config.reduce_factor, patience=config.reduce_patience
        )
    ]


class _Recorder(keras.callbacks.Callback):
    """Collects the metrics of each epoch under their logged names, and calls `on_epoch`."""

    def __init__(self, on_epoch: Callable[[int, EpochMetrics], None]) -> None:
        super().__init__()
        self.epochs: list[EpochMetrics] = []
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if "learning_rate" not in values:  # only callbacks that change the rate log it
            rate = self.model.optimizer.learning_rate
            values["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        unprefixed = ("val_", "learning_rate")
        metrics = {
            name if name.startswith(unprefixed) else f"train_{name}": value
            for name, value in values.items()
        }
        if not math.isfinite(metrics["train_loss"]):
            raise TrainingDivergedError(
                f"training loss must be finite but is {metrics['train_loss']} in epoch "
                f"{epoch + 1}; lower train.learning_rate (now {metrics['learning_rate']:g})"
            )
        self.epochs.append(metrics)
        try:
            self._on_epoch(epoch + 1, metrics)
        except StopTraining:
            self.model.stop_training = True
