import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ecomclf.config.loading import load_config
from ecomclf.config.schema import ModelConfig
from ecomclf.models.architecture import build_model
from ecomclf.models.ensemble import Blend, build_ensemble
from ecomclf.models.plain_stack import plain_stack, why_no_plain_stack

VOCABULARY, CLASSES, MAX_LENGTH = 40, 3, 9
ALONE = Blend(members=1, wide_share=0.0, wide_temperature=1.0, temperature=1.7)
PADDED = ModelConfig(embedding_dim=8, units=6, padding="end", filters=None, pooling="last")
PUBLISHED = sorted(Path(__file__).parents[2].joinpath("configs", "published").glob("*.yaml"))


def options(**changed: Any) -> ModelConfig:
    """Return the options of a network that has a plain stack, with some changed."""
    return ModelConfig(**{**PADDED.model_dump(), **changed})


def network_of(config: ModelConfig) -> keras.Model:
    """Build a network with weights large enough for mistakes to show."""
    model = build_model(config, vocabulary_size=VOCABULARY, classes=CLASSES, max_length=MAX_LENGTH)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return model


def padded_texts(side: str) -> np.ndarray:
    """Return texts of 0 to MAX_LENGTH tokens, padded at their `start` or `end`."""
    tokens = np.random.default_rng(1).integers(1, VOCABULARY, (MAX_LENGTH + 1, MAX_LENGTH))
    at, lengths = np.arange(MAX_LENGTH), np.arange(MAX_LENGTH + 1)[:, np.newaxis]
    at_end = np.where(at < lengths, tokens, 0).astype(np.int32)
    if side == "end":
        return at_end
    return np.stack(
        [np.roll(row, -length) for row, length in zip(at_end, lengths[:, 0], strict=True)]
    )


def tiny(config: ModelConfig) -> ModelConfig:
    """Return a config's architecture with small layers."""
    sizes = {"embedding_dim": 8, "units": 6, "dense_units": config.dense_units and 5}
    return config.model_copy(update=sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        *(pytest.param(tiny(load_config(path).model), id=path.stem) for path in PUBLISHED),
        pytest.param(options(encoder="gru", layers=2, padding="start"), id="gru"),
    ],
)
def test_the_stack_gives_the_probabilities_of_the_blend(
    config: ModelConfig, tmp_path: Path
) -> None:
    """The stack, written to HDF5 and read back without this package, agrees within 1e-5."""
    network = network_of(config)
    stack = plain_stack(network, config, MAX_LENGTH, temperature=ALONE.temperature)
    assert isinstance(stack, keras.Sequential)
    assert stack.input_shape == (None, MAX_LENGTH)
    stack.save(tmp_path / "model.h5")
    np.save(tmp_path / "ids.npy", padded_texts(config.padding))
    script = """if True:
        import sys
        sys.modules["ecomclf"] = None  # importing it raises
        import keras, numpy as np
        model = keras.models.load_model("model.h5", compile=False)
        np.save("answers.npy", model.predict(np.load("ids.npy"), verbose=0))
    """
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    blend = build_ensemble({4: network}, ALONE)
    expected = blend.predict_on_batch(padded_texts("end"))
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01
    uncalibrated = network.predict_on_batch(padded_texts("end"))
    assert np.abs(uncalibrated - expected).max() > 0.01


def test_every_published_config_is_here() -> None:
    """Five published projects are rebuilt."""
    assert len(PUBLISHED) == 5
    for path in PUBLISHED:
        config = load_config(path)
        assert (config.winner.members, config.winner.wide) == (1, False)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"padding": "none"}, "model.padding is none"),
        ({"filters": 5}, "a convolution"),
        ({"encoder": "transformer", "units": 8}, "a transformer"),
        ({"pooling": "attention"}, "model.pooling is attention"),
        ({"pooling": "mean_max"}, "model.pooling is mean_max"),
    ],
)
def test_other_networks_have_no_stack(changed: dict[str, Any], reason: str) -> None:
    """The reason names the option that rules it out."""
    config = options(**changed)
    with pytest.raises(ValueError, match=f"no plain stack: .*{reason}"):
        plain_stack(None, config, MAX_LENGTH)
    assert reason in (why_no_plain_stack({0: config}, ALONE) or "")


def test_blends_of_several_parts_have_no_stack() -> None:
    """Several trials, or a linear path, are not one stack; a single trial is."""
    assert why_no_plain_stack({3: PADDED}, ALONE) is None
    assert "averages 2 networks" in (why_no_plain_stack({3: PADDED, 5: PADDED}, ALONE) or "")
    mixed = Blend(members=1, wide_share=0.5, wide_temperature=1.0, temperature=1.0)
    assert "the linear path" in (why_no_plain_stack({3: PADDED}, mixed) or "")
