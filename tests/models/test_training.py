from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split, Subset
from ecomclf.models import training
from ecomclf.models.training import Fitted, fit_classifier
from ecomclf.runtime.timing import Stopwatch
from ecomclf.text.batching import TrainingBatches
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts

CLASSES = ("Hats", "Shoes")
# Training rows whose label is wrong.
WRONG = {3, 25, 44}


def make_rows(first: int, count: int) -> Subset:
    """Return texts of two classes; each has its own number of the word "a", which says nothing."""
    kinds = (("straw hat", "wool hat"), ("leather shoe", "sport shoe"))
    texts = [
        f"{kinds[row % 2][row // 2 % 2]} {'a ' * row}{'nice' if row % 3 else 'good'}"
        for row in range(count)
    ]
    labels = np.arange(count, dtype=np.int32) % 2
    return Subset(tuple(texts), labels, np.arange(first, first + count, dtype=np.int32))


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Split:
    """A split with three wrong training labels, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    train = make_rows(0, 60)
    for row in WRONG:
        train.labels[row] = 1 - train.labels[row]
    return Split(train, make_rows(60, 12), make_rows(72, 12), CLASSES, "fingerprint")


def make_config(**train: object) -> Config:
    """Return a config whose training takes a second."""
    return Config(
        name="tiny",
        text={"max_length": 70},
        model={"embedding_dim": 4, "embeddings": "random", "filters": None, "units": 4},
        train={"epochs": 1, "batch_size": 8, **train},
    )


def training_batches(split: Split, **train: object) -> TrainingBatches:
    """Return the batches that a network is trained on."""
    config = make_config(**train)
    return training._batches(config, split, encode_texts(split, config.text), None)[0]


def rows_of(batches: TrainingBatches) -> Counter[int]:
    """Return how often an epoch has each training row, by its number of words."""
    return Counter(int(length) - 3 for batch in batches for length in (batch[0] > 0).sum(axis=1))


def test_suspects_are_kept_by_default(split: Split) -> None:
    """All rows are trained on and weigh the same; no labels are checked for that."""
    batches = training_batches(split)
    assert rows_of(batches) == Counter(range(60))
    assert {len(batch) for batch in batches} == {2}
    assert not list(Path("data/cache").glob("labels-*"))


def test_suspects_are_dropped(split: Split) -> None:
    """Rows with wrong labels are not trained on."""
    assert rows_of(training_batches(split, suspects="drop")) == Counter(set(range(60)) - WRONG)


def test_suspects_weigh_less(split: Split) -> None:
    """All rows are trained on; those with wrong labels have small weights, but not 0."""
    batches = training_batches(split, suspects="weigh", word_swap=0.2)
    weights = {
        int(length) - 3: weight
        for ids, _, of_batch in batches
        for length, weight in zip((ids > 0).sum(axis=1), of_batch.tolist(), strict=True)
    }
    assert sorted(weights) == list(range(60))
    assert all(0.1 <= weights[row] < 0.5 for row in WRONG)
    assert all(weights[row] == 1 for row in set(weights) - WRONG)


def test_suspects_are_dropped_before_classes_are_resampled(split: Split) -> None:
    """So a suspect is not drawn in the place of a row that was dropped."""
    drawn = rows_of(training_batches(split, suspects="drop", resample={"Hats": 90, "Shoes": 9}))
    assert not set(drawn) & WRONG
    assert drawn.total() == 99


def test_weights_follow_resampled_rows(split: Split) -> None:
    """Each copy of a row has the row's weight."""
    batches = training_batches(split, suspects="weigh", resample={"Hats": 90})
    light = Counter(
        int(length) - 3
        for ids, _, weights in batches
        for length, weight in zip((ids > 0).sum(axis=1), weights, strict=True)
        if weight < 1
    )
    assert set(light) == WRONG
    assert light[25] >= 1
    assert sum(len(weights) for *_, weights in batches) == 90 + int((split.train.labels == 1).sum())


def weights_of(batches: TrainingBatches) -> dict[int, float]:
    """Return the weight of each training row, by its number of words."""
    return {
        int(length) - 3: weight
        for ids, _, weights in batches
        for length, weight in zip((ids > 0).sum(axis=1), weights.tolist(), strict=True)
    }


def test_rows_weigh_as_their_class_does(split: Split) -> None:
    """Classes that are not named weigh 1."""
    weights = weights_of(training_batches(split, class_weight={"Hats": 3}))
    assert weights == {row: 1 if split.train.labels[row] else 3 for row in range(60)}


def test_balanced_weights_are_those_of_the_rows_that_are_drawn(split: Split) -> None:
    """Where `resample` has evened the classes out already, all rows weigh 1."""
    balanced = {"class_weight": "balanced"}
    resampled = training_batches(split, resample={"Hats": 10, "Shoes": 30}, **balanced)
    assert sorted({*weights_of(resampled).values()}) == pytest.approx([2 / 3, 2.0])
    even = training_batches(split, resample={"Hats": 20, "Shoes": 20}, **balanced)
    assert {*weights_of(even).values()} == {1.0}


def test_suspects_weigh_less_within_their_class(split: Split) -> None:
    """The weights of suspects and classes are multiplied."""
    alone = weights_of(training_batches(split, suspects="weigh"))
    both = weights_of(training_batches(split, suspects="weigh", class_weight={"Shoes": 4}))
    factor = {row: 4 if split.train.labels[row] else 1 for row in range(60)}
    assert both == pytest.approx({row: alone[row] * factor[row] for row in range(60)})


def test_a_class_of_suspects_keeps_its_rows(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class never vanishes from training."""
    support = np.where(split.train.labels == 1, np.float32(0.01), np.float32(1))
    monkeypatch.setattr(training, "label_support", lambda *_: support)
    assert rows_of(training_batches(split, suspects="drop")) == Counter(range(60))


def fit(split: Split, texts: EncodedTexts, config: Config, watch: Stopwatch) -> Fitted:
    """Train a tiny network."""
    return fit_classifier(
        config, split, texts, lambda *_: None, tensorboard=Path("tensorboard"), watch=watch
    )


@pytest.mark.slow
@pytest.mark.parametrize("value", ["keep", "weigh", "drop"])
def test_networks_are_trained_with_every_value_of_suspects(split: Split, value: str) -> None:
    """Validation rows count the same with each; trials share one check of the labels."""
    config, watch = make_config(suspects=value), Stopwatch()
    texts = encode_texts(split, config.text)
    fitted = fit(split, texts, config, watch)
    assert fitted.probabilities.shape == (12, 2)
    assert fitted.report.loss == pytest.approx(fitted.history.kept["val_loss"], abs=1e-5)
    assert ("seconds/suspects" in watch.metrics()) == (value != "keep")
    fit(split, texts, config.with_values({"seed": 1}), watch)
    assert len(list(Path("data/cache").glob("labels-*/"))) == (value != "keep")


@pytest.mark.slow
def test_weights_of_1_train_the_same_network(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weighing changes the loss of suspects only."""
    config = make_config()
    texts = encode_texts(split, config.text)
    plain = fit(split, texts, config, Stopwatch())
    ones = np.ones(len(split.train), np.float32)
    monkeypatch.setattr(training, "label_support", lambda *_: ones)
    weighing = config.with_values({"train.suspects": "weigh"})
    weighed = fit(replace(split), texts, weighing, Stopwatch())
    np.testing.assert_allclose(weighed.probabilities, plain.probabilities, atol=1e-5)


@pytest.mark.slow
def test_a_network_with_subwords_reads_words_that_no_training_text_has(split: Split) -> None:
    """The kept epoch's validation metrics are those of the classifier, whose vectors are folded."""
    config = make_config(epochs=3).with_values({"model.subwords": "ngrams"})
    fitted = fit(split, encode_texts(split, config.text), config, Stopwatch())
    assert fitted.report.f1_weighted == pytest.approx(fitted.history.kept["val_f1_weighted"])
    assert fitted.report.loss == pytest.approx(fitted.history.kept["val_loss"], abs=1e-5)
    plural, other = fitted.classifier.predict_proba(["shoess", "qqqq"])
    assert np.abs(plural - other).max() > 1e-6
