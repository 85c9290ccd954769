"""`Classifier`: cleaning, vectorizer, Keras model and class names in one object.

Every prediction goes through it, in evaluation and in serving, so the two cannot drift apart. It
needs no config: everything it must know is saved with it.
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
import pandas as pd
from keras import ops

from ecomclf.errors import RequestError
from ecomclf.evaluation.report import Report, evaluate
from ecomclf.models.architecture import alone_or_listed
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.models.keras_file import load_keras
from ecomclf.models.linear_network import decisions_of_strings, read_linear_network
from ecomclf.models.linear_path import LinearPath
from ecomclf.models.string_ngrams import character_ids, read_alphabet
from ecomclf.models.subword_layers import (
    SUBWORDS,
    find_buckets,
    subwords_of_strings,
)
from ecomclf.text.batching import predict_in_batches
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.raw_texts import as_texts
from ecomclf.text.subwords import Subwords
from ecomclf.text.token_ids import TokenIds
from ecomclf.text.vectorizer import Vectorizer

MODEL_FILE = "model.keras"
ABOUT_FILE = "classifier.json"
DEFAULT_THRESHOLD = 0.5
# Before a class name: the column of its probability.
PROBABILITY = "probability."
_WORDS_FILE = "words.json"


class Classifier:
    """A trained text classifier.

    Args:
        cleaner: cleaning steps that are applied to raw texts.
        vectorizer: cleaned texts → token ids.
        network: Keras model, int32 [batch, length] of ids → float32 [batch, classes]. With
            `ngrams` it takes the three inputs of `Subwords.inputs`; with a linear path, last, also
            that one's decision values, float32 [batch, classes].
        classes: names of the model's outputs, in their order.
        text_columns: names of the columns that the training texts were joined from; empty when the
            training data had no header.
        threshold: predictions with a lower confidence need a review; see `needs_review`.
        linear_path: gives the network's decision values; by default there is none.
        ngrams: hashes the n-grams of unknown words for a network with subwords; by default it has
            none.

    Attributes:
        classes_: names of the classes, in the order of the columns of `predict_proba`.

    Example:
        import ecomclf
        classifier = ecomclf.load("models:/ecomclf/Production")
        classifier.predict(["steel mug, 300 ml"])

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
        linear_path: LinearPath | None = None,
        ngrams: CharacterNgrams | None = None,
    ) -> None:
        self.cleaner = cleaner
        self.vectorizer = vectorizer
        self.network = network
        self.classes_ = tuple(classes)
        self.text_columns = tuple(text_columns)
        self.threshold = threshold
        self.linear_path = linear_path
        self.ngrams = ngrams

    def predict(self, texts: Any, *, with_probabilities: bool = False) -> pd.DataFrame:
        """Classify raw texts.

        Args:
            texts: one string, or a list, array or Series of strings; a missing one is "".
            with_probabilities: add a column `probability.<class>` for each class.

        Returns:
            One row per text, in their order: `label` (class name), `confidence` (float32, the
            calibrated probability of that class) and `needs_review` (bool, see the method of that
            name). The index is that of a Series, else 0, 1, 2, ….

        Raises:
            RequestError: an item is no text.

        """
        ids = self.encode(as_texts(texts))
        probabilities = self.predict_encoded(ids)
        columns: dict[str, Any] = {
            "label": np.array(self.classes_, dtype=object)[probabilities.argmax(axis=1)],
            "confidence": probabilities.max(axis=1),
            "needs_review": self.needs_review(ids, probabilities),
        }
        if with_probabilities:
            columns |= {
                f"{PROBABILITY}{name}": probabilities[:, at]
                for at, name in enumerate(self.classes_)
            }
        return pd.DataFrame(columns, index=texts.index if isinstance(texts, pd.Series) else None)

    def evaluate(self, texts: Any, labels: Sequence[str]) -> Report:
        """Compare predictions with true labels.

        Args:
            texts: as in `predict`.
            labels: the true class name of each text.

        Returns:
            Loss, accuracy, F1, metrics per class and the confusion matrix.

        Raises:
            RequestError: there are no texts, not as many labels, or a label is no class.

        """
        texts, names = as_texts(texts), [str(label) for label in labels]
        if len(texts) != len(names) or not texts:
            raise RequestError(
                f"evaluation needs one label per text but got {len(texts)} texts and "
                f"{len(names)} labels"
            )
        number = {name: at for at, name in enumerate(self.classes_)}
        unknown = next((name for name in names if name not in number), None)
        if unknown is not None:
            raise RequestError(
                f"the label {unknown!r} is no class of this classifier; see `classes_`"
            )
        true = np.array([number[name] for name in names], np.int32)
        return evaluate(true, self.predict_proba(texts), self.classes_)

    def predict_proba(self, texts: Any) -> np.ndarray:
        """Return class probabilities of raw texts; float32 [texts, classes].

        Rows are in the order of the texts, columns in the order of `classes_`; see `predict`.
        """
        return self.predict_encoded(self.encode(as_texts(texts)))

    def encode(self, texts: Sequence[str]) -> TokenIds:
        """Return the token ids of raw texts."""
        return self.vectorizer.encode(self.cleaner.clean(texts))

    def needs_review(self, ids: TokenIds, probabilities: np.ndarray) -> np.ndarray:
        """Return which predictions need a review.

        They are those whose confidence is below the threshold, and those of texts without a word of
        the vocabulary, such as empty ones: their confidence says nothing, since no training text
        was like them.

        Args:
            ids: encoded texts.
            probabilities: float32 [texts, classes], as `predict_encoded` returns them.

        Returns:
            bool [texts].

        """
        return np.asarray((probabilities.max(axis=1) < self.threshold) | ~ids.has_known)

    def with_network(
        self,
        network: Any,
        linear_path: LinearPath | None = None,
        ngrams: CharacterNgrams | None = None,
    ) -> "Classifier":
        """Return a copy of this classifier with another network, linear path and subwords."""
        return Classifier(
            self.cleaner,
            self.vectorizer,
            network,
            self.classes_,
            text_columns=self.text_columns,
            threshold=self.threshold,
            linear_path=linear_path,
            ngrams=ngrams,
        )

    def predict_encoded(self, ids: TokenIds) -> np.ndarray:
        """Return class probabilities of encoded texts; float32 [texts, classes]."""
        features = () if self.linear_path is None else (self.linear_path.decide(ids),)
        classes, predict = len(self.classes_), self._predict
        if self.ngrams is None:
            return predict_in_batches(predict, ids, *features, classes=classes)
        subwords = Subwords.of_unknown(ids, self.vectorizer, self.ngrams)

        def predict_numbers(numbers: np.ndarray, *features: np.ndarray) -> np.ndarray:
            return predict(*subwords.inputs(numbers), *features)

        return predict_in_batches(predict_numbers, subwords.numbers, *features, classes=classes)

    @functools.cached_property
    def _predict(self) -> Callable[..., np.ndarray]:
        return _traced_once(with_fast_lstms(self.network))

    def string_model(self) -> keras.Model:
        """Return one Keras model: tf.string [batch] of cleaned texts → float32 [batch, classes]."""
        texts = keras.Input((), dtype="string", name="texts")
        ids = ops.cast(self.vectorizer.layer(texts), "int32")
        # One more position, so that a batch of empty texts has a length above 0.
        ids = ops.pad(ids, [[0, 0], [0, 1]])[:, : self.vectorizer.max_length]
        inputs, length = [ids], self.vectorizer.max_length
        # Both have the alphabet of the training texts.
        hashed = self.ngrams or (self.linear_path and self.linear_path.ngrams)
        if hashed:
            characters = character_ids(texts, hashed.alphabet)
        if self.ngrams is not None:
            inputs += subwords_of_strings(self.ngrams, characters, ids, length)
        if self.linear_path is not None:
            inputs.append(decisions_of_strings(self.linear_path, characters, ids, length))
        return keras.Model(texts, self.network(alone_or_listed(inputs)), name="ecomclf")

    def save(self, folder: Path) -> None:
        """Write `model.keras` and `classifier.json` into a folder, created if necessary."""
        folder.mkdir(parents=True, exist_ok=True)
        if keras.backend.backend() == "tensorflow":
            self.string_model().save(folder / MODEL_FILE)
        else:
            _save_with_tensorflow(self, folder / MODEL_FILE)
        self.save_about(folder)

    def save_about(self, folder: Path) -> None:
        """Write `classifier.json` beside `model.keras`: everything that the Keras model lacks."""
        about = {
            "model_sha256": _sha256(folder / MODEL_FILE),
            "steps": self.cleaner.steps,
            "fill_missing": self.cleaner.fill_missing,
            "language": self.cleaner.language,
            "max_length": self.vectorizer.max_length,
            "classes": self.classes_,
            "text_columns": self.text_columns,
            "threshold": self.threshold,
        }
        text = json.dumps(about, ensure_ascii=False, indent=2)
        (folder / ABOUT_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, and check the files against each other.

        Raises:
            RequestError: a file is missing or damaged, or the files are of different models.

        """
        about = _read_about(folder)
        if about["model_sha256"] != _sha256(folder / MODEL_FILE):
            raise RequestError(
                f"{folder}: {ABOUT_FILE} was written for another {MODEL_FILE}; take both from one "
                "version"
            )
        model = load_keras(folder / MODEL_FILE)
        network, layer = model.get_layer("classifier"), model.get_layer("vectorizer")
        outputs, rows = network.output_shape[-1], min(_vocabulary_sizes(network))
        _require(len(about["classes"]) == outputs, folder, f"the network has {outputs} classes")
        _require(layer.vocabulary_size() <= rows, folder, f"the network knows {rows} ids")
        vectorizer = Vectorizer(layer.get_vocabulary(), about["max_length"])
        buckets = find_buckets(network)
        return cls(
            # Versions before 0.3.0 know one language.
            Cleaner(about["steps"], about["fill_missing"], about.get("language", "english")),
            vectorizer,
            network,
            about["classes"],
            text_columns=about["text_columns"],
            threshold=about["threshold"],
            linear_path=read_linear_network(model, vectorizer.words),
            ngrams=CharacterNgrams(read_alphabet(model), buckets) if buckets else None,
        )


def _save_with_tensorflow(classifier: Classifier, path: Path) -> None:
    """Save the string model in a separate process: only TensorFlow models take strings."""
    with tempfile.TemporaryDirectory() as name:
        parts = Path(name)
        classifier.network.save(parts / MODEL_FILE)
        alphabet = classifier.ngrams and classifier.ngrams.alphabet
        vectorizer = classifier.vectorizer
        words = json.dumps([vectorizer.max_length, vectorizer.words, alphabet])
        (parts / _WORDS_FILE).write_text(words, encoding="utf-8")
        if classifier.linear_path is not None:
            classifier.linear_path.save(parts)
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
    """Save a string model, given what `_save_with_tensorflow` wrote with another backend."""
    folder = Path(parts)
    network = keras.models.load_model(folder / MODEL_FILE, compile=False)
    max_length, words, alphabet = json.loads((folder / _WORDS_FILE).read_text(encoding="utf-8"))
    buckets = find_buckets(network)
    ngrams = CharacterNgrams(alphabet, buckets) if buckets else None
    vectorizer = Vectorizer(words, max_length)
    linear_path = LinearPath.load(folder, vectorizer.words)
    whole = Classifier(Cleaner(()), vectorizer, network, (), linear_path=linear_path, ngrams=ngrams)
    whole.string_model().save(path)


def _vocabulary_sizes(network: Any) -> Iterator[int]:
    """Yield the input size of each word embedding of a network and of those nested in it."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Embedding) and layer.name != SUBWORDS:
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
            f"{folder}: {ABOUT_FILE} does not describe this {MODEL_FILE}: {found}; take both from "
            "one version"
        )


def _traced_once(model: keras.Model) -> Callable[..., np.ndarray]:
    """Compile a network's prediction for batches of any size.

    `Model.predict_on_batch` traces anew for one batch shape after the other.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda *batch: np.asarray(model.predict_on_batch(alone_or_listed(batch)))
    import tensorflow as tf

    signature = [tf.TensorSpec(each.shape, each.dtype) for each in model.inputs]
    predict = tf.function(
        lambda *batch: model(alone_or_listed(batch), training=False), input_signature=signature
    )
    return lambda *batch: predict(*map(tf.constant, batch)).numpy()
