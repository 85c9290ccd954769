from pathlib import Path

import keras
import numpy as np
import pytest

from ecomclf.config.schema import ModelConfig
from ecomclf.evaluation.calibration import fit_temperature, with_temperature
from ecomclf.models.architecture import build_model
from ecomclf.models.ensemble import Blend, build_ensemble, choose_blend, describe, rebuild
from tests.conftest import assert_independent_of_padding

pytestmark = pytest.mark.slow

VOCABULARY, CLASSES = 40, 3
IDS = np.random.default_rng(0).integers(1, VOCABULARY, (30, 7)).astype(np.int32)
DECISIONS = np.random.default_rng(1).normal(size=(30, CLASSES)).astype(np.float32)

CONFIGS = {
    7: ModelConfig(embedding_dim=6, units=5, filters=None),
    2: ModelConfig(embedding_dim=4, units=6, filters=4, pooling="attention", encoder="gru"),
}


def made_up(noises: tuple[float, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return labels, and for each noise level the logits of a classifier that sees them with it."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, 3000).astype(np.int32)
    truth = np.eye(CLASSES)[labels]
    return labels, [truth + generator.normal(0, noise, truth.shape) for noise in noises]


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the probabilities of logits."""
    powers = np.exp(logits / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def network(seed: int, config: ModelConfig) -> keras.Model:
    """Build a trial's network with weights large enough for mistakes to show."""
    model = build_model(config, vocabulary_size=VOCABULARY, classes=CLASSES, max_length=25)
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return model


def members_of() -> dict[int, keras.Model]:
    """Return the networks of two different trials."""
    return {number: network(number, config) for number, config in CONFIGS.items()}


def test_further_members_must_make_the_blend_clearly_better() -> None:
    """The average of two equally noisy trials is clearly better than one; a copy of it is not."""
    labels, (good, other, poor) = made_up((0.8, 0.8, 20.0))
    assert choose_blend(labels, [softmax(good, 0.3), softmax(good, 0.3)], None).members == 1
    assert choose_blend(labels, [softmax(good, 0.3), softmax(poor)], None).members == 1
    assert choose_blend(labels, [softmax(good, 0.3), softmax(other, 0.3)], None).members == 2


@pytest.mark.parametrize(("mended", "members"), [(3, 1), (5, 2)])
def test_a_member_is_added_for_two_standard_errors(mended: int, members: int) -> None:
    """With n fewer errors, and none more, the difference is about sqrt(n) standard errors."""
    labels = np.arange(300) % CLASSES
    right = 0.05 + 0.85 * np.eye(CLASSES)[labels]
    wrong = 0.2 + 0.4 * np.eye(CLASSES)[(labels + 1) % CLASSES]
    first = np.where(np.arange(300)[:, np.newaxis] < mended, wrong, right)
    assert choose_blend(labels, [first, right], None).members == members


def test_the_linear_path_gets_half_the_weight_unless_that_is_clearly_worse() -> None:
    """It gets more if it is better than the trial; decision values of pure noise are flattened."""
    labels, (member, helpful, noise) = made_up((0.6, 0.6, 20.0))
    alone = choose_blend(labels, [softmax(member, 0.35)], None)
    assert (alone.wide_share, alone.wide_temperature) == (0.0, 1.0)
    assert choose_blend(labels, [softmax(member, 0.35)], helpful).wide_share == 0.5
    assert choose_blend(labels, [softmax(member, 0.35)], noise).wide_temperature > 100
    assert choose_blend(labels, [softmax(noise)], helpful).wide_share > 0.5


def test_the_temperature_calibrates_the_mixture() -> None:
    """The calibrated mixture of the chosen blend has an optimal temperature of 1."""
    labels, (*logits, decisions) = made_up((0.6, 0.7, 0.6))
    members = [softmax(each, 0.2) for each in logits]
    blend = choose_blend(labels, members, decisions)
    average = np.mean(members[: blend.members], axis=0)
    wide = softmax(decisions, blend.wide_temperature)
    mixed = (1 - blend.wide_share) * average + blend.wide_share * wide
    calibrated = with_temperature(mixed, blend.temperature)
    assert fit_temperature(labels, calibrated) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("chosen", "blend"),
    [
        ((7,), Blend(1, 0.0, 1.0, 1.7)),
        ((7, 2), Blend(2, 0.25, 0.3, 1.4)),
    ],
)
def test_the_network_computes_the_blend_also_after_loading(
    tmp_path: Path, chosen: tuple[int, ...], blend: Blend
) -> None:
    """Its probabilities are those computed by hand, within 1e-5, also when it was loaded."""
    members = members_of()
    for number in chosen:  # as trials leave them
        members[number].save(tmp_path / f"{number}.keras")
    members = {number: keras.models.load_model(tmp_path / f"{number}.keras") for number in chosen}
    answers = [member.predict_on_batch(IDS) for member in members.values()]
    mixed = (1 - blend.wide_share) * np.mean(answers, axis=0) + blend.wide_share * softmax(
        DECISIONS, blend.wide_temperature
    )
    ensemble = build_ensemble(members, blend)
    inputs = [IDS, DECISIONS] if blend.wide_share else IDS
    probabilities = ensemble.predict_on_batch(inputs)
    np.testing.assert_allclose(probabilities, with_temperature(mixed, blend.temperature), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    ensemble.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(inputs), probabilities, atol=1e-6)


def test_probabilities_do_not_depend_on_padding_or_batch() -> None:
    """A text gets the same probabilities within 1e-5 alone, padded, and in a batch."""
    assert_independent_of_padding(build_ensemble(members_of(), Blend(2, 0.0, 1.0, 0.8)), 19)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_description_rebuilds_the_network(share: float) -> None:
    """With the weights set in their order, it gives the same probabilities."""
    blend = Blend(2, share, 0.5, 0.8)
    ensemble = build_ensemble(members_of(), blend)
    rebuilt = rebuild(
        describe(CONFIGS, blend), vocabulary_size=VOCABULARY, classes=CLASSES, max_length=25
    )
    rebuilt.set_weights(ensemble.get_weights())
    inputs = [IDS, DECISIONS] if share else IDS
    np.testing.assert_allclose(
        rebuilt.predict_on_batch(inputs), ensemble.predict_on_batch(inputs), atol=1e-6
    )
