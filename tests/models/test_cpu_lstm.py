from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ecomclf.config.schema import ModelConfig
from ecomclf.models.architecture import build_model
from ecomclf.models.cpu_lstm import FastLSTM, FastReverse, with_fast_lstms

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(0, 1, (5, 13, 4)).astype(np.float32)


def both(**options: Any) -> tuple[layers.LSTM, FastLSTM]:
    """Return a stock and a fast layer with the same weights."""
    stock, fast = layers.LSTM(6, **options), FastLSTM(6, **options)
    for layer in (stock, fast):
        layer.build(SEQUENCES.shape)
    weights = [GENERATOR.normal(0, 0.6, each.shape) for each in stock.get_weights()]
    stock.set_weights(weights)
    fast.set_weights(weights)
    return stock, fast


OPTIONS = [
    {"return_sequences": True},
    {"return_sequences": False},
    {"return_sequences": True, "go_backwards": True},
    {"return_sequences": True, "activation": "relu"},
    {"return_sequences": True, "use_bias": False},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_outputs_are_those_of_keras(options: dict[str, Any]) -> None:
    """Options that the fast operation lacks give the same outputs too."""
    stock, fast = both(**options)
    np.testing.assert_allclose(fast(SEQUENCES), stock(SEQUENCES), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS[:2])
def test_gradients_are_those_of_keras(options: dict[str, Any]) -> None:
    """The gradients of the inputs and of every weight agree."""
    found = []
    for layer in both(**options):
        inputs = tf.constant(SEQUENCES)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            states = layer(inputs, training=True)
            # States have different weights in the loss, so that mixed-up states are noticed.
            weights = tf.reshape(tf.range(tf.size(states)) % 7, tf.shape(states))
            loss = tf.reduce_sum(states * tf.cast(weights, tf.float32))
        variables = [weight.value for weight in layer.trainable_weights]
        found.append(tape.gradient(loss, [inputs, *variables]))
    for stock, fast in zip(*found, strict=True):
        np.testing.assert_allclose(fast, stock, rtol=1e-4, atol=1e-4)


def test_texts_are_reversed_as_by_keras() -> None:
    """Outputs and gradients are those of `take_along_axis`, for texts of any length."""
    lengths = np.array([[13], [1], [5], [12], [2]])
    at = np.arange(13)
    positions = np.where(at < lengths, lengths - 1 - at, at)[:, :, np.newaxis].astype(np.int32)
    weights = GENERATOR.normal(0, 1, SEQUENCES.shape).astype(np.float32)
    found = []
    for reverse in (FastReverse(), lambda *both: keras.ops.take_along_axis(*both, axis=1)):
        inputs = tf.constant(SEQUENCES)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            reversed_texts = reverse(inputs, positions)
            loss = tf.reduce_sum(reversed_texts * weights)
        found.append((reversed_texts, tape.gradient(loss, inputs)))
    for fast, stock in zip(*found, strict=True):
        np.testing.assert_array_equal(fast, stock)


@pytest.mark.parametrize(
    "options",
    [{}, {"filters": None, "layers": 2, "pooling": "attention"}, {"encoder": "gru"}],
)
def test_a_copy_gives_the_outputs_of_its_model(options: dict[str, Any]) -> None:
    """All its LSTMs are fast, its weights have the same order, and the model is unchanged."""
    config = ModelConfig(**{"embedding_dim": 8, "units": 6, **options})
    model = build_model(config, vocabulary_size=20, classes=3, max_length=9)
    fast = with_fast_lstms(model)
    ids = np.array([[3, 4, 5, 0], [7, 0, 0, 0], [2, 2, 9, 8]], np.int32)
    np.testing.assert_allclose(fast(ids), model(ids), atol=1e-6)
    kinds = {type(layer) for layer in fast.layers if isinstance(layer, layers.LSTM)}
    assert kinds == (set() if config.encoder == "gru" else {FastLSTM})
    assert not any(isinstance(layer, FastLSTM) for layer in model.layers)
    # One reversal for the backward direction; two layers and attention pooling each align both
    # directions again.
    reversals = sum(isinstance(operation, FastReverse) for operation in fast.operations)
    assert reversals == (4 if options.get("layers") == 2 else 1)
    names = [[weight.path.split("/")[-2:] for weight in each.weights] for each in (fast, model)]
    assert names[0] == names[1]


def test_nested_models_are_copied_too() -> None:
    """The members of an ensemble get fast LSTMs."""
    inner = keras.Sequential([keras.Input((None, 4)), layers.LSTM(3)], name="inner")
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, layers.Dense(2)(inner(inputs)))
    fast = with_fast_lstms(model)
    assert isinstance(fast.get_layer("inner").layers[-1], FastLSTM)
    np.testing.assert_allclose(fast(SEQUENCES), model(SEQUENCES), atol=1e-6)
