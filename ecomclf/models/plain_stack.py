"""A network as a plain stack of stock layers, which Keras' older HDF5 format can hold."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from ecomclf.config.schema import ModelConfig
from ecomclf.models.ensemble import Blend


def plain_stack(
    network: keras.Model, config: ModelConfig, max_length: int, *, temperature: float = 1.0
) -> keras.Model:
    """Copy a network into a `keras.Sequential` of stock layers.

    The stack is Embedding, one or more LSTM or GRU layers, in `Bidirectional` where the network
    has both directions, a dense ReLU layer if the config has one, and a dense softmax layer. It has
    no dropout layers, which have no effect on predictions.

    Such a stack exists for recurrent networks that read every text padded to one length
    (`padding: start` or `end`, `filters: null`, `pooling: last`), as many published networks do.
    With `padding: none` each text is read by its own length, with operations that are no layers and
    that the HDF5 format cannot hold; the same goes for attention and for the average of several
    networks or of a network and the linear path. Subwords, convolutions and pooling over all
    positions are not supported.

    Args:
        network: one trial's network, as `build_model` builds it.
        config: the config that it was built from.
        max_length: the length in tokens that it was built with.
        temperature: that of a blend of this network alone. It is folded into the last layer:
            softmax(log(softmax(Wx + b)) / T) = softmax((W/T)x + b/T).

    Returns:
        int32 [batch, max_length] of ids, padded with 0 at the side that `config.padding` names →
        float32 [batch, classes], probabilities.

    Raises:
        ValueError: the config has no such stack; see `why_no_plain_stack`.

    """
    reason = _unsupported(config)
    if reason:
        raise ValueError(f"no plain stack: {reason}")
    stack = keras.Sequential([keras.Input((max_length,), dtype="int32", name="ids")])
    embedding = network.get_layer("embedding")
    stack.add(layers.Embedding(embedding.input_dim, embedding.output_dim, name="embedding"))
    stack.layers[-1].set_weights(embedding.get_weights())
    for number in range(1, config.layers + 1):
        _add_recurrent(stack, network, config, number)
    if config.dense_units is not None:
        dense = network.get_layer("dense")
        stack.add(layers.Dense(dense.units, activation="relu", name="dense"))
        stack.layers[-1].set_weights(dense.get_weights())
    last = network.get_layer("probabilities")
    stack.add(layers.Dense(last.units, activation="softmax", name="probabilities"))
    stack.layers[-1].set_weights([weight / temperature for weight in last.get_weights()])
    return stack


def why_no_plain_stack(members: Mapping[int, ModelConfig], blend: Blend) -> str | None:
    """Return why the network of a blend has no plain stack; None if it has one.

    Args:
        members: the trials' model configs by trial number.
        blend: how their networks are combined.

    Example:
        >>> config = ModelConfig(padding="end", filters=None, pooling="last")
        >>> alone = Blend(members=1, wide_share=0.0, wide_temperature=1.0, temperature=1.2)
        >>> why_no_plain_stack({3: config}, alone) is None
        True
        >>> why_no_plain_stack({3: ModelConfig(padding="none", filters=None)}, alone)
        'model.padding is none, so each text is read by its own length'

    """
    if len(members) > 1:
        return f"the model averages {len(members)} networks"
    if blend.wide_share:
        return "the model includes the linear path"
    return next((_unsupported(config) for config in members.values()), None)


def _unsupported(config: ModelConfig) -> str | None:
    if config.padding == "none":
        return "model.padding is none, so each text is read by its own length"
    if config.subwords != "none":
        return f"the network adds vectors of subwords (model.subwords is {config.subwords})"
    if config.filters is not None:
        return f"the network has a convolution (model.filters is {config.filters})"
    if config.encoder == "transformer":
        return "the network has a transformer (model.encoder)"
    if config.pooling != "last":
        return f"model.pooling is {config.pooling}"
    return None


def _add_recurrent(stack: Any, network: keras.Model, config: ModelConfig, number: int) -> None:
    """Add the recurrent layer of this number, from 1, with the network's weights."""
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}[config.encoder]
    layer = kind(
        config.units, return_sequences=number < config.layers, name=f"{config.encoder}_{number}"
    )
    weights = network.get_layer(f"forward_{number}").get_weights()
    if config.bidirectional:
        layer = layers.Bidirectional(layer, name=f"bidirectional_{number}")
        weights += network.get_layer(f"backward_{number}").get_weights()
    stack.add(layer)
    layer.set_weights(weights)
