"""The winner's make-up: the average of the best trials, with the wide path, at a temperature."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import layers, ops
from scipy.special import softmax

from ecomclf.config.schema import ModelConfig
from ecomclf.evaluation.calibration import fit_temperature, with_temperature
from ecomclf.evaluation.report import SMALLEST_PROBABILITY
from ecomclf.models.architecture import build_model
from ecomclf.models.linear_path import build_linear_path

# Shares of the wide path that are tried; a winner without any network would be the baseline.
_WIDE_SHARES: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9)
# With one, chance alone left the even mixture: the best of many is flattered too.
_STANDARD_ERRORS = 2


@dataclass(frozen=True)
class Blend:
    """How probabilities are mixed: the first `members` averaged, `wide_share` of the wide path.

    `wide_temperature` turns the wide path's decision values into probabilities, `temperature`
    calibrates the mixture.
    """

    members: int
    wide_share: float
    wide_temperature: float
    temperature: float


def choose_blend(
    labels: np.ndarray, members: Sequence[np.ndarray], decisions: np.ndarray | None
) -> Blend:
    """Choose number of members and share of the wide path on validation rows.

    The trials, and the epoch of each, were chosen on the same rows, which therefore flatter few
    members and a small share. So the most even mixture is taken, half and half, of all members,
    unless its accuracy is more than two standard errors below that of the best (after the
    one-standard-error rule: Breiman et al., 1984, Classification and Regression Trees, 3.4.3).

    Args:
        labels: int32 [rows], of validation rows.
        members: the probabilities of trials, best first, each float [rows, classes].
        decisions: the wide path's decision values, float [rows, classes]; None for no wide path.

    """
    shares: tuple[float, ...] = (0.0,)
    wide, wide_temperature = np.zeros_like(members[0]), 1.0
    if decisions is not None:
        linear = softmax(decisions.astype(np.float64), axis=1)
        wide_temperature = fit_temperature(labels, linear)
        wide, shares = with_temperature(linear, wide_temperature), _WIDE_SHARES
    mixtures = {
        (count, share): (1 - share) * np.mean(members[:count], axis=0) + share * wide
        for count in range(1, len(members) + 1)
        for share in shares
    }
    right = {key: mixed.argmax(axis=1) == labels for key, mixed in mixtures.items()}
    best = max(right.values(), key=lambda each: each.mean())
    good = [key for key, each in right.items() if not _clearly_worse(each, best)]
    count, share = min(good, key=lambda key: (abs(key[1] - 0.5), -key[0]))
    temperature = fit_temperature(labels, mixtures[count, share])
    return Blend(count, share, wide_temperature, temperature)


def _clearly_worse(right: np.ndarray, best: np.ndarray) -> bool:
    """Say whether the paired difference in accuracy is more than its standard errors allow."""
    difference = best.astype(float) - right
    standard_error = difference.std() / np.sqrt(len(difference))
    return bool(difference.mean() > _STANDARD_ERRORS * standard_error)


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
    calibrated = ops.softmax(ops.log(ops.maximum(mixed, SMALLEST_PROBABILITY)) / blend.temperature)
    return keras.Model(ids, calibrated, name="classifier")


def describe(members: Mapping[int, ModelConfig], blend: Blend) -> str:
    """Give the make-up of an ensemble as JSON, which `rebuild` reads; it holds no weights."""
    models = {number: config.model_dump(mode="json") for number, config in members.items()}
    return json.dumps({"members": models, "blend": asdict(blend)}, indent=2)


def rebuild(
    description: str, *, vocabulary_size: int, classes: int, max_length: int
) -> keras.Model:
    """Build the network of a description, with weights as initialised."""
    read = json.loads(description)
    members = {
        int(number): build_model(
            ModelConfig(**config),
            vocabulary_size=vocabulary_size,
            classes=classes,
            max_length=max_length,
        )
        for number, config in read["members"].items()
    }
    wide = build_linear_path(vocabulary_size, classes)
    return build_ensemble(members, wide, Blend(**read["blend"]))
