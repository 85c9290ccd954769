import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

pytestmark = pytest.mark.slow


def train_with(backend: str, config: Path) -> "subprocess.CompletedProcess[str]":
    """Run `ecomclf train` with Keras on a backend."""
    return subprocess.run(
        [sys.executable, "-m", "ecomclf", "train", "--config", str(config)],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_config_trains_with_pytorch_too(tiny: Path) -> None:
    """What PyTorch has trained is judged, logged, and saved so that TensorFlow loads it."""
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    done = train_with("torch", tiny)
    assert done.returncode == 0, done.stderr
    client = MlflowClient()
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    saved = client.download_artifacts(run.info.run_id, "classifier")
    sample = client.download_artifacts(run.info.run_id, "sample_predictions.json")
    table = json.loads(Path(sample).read_text(encoding="utf-8"))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    from ecomclf.models.classifier import Classifier

    classifier = Classifier.load(Path(saved))
    probabilities = classifier.predict_proba([row["text"] for row in rows])
    labels = [classifier.classes_[at] for at in probabilities.argmax(axis=1)]
    assert labels == [row["predicted"] for row in rows]
    assert probabilities.max(axis=1) == pytest.approx([row["confidence"] for row in rows], abs=1e-3)


def test_an_unknown_backend_is_refused(tiny: Path) -> None:
    """One line says which there are; no run is left."""
    done = train_with("jax", tiny)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "KERAS_BACKEND must be tensorflow or torch but is 'jax'" in done.stderr
    assert not (tiny.parent / "mlflow.db").exists()


def test_repeats_with_pytorch_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow has judged the winner by then, and would train the repeats."""
    from ecomclf.errors import RequestError
    from ecomclf.runtime.tensorflow_setup import require_backend

    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(RequestError, match="--repeats trains with TensorFlow"):
        require_backend(repeats=True)


def test_pytorch_that_is_not_installed_is_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says how to install it."""
    from ecomclf.errors import RequestError
    from ecomclf.runtime.tensorflow_setup import require_backend

    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(RequestError, match=r"ecomclf\[torch\]"):
        require_backend()
