from pathlib import Path

import keras
import numpy as np
import pytest

from ecomclf.config.schema import ModelConfig
from ecomclf.evaluation.calibration import fit_temperature, with_temperature
from ecomclf.models.architecture import build_model
from ecomclf.models.ensemble import Blend, build_ensemble, choose_blend, describe, rebuild
from ecomclf.models.linear_path import fit_linear_path
from ecomclf.text.token_ids import TokenIds
from tests.conftest import assert_independent_of_padding

pytestmark = pytest.mark.slow

VOCABULARY, CLASSES = 40, 3
IDS = np.random.default_rng(0).integers(1, VOCABULARY, (30, 7)).astype(np.int32)

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


def parts() -> tuple[dict[int, keras.Model], keras.Model]:
    """Return the networks of two different trials, and a linear path."""
    members = {number: network(number, config) for number, config in CONFIGS.items()}
    ids = TokenIds(IDS.ravel(), np.arange(0, IDS.size + 1, IDS.shape[1]))
    labels = np.arange(len(IDS)) % CLASSES
    return members, fit_linear_path(ids, labels, vocabulary_size=VOCABULARY, classes=CLASSES)


def test_clearly_worse_members_are_left_out() -> None:
    """A trial that predicts noise is no member; all trials of equal accuracy are."""
    labels, (good, poor, other) = made_up((0.5, 20.0, 0.5))
    assert choose_blend(labels, [softmax(good, 0.3), softmax(poor)], None).members == 1
    assert choose_blend(labels, [softmax(good, 0.3), softmax(other, 0.3)], None).members == 2


@pytest.mark.parametrize(("misled", "members"), [(3, 2), (5, 1)])
def test_a_member_is_left_out_for_two_standard_errors(misled: int, members: int) -> None:
    """With n more errors, and none fewer, the difference is about sqrt(n) standard errors."""
    labels = np.arange(300) % CLASSES
    right = 0.2 + 0.4 * np.eye(CLASSES)[labels]
    wrong = 0.05 + 0.85 * np.eye(CLASSES)[(labels + 1) % CLASSES]
    other = np.where(np.arange(300)[:, np.newaxis] < misled, wrong, right)
    assert choose_blend(labels, [right, other], None).members == members


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
    members, wide = parts()
    for number in chosen:  # as trials leave them
        members[number].save(tmp_path / f"{number}.keras")
    members = {number: keras.models.load_model(tmp_path / f"{number}.keras") for number in chosen}
    answers = [member.predict_on_batch(IDS) for member in members.values()]
    mixed = (1 - blend.wide_share) * np.mean(answers, axis=0) + blend.wide_share * softmax(
        wide.predict_on_batch(IDS), blend.wide_temperature
    )
    ensemble = build_ensemble(members, wide, blend)
    probabilities = ensemble.predict_on_batch(IDS)
    np.testing.assert_allclose(probabilities, with_temperature(mixed, blend.temperature), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    ensemble.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(IDS), probabilities, atol=1e-6)


def test_probabilities_do_not_depend_on_padding_or_batch() -> None:
    """A text gets the same probabilities within 1e-5 alone, padded, and in a batch."""
    assert_independent_of_padding(build_ensemble(*parts(), Blend(2, 0.25, 0.5, 0.8)), 19)


def test_a_linear_path_with_share_0_is_left_out() -> None:
    """The ensemble does not hold its weights."""
    members, wide = parts()
    blend = Blend(2, 0.0, 1.0, 1.0)
    networks = [build_ensemble(members, path, blend) for path in (wide, None)]
    assert networks[0].count_params() == networks[1].count_params()
    assert networks[0].count_params() == sum(each.count_params() for each in members.values())


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_description_rebuilds_the_network(share: float) -> None:
    """With the weights set in their order, it gives the same probabilities."""
    blend = Blend(2, share, 0.5, 0.8)
    ensemble = build_ensemble(*parts(), blend)
    rebuilt = rebuild(
        describe(CONFIGS, blend), vocabulary_size=VOCABULARY, classes=CLASSES, max_length=25
    )
    rebuilt.set_weights(ensemble.get_weights())
    np.testing.assert_allclose(
        rebuilt.predict_on_batch(IDS), ensemble.predict_on_batch(IDS), atol=1e-6
    )
