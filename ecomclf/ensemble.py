"""The winner's make-up: the average of the best trials, with the wide path, at a temperature."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import layers, ops

from ecomclf.calibration import fit_temperature, with_temperature
from ecomclf.config import ModelConfig
from ecomclf.evaluate import cross_entropy
from ecomclf.model import build_model
from ecomclf.wide import build_wide_path

# Shares of the wide path that are tried; a winner without any network would be the baseline.
_WIDE_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9)
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Blend:
    """How probabilities are mixed: the first `members` averaged, `wide_share` of the wide path.

    `wide_temperature` turns the wide path's decision values into probabilities, `temperature`
    calibrates the mixture. `loss` is its mean cross-entropy on the rows it was chosen by, in nats.
    """

    members: int
    wide_share: float
    wide_temperature: float
    temperature: float
    loss: float


def choose_blend(
    labels: np.ndarray, members: Sequence[np.ndarray], decisions: np.ndarray | None
) -> Blend:
    """Choose number of members and share of the wide path by the least cross-entropy.

    F1 on the same rows would choose by the few rows that flip; cross-entropy hears all of them.

    Args:
        labels: int32 [rows], of validation rows.
        members: the probabilities of trials, best first, each float [rows, classes].
        decisions: the wide path's decision values, float [rows, classes]; None for no wide path.

    """
    wide, wide_temperature = None, 1.0
    if decisions is not None:
        softmax = with_temperature(np.exp(decisions - decisions.max(axis=1, keepdims=True)), 1.0)
        wide_temperature = fit_temperature(labels, softmax)
        wide = with_temperature(softmax, wide_temperature)
    found = []
    for count in range(1, len(members) + 1):
        average = np.mean(members[:count], axis=0)
        for share in _WIDE_SHARES if wide is not None else (0.0,):
            mixed = average if wide is None else (1 - share) * average + share * wide
            temperature = fit_temperature(labels, mixed)
            loss = cross_entropy(labels, with_temperature(mixed, temperature))
            found.append(Blend(count, share, wide_temperature, temperature, loss))
    return min(found, key=lambda blend: blend.loss)


def build_ensemble(
    members: Mapping[int, keras.Model], wide: keras.Model | None, blend: Blend
) -> keras.Model:
    """Build the blend as one network, not compiled; members are known by their trial's number.

    Returns:
        int32 [batch, length] of ids → float32 [batch, classes], as its members.

    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    # Each under a name of its own: all were called the same.
    named = [
        keras.Model(network.inputs[0], network.outputs[0], name=f"trial_{number}")
        for number, network in members.items()
    ]
    answers = [network(ids) for network in named]
    mixed = answers[0] if len(answers) == 1 else layers.Average(name="average")(answers)
    if wide is not None and blend.wide_share:
        linear = ops.softmax(wide(ids) / blend.wide_temperature)
        mixed = (1 - blend.wide_share) * mixed + blend.wide_share * linear
    calibrated = ops.softmax(ops.log(ops.maximum(mixed, _SMALLEST)) / blend.temperature)
    return keras.Model(ids, calibrated, name="classifier")


def describe(members: Mapping[int, ModelConfig], blend: Blend) -> str:
    """Give the make-up of an ensemble as JSON, which `rebuild` reads; it holds no weights."""
    models = {number: config.model_dump(mode="json") for number, config in members.items()}
    return json.dumps({"members": models, "blend": asdict(blend)}, indent=2)


def rebuild(description: str, *, vocabulary_size: int, classes: int) -> keras.Model:
    """Build the network of a description, with weights as initialised."""
    read = json.loads(description)
    members = {
        int(number): build_model(
            ModelConfig(**config), vocabulary_size=vocabulary_size, classes=classes
        )
        for number, config in read["members"].items()
    }
    wide = build_wide_path(vocabulary_size, classes)
    return build_ensemble(members, wide, Blend(**read["blend"]))
