"""`build_model`: ids → class probabilities, of stock Keras layers and `keras.ops` only.

No layer is masked. A text's real length is read off its ids, the convolution sees zeros behind its
end, the backward direction reads each text reversed by its own length, attention and pooling ignore
the padding; so probabilities are the same alone, padded, or in any batch, and the saved model loads
where this package is not installed.
"""

from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from ecomclf.config.schema import ModelConfig
from ecomclf.text.token_ids import PADDING_ID

_FAR_BELOW = -1e9


def build_model(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    classes: int,
    max_length: int,
    embeddings: np.ndarray | None = None,
) -> keras.Model:
    """Build the network, not compiled.

    Args:
        config: layers and sizes.
        vocabulary_size: number of ids, padding and the unknown token included.
        classes: number of classes.
        max_length: that of the longest text, to which others are padded where `config` says so.
        embeddings: float32 [vocabulary_size, embedding_dim] to start from; random without.

    Returns:
        int32 [batch, length] of ids, 0 after each text's end → float32 [batch, classes].

    """
    inputs = keras.Input((None,), dtype="int32", name="ids")
    ids, text = inputs, _Extent.of_ids(inputs)
    if config.padding != "none":
        ids, text = text.fill(ids, max_length, config.padding)
    embed = layers.Embedding(vocabulary_size, config.embedding_dim, name="embedding")

    # Whole words of a text, and whole dimensions of the embedding.
    drop_words = layers.Dropout(
        config.word_dropout, noise_shape=(None, None, 1), name="word_dropout"
    )
    rate = config.dropout if config.embedding_dropout is None else config.embedding_dropout
    drop_dimensions = layers.SpatialDropout1D(rate, name="embedding_dropout")

    words = drop_dimensions(drop_words(embed(ids)))
    if config.filters is not None:
        text, words = _convolve(words, text, config)
    both = config.bidirectional and config.encoder != "transformer"
    states = [words, text.reverse(words)] if both else [words]
    encode = _attentive if config.encoder == "transformer" else _recurrent
    features = _pool(encode(states, text, config), text, config.pooling)
    if config.dense_units is not None:
        before = config.dropout if config.pooled_dropout is None else config.pooled_dropout
        features = layers.Dropout(before, name="pooled_dropout")(features)
        features = layers.Dense(config.dense_units, activation="relu", name="dense")(features)
    features = layers.Dropout(config.dropout, name="last_dropout")(features)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(features)
    model = keras.Model(inputs, probabilities, name="classifier")
    if embeddings is not None:
        embed.set_weights([embeddings])
    return model


def summarise(model: keras.Model) -> str:
    """Give a network's layers, shapes and numbers of weights as a text table."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
    return "\n".join(lines)


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
        # Which text of the batch each is, from 0, and how many there are; int32 [batch, 1], [1, 1].
        self._number = ops.cumsum(ops.ones_like(length), axis=0) - 1
        self._texts = self._number[-1:, :] + 1

    @classmethod
    def of_ids(cls, ids: Any) -> Self:
        """Read it off ids; a text without tokens counts as one position of padding."""
        positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
        tokens = ops.sum(ops.cast(ops.not_equal(ids, PADDING_ID), "int32"), axis=1, keepdims=True)
        return cls(ops.maximum(tokens, 1), positions)

    def fill(self, ids: Any, width: int, side: str) -> tuple[Any, "_Extent"]:
        """Pad every text to `width` at its end or start, and take the padding for words.

        Example:
            ids [[5, 6, 0]] become [[5, 6, 0, 0, 0]] or [[0, 0, 0, 5, 6]].

        """
        padded = ops.pad(ids, [[0, 0], [0, width]])[:, :width]
        positions = ops.cumsum(ops.ones_like(padded), axis=1) - 1
        filled = _Extent(ops.full_like(self.length, width), positions)
        if side == "start":
            # The other way round Keras would take the lengths for a bias of as many columns.
            moved = ops.mod(self.length + positions, width)
            padded = filled.take(padded, moved)
        return padded, filled

    def pooled(self, width: int) -> "_Extent":
        """Give it for sequences of which each `width` positions have become one."""
        return _Extent((self.length + width - 1) // width, self._positions[:, ::width] // width)

    def signals(self, size: int) -> Any:
        """Give sines and cosines that tell positions apart; float32 [batch, length, size].

        Wavelengths grow from 2 pi to 20,000 pi (Vaswani et al., 2017, arXiv:1706.03762, 3.5).
        """
        rates = np.power(10_000.0, -np.arange(0, size, 2) / size).astype(np.float32)
        angles = ops.cast(ops.expand_dims(self._positions, -1), "float32") * rates
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def reverse(self, sequence: Any) -> Any:
        """Reverse each text by its own length; padding stays behind. [batch, length, size] both.

        The one place of a network that takes along an axis: a fast copy does it in its own way.
        """
        return ops.take_along_axis(sequence, ops.expand_dims(self._reversed, -1), axis=1)

    def take(self, sequence: Any, positions: Any) -> Any:
        """Take positions [batch, n] of each text; [batch, length, …] → [batch, n, …].

        All are put one behind the other, the first words of all texts first: along an axis of them,
        Keras would take number by number instead of position by position, and TensorFlow leaves out
        transposing what a recurrent layer gives words first.
        """
        swap = (1, 0, *range(2, len(sequence.shape)))
        together = ops.reshape(ops.transpose(sequence, swap), (-1, *sequence.shape[2:]))
        # The other way round Keras would take the numbers for a bias of as many columns.
        places = self._number + positions * self._texts
        return ops.transpose(ops.take(together, ops.transpose(places), axis=0), swap)


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


def _recurrent(states: list[Any], text: _Extent, config: ModelConfig) -> list[Any]:
    """Read each direction's sequence [batch, length, size] word by word, layer by layer."""
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}[config.encoder]
    for number in range(1, config.layers + 1):
        if number > 1:
            between = layers.Dropout(config.dropout, name=f"dropout_{number}")
            states = _between_layers(states, text, between)
        states = [
            kind(config.units, return_sequences=True, name=f"{direction}_{number}")(state)
            for direction, state in zip(("forward", "backward"), states, strict=False)
        ]
    return states


def _attentive(states: list[Any], text: _Extent, config: ModelConfig) -> list[Any]:
    """Let each word of a sequence [batch, length, size] attend to all words of its text.

    Transformer layers with normalisation before each part (Vaswani et al., 2017, arXiv:1706.03762;
    Xiong et al., 2020, arXiv:2002.04745).
    """
    words = layers.Dense(config.units, name="words")(states[0])
    words = words + text.signals(config.units)
    # [batch, 1, length]: what every word may look at.
    inside = ops.transpose(text.inside, (0, 2, 1))
    for number in range(1, config.layers + 1):
        normal = layers.LayerNormalization(name=f"attention_norm_{number}")(words)
        attention = layers.MultiHeadAttention(
            config.heads, config.units // config.heads, name=f"attention_{number}"
        )(normal, normal, attention_mask=inside)
        words = words + layers.Dropout(config.dropout, name=f"attention_dropout_{number}")(
            attention
        )
        normal = layers.LayerNormalization(name=f"feed_norm_{number}")(words)
        wide = layers.Dense(4 * config.units, activation="gelu", name=f"feed_wide_{number}")(normal)
        narrow = layers.Dense(config.units, name=f"feed_narrow_{number}")(wide)
        words = words + layers.Dropout(config.dropout, name=f"feed_dropout_{number}")(narrow)
    return [layers.LayerNormalization(name="encoder_norm")(words)]


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
    return text.take(states, text.length - 1)[:, 0]


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
