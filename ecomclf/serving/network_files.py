"""The network of a classifier in formats other than `.keras`: weights, and HDF5 where possible.

Keras can write files that it does not read back correctly. So each file is read back here, and
removed unless it gives the same probabilities.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ecomclf.models.classifier import Classifier
from ecomclf.models.ensemble import read_description, rebuild, trial_name
from ecomclf.models.plain_stack import plain_stack, why_no_plain_stack
from ecomclf.text.token_ids import UNKNOWN_ID

WEIGHTS_FILE = "model.weights.h5"
H5_FILE = "model.h5"

# Lengths of the random texts that the files are checked with, besides the longest possible.
_LENGTHS = range(8)


def write_network(classifier: Classifier, ensemble_json: str, folder: Path) -> dict[str, str]:
    """Write `model.weights.h5` and `model.h5`.

    Args:
        classifier: its network is an ensemble, as `ensemble.build_ensemble` builds it.
        ensemble_json: the ensemble, as `ensemble.describe` describes it.
        folder: existing folder to write into.

    Returns:
        For each file that was left out, its name and the reason.

    """
    reasons = {
        WEIGHTS_FILE: _write_weights(classifier, ensemble_json, folder / WEIGHTS_FILE),
        H5_FILE: _write_h5(classifier, ensemble_json, folder / H5_FILE),
    }
    return {name: reason for name, reason in reasons.items() if reason}


def network_sizes(classifier: Classifier) -> dict[str, int]:
    """Return the arguments of `ensemble.rebuild` besides the description."""
    return {
        "vocabulary_size": classifier.vectorizer.vocabulary_size,
        "classes": len(classifier.classes_),
        "max_length": classifier.vectorizer.max_length,
    }


def _write_weights(classifier: Classifier, ensemble_json: str, path: Path) -> str | None:
    """Write the weights; return why there is no such file, or None."""

    def rebuilt() -> Any:
        return rebuild(ensemble_json, **network_sizes(classifier))

    def write() -> None:
        # The file depends on the order of layers, and a network that was loaded has another order
        # than one that was built.
        network = rebuilt()
        _copy_weights(classifier.network, network)
        network.save_weights(path)

    def read() -> Any:
        network = rebuilt()
        network.load_weights(path)
        return network

    if _reads_back(classifier, path, write, read, padding="post"):
        return None
    return "the network rebuilt from ensemble.json would not give the same probabilities"


def _write_h5(classifier: Classifier, ensemble_json: str, path: Path) -> str | None:
    """Write the network as a plain stack of layers; return why there is no such file, or None."""
    members, blend = read_description(ensemble_json)
    reason = why_no_plain_stack(members, blend)
    if reason:
        return reason
    ((number, config),) = members.items()

    def write() -> None:
        network = classifier.network.get_layer(trial_name(number))
        max_length = classifier.vectorizer.max_length
        stack = plain_stack(network, config, max_length, temperature=blend.temperature)
        with _without_legacy_warning():
            stack.save(path)

    def read() -> Any:
        return keras.models.load_model(path, compile=False)

    padding = "pre" if config.padding == "start" else "post"
    if _reads_back(classifier, path, write, read, padding=padding):
        return None
    return "it would not give the same probabilities"


def _copy_weights(source: Any, target: Any) -> None:
    """Copy weights between layers of the same name, also within nested networks."""
    for layer in target.layers:
        if isinstance(layer, keras.Model):
            _copy_weights(source.get_layer(layer.name), layer)
        elif layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _reads_back(
    classifier: Classifier,
    path: Path,
    write: Callable[[], None],
    read: Callable[[], Any],
    *,
    padding: str,
) -> bool:
    """Write a file and return whether the network read from it agrees; if not, remove the file.

    `padding` is the side, `pre` or `post`, at which the network that is read expects its padding.
    """
    try:
        write()
        expected, found = (
            keras.ops.convert_to_numpy(network(_random_inputs(classifier, side), training=False))
            for network, side in ((classifier.network, "post"), (read(), padding))
        )
        agrees = np.allclose(found, expected, atol=1e-5)
    except Exception:  # Keras raises many types; after any of them the file is useless
        agrees = False
    if not agrees:
        path.unlink(missing_ok=True)
    return agrees


def _random_inputs(classifier: Classifier, padding: str) -> Any:
    """Return the inputs of a network for texts of several lengths, the same ones on each call.

    They are int32 [texts, max_length] of ids, with subwords the other two of `Subwords.inputs`, and
    with a linear path also float32 [texts, classes] of decision values.
    """
    sizes, generator = network_sizes(classifier), np.random.default_rng(0)
    texts = [
        generator.integers(1, sizes["vocabulary_size"], length)
        for length in (*_LENGTHS, sizes["max_length"])
    ]
    ids = keras.utils.pad_sequences(texts, sizes["max_length"], padding=padding, truncating="post")
    inputs = [np.asarray(ids, np.int32)]
    if classifier.ngrams is not None:
        # The unknown tokens are one word of two n-grams.
        pairs = np.array([[0, 0], [1, 1], [2, 1]], np.int32)
        inputs += [(inputs[0] == UNKNOWN_ID).astype(np.int32), pairs]
    if classifier.linear_path is not None:
        decisions = generator.normal(size=(len(texts), sizes["classes"]))
        inputs.append(decisions.astype(np.float32))
    return inputs if len(inputs) > 1 else inputs[0]


@contextmanager
def _without_legacy_warning() -> Iterator[None]:
    """Silence the warning that HDF5 is a legacy format, which is why the file is written."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
