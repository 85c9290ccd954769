"""The thing users pull: cleaning + vectorizer + Keras model + class names; save, load, predict.

Prediction goes through here everywhere, in evaluation as in serving, so the two cannot drift apart.
This module needs no config: what a classifier must know travels with it.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from ecomclf.errors import RequestError
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.text.batching import predict_in_batches
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.token_ids import TokenIds
from ecomclf.text.vectorizer import Vectorizer

MODEL_FILE = "model.keras"
ABOUT_FILE = "classifier.json"
DEFAULT_THRESHOLD = 0.5
_WORDS_FILE = "words.json"

# So many texts at once are not worth sorting by length.
_FEW = 4


class Classifier:
    """Texts → class probabilities.

    `classes` are the names of the model's outputs, in their order. A prediction whose confidence
    is under `threshold` needs a review. `text_columns` are the columns that its training texts were
    joined from.
    """

    def __init__(
        self,
        cleaner: Cleaner,
        vectorizer: Vectorizer,
        network: Any,
        classes: Sequence[str],
        *,
        text_columns: Sequence[str] = (),
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.cleaner = cleaner
        self.vectorizer = vectorizer
        self.network = network
        self.classes = tuple(classes)
        self.text_columns = tuple(text_columns)
        self.threshold = threshold

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Classify texts as they come, "" included; float32 [texts, classes], in their order."""
        if 0 < len(texts) <= _FEW and keras.backend.backend() == "tensorflow":
            return self._predict_few(self.vectorizer.cut(self.cleaner.clean(texts)))
        return self.predict_encoded(self.encode(texts))

    def encode(self, texts: Sequence[str]) -> TokenIds:
        """Clean and encode texts as they come."""
        return self.vectorizer.encode(self.cleaner.clean(texts))

    def with_network(self, network: Any) -> "Classifier":
        """Give a classifier of the same texts with another network."""
        return Classifier(
            self.cleaner,
            self.vectorizer,
            network,
            self.classes,
            text_columns=self.text_columns,
            threshold=self.threshold,
        )

    def predict_encoded(self, ids: TokenIds) -> np.ndarray:
        """Classify texts that are cleaned and encoded already; float32 [texts, classes]."""
        return predict_in_batches(self._predict, ids, classes=len(self.classes))

    @functools.cached_property
    def _predict(self) -> Callable[[Any], np.ndarray]:
        return _traced_once(with_fast_lstms(self.network), ((None, None), "int32"))

    @functools.cached_property
    def _predict_few(self) -> Callable[[Any], np.ndarray]:
        # One graph from strings on: called by itself, the vectorizer costs as much as the network.
        return _traced_once(self.string_model(), ((None,), "string"))

    def string_model(self) -> keras.Model:
        """Give one Keras model: tf.string [batch] of cleaned texts → float32 [batch, classes]."""
        texts = keras.Input((), dtype="string", name="texts")
        ids = ops.cast(self.vectorizer.layer(texts), "int32")
        # One more position, so that a batch of empty texts is not empty itself.
        ids = ops.pad(ids, [[0, 0], [0, 1]])[:, : self.vectorizer.max_length]
        return keras.Model(texts, self.network(ids), name="ecomclf")

    def save(self, folder: Path) -> None:
        """Write `model.keras` and `classifier.json` into a folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        if keras.backend.backend() == "tensorflow":
            self.string_model().save(folder / MODEL_FILE)
        else:
            _save_with_tensorflow(self, folder / MODEL_FILE)
        self.save_about(folder)

    def save_about(self, folder: Path) -> None:
        """Write `classifier.json` beside `model.keras`: what the Keras model does not hold."""
        about = {
            "model_sha256": _sha256(folder / MODEL_FILE),
            "steps": self.cleaner.steps,
            "fill_missing": self.cleaner.fill_missing,
            "max_length": self.vectorizer.max_length,
            "classes": self.classes,
            "text_columns": self.text_columns,
            "threshold": self.threshold,
        }
        text = json.dumps(about, ensure_ascii=False, indent=2)
        (folder / ABOUT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, and check that the parts belong together.

        Raises:
            RequestError: a file is missing or damaged, or one is not the other's.

        """
        about = _read_about(folder)
        if about["model_sha256"] != _sha256(folder / MODEL_FILE):
            raise RequestError(
                f"{folder} does not belong together: {ABOUT_FILE} was written for another "
                f"{MODEL_FILE}; take both from one version"
            )
        model = keras.models.load_model(folder / MODEL_FILE, compile=False)
        network, layer = model.get_layer("classifier"), model.get_layer("vectorizer")
        outputs, rows = network.output_shape[-1], min(_vocabulary_sizes(network))
        _require(len(about["classes"]) == outputs, folder, f"the network has {outputs} classes")
        _require(layer.vocabulary_size() <= rows, folder, f"the network knows {rows} ids")
        return cls(
            Cleaner(about["steps"], about["fill_missing"]),
            Vectorizer(layer.get_vocabulary(), about["max_length"]),
            network,
            about["classes"],
            text_columns=about["text_columns"],
            threshold=about["threshold"],
        )


def _save_with_tensorflow(classifier: Classifier, path: Path) -> None:
    """Save the string model by a process of its own: only TensorFlow takes strings in a network."""
    with tempfile.TemporaryDirectory() as name:
        parts = Path(name)
        classifier.network.save(parts / MODEL_FILE)
        words = json.dumps([classifier.vectorizer.max_length, classifier.vectorizer.words])
        (parts / _WORDS_FILE).write_text(words, encoding="utf-8")
        program = (
            "import sys; from ecomclf.models import classifier; classifier.assemble(*sys.argv[1:])"
        )
        subprocess.run(
            [sys.executable, "-c", program, name, str(path)],
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            check=True,
        )


def assemble(parts: str, path: str) -> None:
    """Make a string model of a network and its words, in the files that another backend wrote."""
    network = keras.models.load_model(Path(parts) / MODEL_FILE, compile=False)
    text = (Path(parts) / _WORDS_FILE).read_text(encoding="utf-8")
    max_length, words = json.loads(text)
    vectorizer = Vectorizer(words, max_length)
    Classifier(Cleaner(()), vectorizer, network, ()).string_model().save(path)


def _vocabulary_sizes(network: Any) -> Iterator[int]:
    """Give the number of ids that each embedding of a network, or of one within it, knows."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Embedding):
            yield int(layer.input_dim)
        elif isinstance(layer, keras.Model):
            yield from _vocabulary_sizes(layer)


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        required = (
            "model_sha256",
            "steps",
            "fill_missing",
            "max_length",
            "classes",
            "text_columns",
            "threshold",
        )
        missing = [key for key in required if key not in about]
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot read {folder / ABOUT_FILE}: {error}") from error
    if missing:
        raise RequestError(f"{folder / ABOUT_FILE} lacks {', '.join(missing)}; register it anew")
    return dict(about)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error


def _require(fits: bool, folder: Path, found: str) -> None:
    if not fits:
        raise RequestError(
            f"the files in {folder} do not belong together: {found}, and its description others"
        )


def _traced_once(
    model: keras.Model, inputs: tuple[tuple[int | None, ...], str]
) -> Callable[[Any], np.ndarray]:
    """Compile a model's prediction for batches of any size; `inputs` are their shape and dtype.

    `Model.predict_on_batch` traces anew for one batch shape after the other.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda batch: np.asarray(model.predict_on_batch(batch))
    import tensorflow as tf

    signature = [tf.TensorSpec(*inputs)]
    predict = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    return lambda batch: predict(tf.constant(batch)).numpy()
