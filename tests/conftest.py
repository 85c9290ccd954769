"""What all tests share: a store of their own, a tiny config, fast tests before slow ones."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

TINY = """\
data: {source: sample, sample_rows: 400}
text: {max_tokens: 500, max_length: 30}
model:
  {embedding_dim: 8, embeddings: random, filters: null, units: 6, bidirectional: false,
   pooling: max, word_dropout: 0.0, dropout: 0.1}
train: {epochs: 2, patience: 1, learning_rate: 0.01, schedule: plateau, monitor: val_f1_macro}
registry: {allow_below_baseline: true}
sweep:
  trials: 3
  workers: 2
  pruner: none
  space:
    model.embedding_dim: {type: choice, values: [4, 8]}
    model.units: {type: int, low: 4, high: 8, step: 2}
    model.dropout: {type: float, low: 0.0, high: 0.4}
    model.subwords: {type: choice, values: [ngrams, none]}
"""

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# Without files of past examples in the working directory, and whatever the speed of the machine.
settings.register_profile("ecomclf", database=None, deadline=None)
settings.load_profile("ecomclf")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first, so that most mistakes show within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def assert_independent_of_padding(model: Any, length: int) -> None:
    """Compare texts, an empty one among them, alone and in a batch of so many positions."""
    texts = [[5, 9, 3], [7], [7, 7], [2, 4, 6, 8, 10, 12, 14], [1], []]
    batch = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        batch[row, : len(text)] = text
    together = model.predict_on_batch(batch)
    for row, text in enumerate(texts):
        alone = model.predict_on_batch(np.array([text or [0]], np.int32))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    assert np.ptp(together, axis=0).max() > 0.01


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, where MLflow's store and the studies land."""
    for name in list(os.environ):
        if name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database, made once: making one takes seconds, copying it nothing."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(workplace: Path, empty_store: Path) -> Path:
    """A working directory with an empty store in it."""
    shutil.copy(empty_store, workplace)
    return workplace


@pytest.fixture
def tiny(workplace: Path) -> Path:
    """A config whose trials take a few seconds."""
    path = workplace / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def shop(store: Path) -> Any:
    """A small classifier that is the Production version of `shop`."""
    import keras

    from ecomclf.config.schema import ModelConfig
    from ecomclf.models.architecture import build_model
    from ecomclf.models.classifier import Classifier
    from ecomclf.text.cleaning import Cleaner
    from ecomclf.text.vectorizer import Vectorizer
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.registry import Registry

    keras.utils.set_random_seed(1)
    vectorizer = Vectorizer.fit(["case for phone with"], max_tokens=20, max_length=10)
    network = build_model(
        ModelConfig(embedding_dim=6, units=5), vocabulary_size=6, classes=2, max_length=9
    )
    classifier = Classifier(Cleaner(["lowercase"]), vectorizer, network, ["Cases", "Phones"])
    run = connect("served").start_run("train", "one", tags={})
    registry = Registry(connect("served").uri, "shop")
    model = run.log_model(classifier, {}, {})
    registry.register(run, model, study="s", study_id="i", trials="0", recipe="r")
    registry.promote("1", "Production")
    return classifier
