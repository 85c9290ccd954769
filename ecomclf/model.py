"""`build_model`: ids → class probabilities, of stock Keras layers and `keras.ops` only.

No layer is masked. A text's real length is read off its ids, the convolution sees zeros behind its
end, the backward direction reads each text reversed by its own length, and pooling ignores the
padding; so probabilities are the same alone, padded, or in any batch, and the saved model loads
where this package is not installed.
"""

from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from ecomclf.config import ModelConfig
from ecomclf.text import PADDING_ID

_FAR_BELOW = -1e9


def build_model(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    classes: int,
    embeddings: np.ndarray | None = None,
) -> keras.Model:
    """Build the network, not compiled.

    Args:
        config: layers and sizes.
        vocabulary_size: number of ids, padding and the unknown token included.
        classes: number of classes.
        embeddings: float32 [vocabulary_size, embedding_dim] to start from; random without.

    Returns:
        int32 [batch, length] of ids, 0 after each text's end → float32 [batch, classes].

    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    text = _Extent.of_ids(ids)
    embed = layers.Embedding(vocabulary_size, config.embedding_dim, name="embedding")

    # Whole words of a text, and whole dimensions of the embedding.
    drop_words = layers.Dropout(
        config.word_dropout, noise_shape=(None, None, 1), name="word_dropout"
    )
    rate = config.dropout if config.embedding_dropout is None else config.embedding_dropout
    drop_dimensions = layers.SpatialDropout1D(rate, name="embedding_dropout")

    def embedded(ids: Any) -> Any:
        return drop_dimensions(drop_words(embed(ids)))

    if config.filters is not None:
        text, convolved = _convolve(embedded(ids), text, config)
        states = [convolved, text.reverse(convolved)] if config.bidirectional else [convolved]
    else:
        # Reversing the ids and embedding twice is cheaper than reversing the embedded text.
        states = [embedded(ids)]
        if config.bidirectional:
            states.append(embedded(text.reverse(ids)))
    for number in range(1, config.layers + 1):
        if number > 1:
            between = layers.Dropout(config.dropout, name=f"dropout_{number}")
            states = _between_layers(states, text, between)
        states = [
            _recurrent(config, f"{direction}_{number}")(state)
            for direction, state in zip(("forward", "backward"), states, strict=False)
        ]
    features = _pool(states, text, config.pooling)
    if config.dense_units is not None:
        features = layers.Dropout(config.dropout, name="pooled_dropout")(features)
        features = layers.Dense(config.dense_units, activation="relu", name="dense")(features)
    features = layers.Dropout(config.dropout, name="last_dropout")(features)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(features)
    model = keras.Model(ids, probabilities, name="classifier")
    if embeddings is not None:
        embed.set_weights([embeddings])
    return model


class _Extent:
    """Where each text of a padded batch ends.

    `length` int32 [batch, 1]; `inside` bool [batch, length, 1] is true at a text's own positions.

    Example:
        ids [[5, 6, 7, 0]] have length 3, so `reverse` gives [[7, 6, 5, 0]].

    """

    def __init__(self, length: Any, positions: Any) -> None:
        self.length = length
        self._positions = positions
        inside = ops.less(positions, length)
        self.inside = ops.expand_dims(inside, -1)
        self._reversed = ops.where(inside, length - 1 - positions, positions)

    @classmethod
    def of_ids(cls, ids: Any) -> Self:
        """Read it off ids; a text without tokens counts as one position of padding."""
        positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
        tokens = ops.sum(ops.cast(ops.not_equal(ids, PADDING_ID), "int32"), axis=1, keepdims=True)
        return cls(ops.maximum(tokens, 1), positions)

    def pooled(self, width: int) -> "_Extent":
        """Give it for sequences of which each `width` positions have become one."""
        return _Extent((self.length + width - 1) // width, self._positions[:, ::width] // width)

    def reverse(self, sequence: Any) -> Any:
        """Reverse each text by its own length; padding stays behind. [batch, length, …] both."""
        index = self._reversed
        if len(sequence.shape) == 3:
            index = ops.expand_dims(index, -1)
        return ops.take_along_axis(sequence, index, axis=1)


def _convolve(embedded: Any, text: _Extent, config: ModelConfig) -> tuple[_Extent, Any]:
    """Convolve and take maxima side by side; what stands behind a text's end is 0 throughout.

    A ReLU gives nothing below 0, so that the zeros behind the end win no maximum.
    """
    inside = ops.cast(text.inside, "float32")
    convolution = layers.Conv1D(
        config.filters, config.filter_width, padding="same", activation="relu", name="convolution"
    )
    convolved = convolution(embedded * inside) * inside
    if config.filter_pool == 1:
        return text, convolved
    # Padding "same" would put zeros in front, too, as many as the batch's length asks for.
    padded = layers.ZeroPadding1D((0, config.filter_pool - 1))(convolved)
    pool = layers.MaxPooling1D(config.filter_pool, name="filter_pool")
    return text.pooled(config.filter_pool), pool(padded)


def _recurrent(config: ModelConfig, name: str) -> Any:
    layer = {"lstm": layers.LSTM, "gru": layers.GRU}[config.recurrent]
    return layer(config.units, return_sequences=True, name=name)


def _between_layers(states: list[Any], text: _Extent, dropout: Any) -> list[Any]:
    """Give the next layer's inputs: both directions side by side, once in each direction."""
    if len(states) == 1:
        return [dropout(states[0])]
    aligned = dropout(_align(states, text))
    return [aligned, text.reverse(aligned)]


def _align(states: list[Any], text: _Extent) -> Any:
    """Put both directions of a position side by side; [batch, length, units] or 2 × units."""
    if len(states) == 1:
        return states[0]
    forward, backward = states
    return layers.Concatenate()([forward, text.reverse(backward)])


def _pool(states: list[Any], text: _Extent, pooling: str) -> Any:
    """Turn sequences [batch, length, units] into features [batch, features].

    The backward states come in their own reading order. Maximum and mean do not care, and the last
    state read stands at the same place in both.
    """
    if pooling == "attention":
        return _attend(_align(states, text), text)
    pools = {"last": [_last], "max": [_maximum], "mean_max": [_mean, _maximum]}[pooling]
    pooled = [pool(state, text) for pool in pools for state in states]
    return pooled[0] if len(pooled) == 1 else layers.Concatenate()(pooled)


def _last(states: Any, text: _Extent) -> Any:
    last = ops.expand_dims(text.length - 1, -1)
    return ops.squeeze(ops.take_along_axis(states, last, axis=1), axis=1)


def _maximum(states: Any, text: _Extent) -> Any:
    return ops.max(ops.where(text.inside, states, _FAR_BELOW), axis=1)


def _mean(states: Any, text: _Extent) -> Any:
    total = ops.sum(ops.where(text.inside, states, 0.0), axis=1)
    return total / ops.cast(text.length, "float32")


def _attend(states: Any, text: _Extent) -> Any:
    """Average the states, weighted by a learned score of each (Yang et al., 2016, NAACL)."""
    hidden = layers.Dense(states.shape[-1], activation="tanh", name="attention_hidden")(states)
    scores = layers.Dense(1, use_bias=False, name="attention_score")(hidden)
    weights = ops.softmax(ops.where(text.inside, scores, _FAR_BELOW), axis=1)
    return ops.sum(weights * states, axis=1)
