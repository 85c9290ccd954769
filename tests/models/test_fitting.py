from pathlib import Path

import keras
import numpy as np
import pytest

from ecomclf.config.schema import ModelConfig, TrainConfig
from ecomclf.errors import TrainingDivergedError
from ecomclf.evaluation.report import evaluate
from ecomclf.models.architecture import build_model
from ecomclf.models.fitting import EpochMetrics, History, StopTraining, fit
from ecomclf.text.batching import TrainingBatches
from ecomclf.text.token_ids import TokenIds


def rows(count: int, seed: int) -> tuple[TokenIds, np.ndarray]:
    """Return texts of tokens 1 to 9; their class is whether a 1 occurs before any 2."""
    generator = np.random.default_rng(seed)
    texts = generator.integers(1, 10, (count, 6)).astype(np.int32)
    first = {
        token: np.where((texts == token).any(1), (texts == token).argmax(1), 9) for token in (1, 2)
    }
    return TokenIds(texts.ravel(), np.arange(0, 6 * count + 1, 6)), (first[1] < first[2]).astype(
        np.int32
    )


def train(
    tmp_path: Path,
    seen: list[EpochMetrics] | None = None,
    weights: np.ndarray | None = None,
    **options: object,
) -> tuple[History, keras.Model]:
    """Fit a tiny network on these texts."""
    keras.utils.set_random_seed(3)
    few = {"epochs": 4, "learning_rate": 0.02, "batch_size": 32, "schedule": "plateau"}
    config = TrainConfig(**{**few, **options})
    small = ModelConfig(
        embedding_dim=6, units=6, filters=None, word_dropout=0, embedding_dropout=0.1, dropout=0.1
    )
    model = build_model(small, vocabulary_size=10, classes=2, max_length=6)
    batches = [
        TrainingBatches(*rows(count, seed), classes=2, batch_size=32, shuffle=shuffle, weights=of)
        for count, seed, shuffle, of in ((300, 0, True, weights), (120, 1, False, None))
    ]
    history = fit(
        model,
        *batches,
        config,
        tensorboard=tmp_path / "tensorboard",
        on_epoch=lambda _, metrics: (seen if seen is not None else []).append(metrics),
    )
    return history, model


def validation_loss(model: keras.Model) -> float:
    """Return the loss of a trained network on its validation rows."""
    ids, labels = rows(120, 1)
    report = evaluate(labels, model.predict_on_batch(ids.padded(np.arange(120))), ("no", "yes"))
    assert report.loss is not None
    return report.loss


@pytest.mark.slow
def test_the_model_ends_with_the_weights_of_its_best_epoch(tmp_path: Path) -> None:
    """The kept epoch is the one with the best monitored metric, and the model has its metrics."""
    history, model = train(tmp_path, epochs=6, patience=5)
    scores = [epoch["val_f1_macro"] for epoch in history.epochs]
    assert history.kept_epoch == 1 + int(np.argmax(scores))
    ids, labels = rows(120, 1)
    report = evaluate(labels, model.predict_on_batch(ids.padded(np.arange(120))), ("no", "yes"))
    assert report.f1_macro == pytest.approx(history.kept["val_f1_macro"], abs=1e-6)
    assert report.f1_weighted == pytest.approx(history.kept["val_f1_weighted"], abs=1e-6)
    assert report.accuracy == pytest.approx(history.kept["val_accuracy"], abs=1e-6)
    assert report.loss == pytest.approx(history.kept["val_loss"], abs=1e-5)


@pytest.mark.slow
def test_batches_may_differ_in_length(tmp_path: Path) -> None:
    """The first two have the same length here, the later ones do not."""
    lengths = [4] * 8 + [6] * 4 + [9] * 4
    ids = TokenIds(np.ones(sum(lengths), np.int32), np.cumsum([0, *lengths]))
    batches = TrainingBatches(
        ids, np.arange(16, dtype=np.int32) % 2, classes=2, batch_size=4, shuffle=False
    )
    model = build_model(
        ModelConfig(embedding_dim=4, units=4), vocabulary_size=3, classes=2, max_length=9
    )
    config = TrainConfig(epochs=2)
    history = fit(model, batches, batches, config, tensorboard=tmp_path, on_epoch=lambda *_: None)
    assert len(history.epochs) == 2


@pytest.mark.slow
def test_every_metric_of_each_epoch_is_reported(tmp_path: Path) -> None:
    """`on_epoch` gets the metrics of the history, under their logged names."""
    seen: list[EpochMetrics] = []
    history, _ = train(tmp_path, seen, epochs=2)
    assert seen == list(history.epochs)
    metrics = ("loss", "accuracy", "f1_macro", "f1_weighted")
    names = {f"{side}_{metric}" for side in ("train", "val") for metric in metrics}
    assert all(names | {"learning_rate"} == set(epoch) for epoch in seen)
    assert seen[0]["learning_rate"] == pytest.approx(0.02)


@pytest.mark.slow
def test_training_stops_early_and_lowers_the_learning_rate(tmp_path: Path) -> None:
    """Without improvement the rate is reduced, and training ends after `patience` epochs."""
    history, _ = train(tmp_path, epochs=20, learning_rate=1e-12, patience=3)
    assert len(history.epochs) == 4
    assert history.kept_epoch == 1
    rates = [epoch["learning_rate"] for epoch in history.epochs]
    assert rates[-1] < rates[0]


@pytest.mark.slow
def test_training_may_stop_on_the_validation_loss(tmp_path: Path) -> None:
    """It still falls after the score has reached 1; the epoch with the lowest loss is kept."""
    many = {"epochs": 8, "learning_rate": 0.05, "patience": 3, "schedule": "constant"}
    by_score, _ = train(tmp_path / "score", **many)
    by_loss, model = train(tmp_path / "loss", **many, stop_on="val_loss")
    assert len(by_score.epochs) < len(by_loss.epochs)
    assert by_loss.epochs[: len(by_score.epochs)] == by_score.epochs
    losses = [epoch["val_loss"] for epoch in by_loss.epochs]
    assert by_loss.kept_epoch == 1 + int(np.argmin(losses)) > by_score.kept_epoch
    assert validation_loss(model) == pytest.approx(min(losses), abs=1e-5)

    still, _ = train(
        tmp_path / "still", epochs=20, learning_rate=1e-12, patience=2, stop_on="val_loss"
    )
    assert (still.kept_epoch, len(still.epochs)) == (1, 3)


@pytest.mark.slow
def test_the_last_epoch_may_be_kept(tmp_path: Path) -> None:
    """The model has its weights although an earlier epoch was better, also when stopped early."""
    history, model = train(tmp_path / "all", epochs=9, learning_rate=0.1, patience=9, keep="last")
    scores = [epoch["val_f1_macro"] for epoch in history.epochs]
    assert 1 + int(np.argmax(scores)) < history.kept_epoch == len(history.epochs) == 9
    assert history.kept == history.epochs[-1]
    assert validation_loss(model) == pytest.approx(history.kept["val_loss"], abs=1e-5)

    stopped, _ = train(
        tmp_path / "stopped", epochs=20, learning_rate=1e-12, patience=2, keep="last"
    )
    assert stopped.kept_epoch == len(stopped.epochs) == 3


@pytest.mark.slow
def test_a_constant_learning_rate_does_not_change(tmp_path: Path) -> None:
    """It is not reduced when nothing improves, nor towards the last epoch."""
    history, _ = train(tmp_path, schedule="constant", epochs=4, learning_rate=1e-12, patience=4)
    rates = [epoch["learning_rate"] for epoch in history.epochs]
    assert rates == pytest.approx([1e-12] * 4, rel=1e-6, abs=0)


@pytest.mark.slow
def test_a_cosine_schedule_warms_up_and_decays_to_0(tmp_path: Path) -> None:
    """Two of five epochs are warm-up; each epoch logs the rate at its end, 0 for the last."""
    history, _ = train(tmp_path, schedule="cosine", epochs=5, warmup=0.4, patience=5)
    rates = [epoch["learning_rate"] for epoch in history.epochs]
    cosine = [0.02 * (1 + np.cos(np.pi * share)) / 2 for share in (1 / 3, 2 / 3, 1)]
    assert rates == pytest.approx([0.01, 0.02, *cosine], abs=1e-7)
    assert history.kept["val_accuracy"] > history.epochs[0]["val_accuracy"]


@pytest.mark.slow
def test_the_same_seed_trains_the_same_model(tmp_path: Path) -> None:
    """All metrics of two trainings with the same config and seed are equal."""
    first, second = (train(tmp_path / name)[0] for name in ("a", "b"))
    assert first == second


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    """The error names the epoch and the learning rate."""
    with pytest.raises(TrainingDivergedError, match=r"epoch 1; lower train\.learning_rate"):
        train(tmp_path, learning_rate=1e38, schedule="cosine")


@pytest.mark.slow
def test_weights_change_the_training_loss_only(tmp_path: Path) -> None:
    """Texts of weight 0 are not learned from; accuracies count all texts alike."""
    light = (np.arange(300) % 2).astype(np.float32)
    history, _ = train(tmp_path, weights=light, epochs=1, learning_rate=1e-12)
    plain, _ = train(tmp_path, epochs=1, learning_rate=1e-12)
    weighed, unweighed = history.epochs[0], plain.epochs[0]
    assert weighed["train_loss"] < 0.8 * unweighed["train_loss"]
    for metric in ("train_accuracy", "val_loss", "val_f1_macro"):
        assert weighed[metric] == pytest.approx(unweighed[metric], abs=1e-4)


@pytest.mark.parametrize("weights", [None, np.ones(300, np.float32)], ids=["plain", "weighed"])
def test_the_training_step_is_traced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: np.ndarray | None
) -> None:
    """Keras would trace it again if the first step created variables."""
    traced = []

    def step(self: keras.Model, data: object) -> object:
        traced.append(self)
        return train_step(self, data)

    train_step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", step)
    train(tmp_path, weights=weights, epochs=1)
    assert len(traced) == 1


def test_training_can_be_ended_after_an_epoch_and_kept(tmp_path: Path) -> None:
    """The epochs so far are the history, and the best of them is kept, as after the last epoch."""

    class Stopping(list[EpochMetrics]):
        def append(self, metrics: EpochMetrics) -> None:
            super().append(metrics)
            if len(self) == 2:
                raise StopTraining

    seen = Stopping()
    history, model = train(tmp_path, seen)
    assert history.epochs == tuple(seen)
    assert len(seen) == 2
    assert validation_loss(model) == pytest.approx(history.kept["val_loss"], abs=1e-4)
