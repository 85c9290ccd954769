"""The thing users pull: cleaning + vectorizer + Keras model + class names; save, load, predict.

Prediction goes through here everywhere, in evaluation as in serving, so the two cannot drift apart.
This module needs no config: what a classifier must know travels with it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from ecomclf.batches import predict_probabilities
from ecomclf.errors import RequestError
from ecomclf.text import Cleaner, Ids, Vectorizer

MODEL_FILE = "model.keras"
ABOUT_FILE = "classifier.json"
DEFAULT_THRESHOLD = 0.5


class Classifier:
    """Texts → class probabilities.

    `classes` are the names of the model's outputs, in their order. A prediction whose confidence
    is under `threshold` needs a review.
    """

    def __init__(
        self,
        cleaner: Cleaner,
        vectorizer: Vectorizer,
        network: Any,
        classes: Sequence[str],
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.cleaner = cleaner
        self.vectorizer = vectorizer
        self.network = network
        self.classes = tuple(classes)
        self.threshold = threshold
        self._predict = _traced_once(network)

    def predict_probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Classify texts as they come, "" included; float32 [texts, classes], in their order."""
        return self.predict_encoded(self.vectorizer.encode(self.cleaner.clean(texts)))

    def predict_encoded(self, ids: Ids) -> np.ndarray:
        """Classify texts that are cleaned and encoded already; float32 [texts, classes]."""
        return predict_probabilities(self._predict, ids, classes=len(self.classes))

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
        self.string_model().save(folder / MODEL_FILE)
        self.save_about(folder)

    def save_about(self, folder: Path) -> None:
        """Write `classifier.json`: what the Keras model itself does not hold."""
        about = {
            "steps": self.cleaner.steps,
            "max_length": self.vectorizer.max_length,
            "classes": self.classes,
            "threshold": self.threshold,
        }
        text = json.dumps(about, ensure_ascii=False, indent=2)
        (folder / ABOUT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, and check that the parts belong together.

        Raises:
            RequestError: model and description differ in the number of classes.

        """
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        model = keras.models.load_model(folder / MODEL_FILE, compile=False)
        network = model.get_layer("classifier")
        outputs = network.output_shape[-1]
        if outputs != len(about["classes"]):
            raise RequestError(
                f"{folder} does not belong together: {MODEL_FILE} has {outputs} classes, "
                f"{ABOUT_FILE} names {len(about['classes'])}; take both from one version"
            )
        vectorizer = Vectorizer(model.get_layer("vectorizer"), about["max_length"])
        cleaner = Cleaner(about["steps"])
        return cls(cleaner, vectorizer, network, about["classes"], about["threshold"])


def _traced_once(network: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a network's prediction for batches of any shape.

    `Model.predict_on_batch` traces anew for one batch shape after the other.
    """
    import tensorflow as tf

    shape = tf.TensorSpec((None, None), tf.int32)
    predict = tf.function(lambda ids: network(ids, training=False), input_signature=[shape])
    return lambda ids: predict(ids).numpy()
