"""The winner's network: the average of the best trials and the linear path, calibrated."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import keras
import numpy as np
from keras import layers, ops
from scipy.special import softmax

from ecomclf.config.schema import ModelConfig
from ecomclf.evaluation.calibration import fit_temperature, with_temperature
from ecomclf.evaluation.report import SMALLEST_PROBABILITY
from ecomclf.models.architecture import alone_or_listed, build_model
from ecomclf.models.subword_layers import has_subwords, subword_inputs

# Candidate weights of the linear path. 1 is left out: without a network the winner would be the
# baseline.
_WIDE_SHARES: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9)
# With one standard error, chance alone ruled out the most even blend: the accuracy of the best of
# many candidates is overestimated too.
_STANDARD_ERRORS = 2


Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class Blend:
    """How the probabilities of trials and linear path are combined.

    The probabilities are `(1 - wide_share) * average + wide_share * linear`, calibrated with
    `temperature`. `average` is the mean over the members, `linear` is the softmax of the linear
    path's decision values divided by `wide_temperature`.

    Attributes:
        members: number of trials that are averaged, best first.
        wide_share: weight of the linear path, 0 without it.
        wide_temperature: turns the linear path's decision values into probabilities.
        temperature: calibrates the combined probabilities: above 1 it lowers the confidence, below
            1 it raises it.

    """

    members: int
    wide_share: float
    wide_temperature: float
    temperature: float


def choose_blend(
    labels: np.ndarray, members: Sequence[np.ndarray], decisions: np.ndarray | None
) -> Blend:
    """Choose the number of members and the weight of the linear path on the validation rows.

    The trials, and the epoch kept of each, were selected on the same rows, so these rows favour a
    low weight of the linear path. Therefore the weight closest to one half is preferred, unless its
    accuracy is more than two standard errors below that of the best weight. Each further member
    costs as much time per prediction as the first. So the fewest members are preferred, with the
    same exception. Both follow the one-standard-error rule (Breiman et al., 1984, Classification
    and Regression Trees, 3.4.3).

    Args:
        labels: int32 [rows], the true labels of the validation rows.
        members: float [rows, classes] each, probabilities of the trials, best first.
        decisions: float [rows, classes], the linear path's decision values; None for a blend
            without it.

    Returns:
        The blend, with its temperatures fitted on the same rows.

    Example:
        Of two trials of equal accuracy the first is enough:

        >>> labels = np.array([0, 1, 0, 1])
        >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
        >>> choose_blend(labels, [probabilities, probabilities], None)
        Blend(members=1, wide_share=0.0, wide_temperature=1.0, temperature=1.0)

    """
    shares: tuple[float, ...] = (0.0,)
    linear, wide_temperature = np.zeros_like(members[0]), 1.0
    if decisions is not None:
        uncalibrated = softmax(decisions.astype(np.float64), axis=1)
        wide_temperature = fit_temperature(labels, uncalibrated)
        linear, shares = with_temperature(uncalibrated, wide_temperature), _WIDE_SHARES
    averages = {count: np.mean(members[:count], axis=0) for count in range(1, len(members) + 1)}

    def mix(count: int, share: float) -> np.ndarray:
        return np.asarray((1 - share) * averages[count] + share * linear)

    def correct(count: int, share: float) -> np.ndarray:
        return np.asarray(mix(count, share).argmax(axis=1) == labels)

    evenest = sorted(shares, key=lambda share: abs(share - 0.5))
    share_of = {
        count: _first_good(evenest, [correct(count, share) for share in evenest])
        for count in averages
    }
    count = _first_good(list(averages), [correct(*each) for each in share_of.items()])
    temperature = fit_temperature(labels, mix(count, share_of[count]))
    return Blend(count, share_of[count], wide_temperature, temperature)


def _first_good(candidates: Sequence[Candidate], correct: Sequence[np.ndarray]) -> Candidate:
    """Return the first candidate that is not clearly worse than the best one.

    Args:
        candidates: the preferred ones first.
        correct: bool [rows] each, which rows each candidate gets right.

    """
    best = max(correct, key=lambda each: each.mean())
    pairs = zip(candidates, correct, strict=True)
    return next(candidate for candidate, each in pairs if not _clearly_worse(each, best))


def _clearly_worse(correct: np.ndarray, best: np.ndarray) -> bool:
    """Return whether the paired difference in accuracy exceeds its standard errors."""
    difference = best.astype(float) - correct
    standard_error = difference.std() / np.sqrt(len(difference))
    return bool(difference.mean() > _STANDARD_ERRORS * standard_error)


def build_ensemble(members: Mapping[int, keras.Model], blend: Blend) -> keras.Model:
    """Combine networks into one, uncompiled.

    Args:
        members: the trials' networks by trial number.
        blend: how they are combined.

    Returns:
        int32 [batch, length] of ids; if a member has subwords, the other two of `Subwords.inputs`;
        and unless `blend.wide_share` is 0 also float32 [batch, classes], the decision values of the
        linear path → float32 [batch, classes], probabilities. The members are layers of it named
        `trial_<number>`.

    """
    inputs = [keras.Input((None,), dtype="int32", name="ids")]
    if any(map(has_subwords, members.values())):
        inputs += subword_inputs()
    # Renamed, because all trials' networks have the same name.
    named = [
        keras.Model(alone_or_listed(network.inputs), network.outputs[0], name=trial_name(number))
        for number, network in members.items()
    ]
    answers = [network(alone_or_listed(inputs[: len(network.inputs)])) for network in named]
    mixed = answers[0] if len(answers) == 1 else layers.Average(name="average")(answers)
    if blend.wide_share:
        decisions = keras.Input((mixed.shape[-1],), dtype="float32", name="decisions")
        linear = ops.softmax(decisions / blend.wide_temperature)
        mixed = (1 - blend.wide_share) * mixed + blend.wide_share * linear
        inputs.append(decisions)
    calibrated = ops.softmax(ops.log(ops.maximum(mixed, SMALLEST_PROBABILITY)) / blend.temperature)
    return keras.Model(alone_or_listed(inputs), calibrated, name="classifier")


def trial_name(number: int) -> str:
    """Return the name of a trial's network within an ensemble.

    >>> trial_name(3)
    'trial_3'
    """
    return f"trial_{number}"


def describe(members: Mapping[int, ModelConfig], blend: Blend) -> str:
    """Return JSON that describes an ensemble, without its weights.

    Args:
        members: the trials' model configs by trial number.
        blend: how their networks are combined.

    Example:
        >>> text = describe({3: ModelConfig(units=8)}, Blend(1, 0.0, 1.0, 1.2))
        >>> configs, blend = read_description(text)
        >>> configs[3].units, blend.temperature
        (8, 1.2)

    """
    models = {number: config.model_dump(mode="json") for number, config in members.items()}
    return json.dumps({"members": models, "blend": asdict(blend)}, indent=2)


def read_description(description: str) -> tuple[dict[int, ModelConfig], Blend]:
    """Return the model configs by trial number, and the blend, that `describe` wrote."""
    read = json.loads(description)
    members = {int(number): ModelConfig(**config) for number, config in read["members"].items()}
    return members, Blend(**read["blend"])


def rebuild(
    description: str, *, vocabulary_size: int, classes: int, max_length: int
) -> keras.Model:
    """Build the network that `describe` described, with untrained weights.

    Args:
        description: JSON, as `describe` returns it.
        vocabulary_size: number of ids, including padding and the unknown token.
        classes: number of classes.
        max_length: length in tokens of the longest text.

    """
    configs, blend = read_description(description)
    members = {
        number: build_model(
            config, vocabulary_size=vocabulary_size, classes=classes, max_length=max_length
        )
        for number, config in configs.items()
    }
    return build_ensemble(members, blend)
