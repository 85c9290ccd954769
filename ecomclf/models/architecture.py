"""`build_model`: the network, token ids → class probabilities.

It consists of stock Keras layers and `keras.ops` only, so a saved model loads without this package.

Keras masks are not used. The length of each text is derived from its ids, and every step ignores
the padding: the convolution reads zeros after the end of a text, the backward direction reads each
text reversed by its own length, attention and pooling skip padded positions. A text therefore gets
the same probabilities alone, padded, or in any batch.
"""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from ecomclf.config.schema import ModelConfig
from ecomclf.models.subword_layers import add_subwords, subword_inputs
from ecomclf.text.token_ids import PADDING_ID

# Stands in for minus infinity at padded positions, before a maximum or a softmax.
_VERY_NEGATIVE = -1e9


def build_model(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    classes: int,
    max_length: int,
    embeddings: np.ndarray | None = None,
) -> keras.Model:
    """Build the network that a config describes, uncompiled.

    Args:
        config: layers and their sizes.
        vocabulary_size: number of ids, including padding and the unknown token.
        classes: number of classes.
        max_length: length in tokens of the longest text. With `config.padding` other than `none`,
            every text is padded to it; otherwise it has no effect.
        embeddings: float32 [vocabulary_size, embedding_dim], the initial word vectors; random if
            not given. They are trained either way.

    Returns:
        A model named `classifier`: int32 [batch, length] of ids, 0 after the end of each text →
        float32 [batch, classes], probabilities. `length` may differ from batch to batch. With
        `config.subwords` it takes three inputs, those of `Subwords.inputs`.

    Example:
        >>> config = ModelConfig(embedding_dim=8, units=6)
        >>> model = build_model(config, vocabulary_size=500, classes=4, max_length=250)
        >>> model.predict_on_batch(np.array([[17, 4, 250, 0], [3, 9, 12, 8]])).shape
        (2, 4)

    """
    inputs = [keras.Input((None,), dtype="int32", name="ids")]
    if config.subwords != "none":
        inputs += subword_inputs()
    # The positions of words, int32 [batch, length] each: in the vocabulary, and among subwords.
    numbers, text = inputs[:2], _TextPositions.from_ids(inputs[0])
    if config.padding != "none":
        padded = [text.pad(each, max_length, config.padding) for each in numbers]
        numbers, text = [each for each, _ in padded], padded[0][1]
    embedding = layers.Embedding(vocabulary_size, config.embedding_dim, name="embedding")
    words = embedding(numbers[0])
    if config.subwords != "none":
        words = add_subwords(words, numbers[1], inputs[2])
    words = _drop(words, config)
    if config.filters is not None:
        text, words = _convolve(words, text, config)
    features = _pool(_encode(words, text, config), text, config.pooling)
    probabilities = _classify(features, classes, config)
    model = keras.Model(alone_or_listed(inputs), probabilities, name="classifier")
    if embeddings is not None:
        embedding.set_weights([embeddings])
    return model


def alone_or_listed(inputs: Sequence[Any]) -> Any:
    """Return inputs as Keras takes them: a single one as it is, several in a list."""
    return inputs[0] if len(inputs) == 1 else [*inputs]


def summarise(model: keras.Model) -> str:
    """Return Keras' summary of a network: layers, output shapes and numbers of weights."""
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
    return "\n".join(lines)


class _TextPositions:
    """The positions of a padded batch that belong to its texts, and not to the padding.

    Attributes:
        length: int32 [batch, 1], the number of positions of each text.
        mask: bool [batch, length, 1], true at the positions of a text.

    Example:
        For the ids [[5, 6, 7, 0]] the length is 3, and `reverse` returns [[7, 6, 5, 0]].

    """

    def __init__(self, length: Any, positions: Any) -> None:
        self.length = length
        self._positions = positions
        mask = ops.less(positions, length)
        self.mask = ops.expand_dims(mask, -1)
        self._reversed = ops.where(mask, length - 1 - positions, positions)
        # The index of each text in the batch, int32 [batch, 1], and the batch size, int32 [1, 1].
        self._row = ops.cumsum(ops.ones_like(length), axis=0) - 1
        self._rows = self._row[-1:, :] + 1

    @classmethod
    def from_ids(cls, ids: Any) -> Self:
        """Derive them from ids; a text without tokens counts as one position of padding."""
        positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
        tokens = ops.sum(ops.cast(ops.not_equal(ids, PADDING_ID), "int32"), axis=1, keepdims=True)
        return cls(ops.maximum(tokens, 1), positions)

    def pad(self, ids: Any, width: int, side: str) -> tuple[Any, "_TextPositions"]:
        """Pad every text to `width` at its `end` or `start`, and count the padding as text.

        Example:
            The ids [[5, 6, 0]] become [[5, 6, 0, 0, 0]] or [[0, 0, 0, 5, 6]].

        """
        padded = ops.pad(ids, [[0, 0], [0, width]])[:, :width]
        positions = ops.cumsum(ops.ones_like(padded), axis=1) - 1
        full = _TextPositions(ops.full_like(self.length, width), positions)
        if side == "start":
            # Written as `positions + length`, Keras would take a batch with as many texts as
            # positions for the addition of a bias.
            padded = full.take(padded, ops.mod(self.length + positions, width))
        return padded, full

    def pooled(self, width: int) -> "_TextPositions":
        """Return the positions after pooling, which turns each `width` positions into one."""
        return _TextPositions(
            (self.length + width - 1) // width, self._positions[:, ::width] // width
        )

    def positional_encoding(self, size: int) -> Any:
        """Return sines and cosines of the positions; float32 [batch, length, size].

        Wavelengths grow from 2 pi to 20,000 pi (Vaswani et al., 2017, arXiv:1706.03762, 3.5).
        """
        rates = np.power(10_000.0, -np.arange(0, size, 2) / size).astype(np.float32)
        angles = ops.cast(ops.expand_dims(self._positions, -1), "float32") * rates
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def reverse(self, sequence: Any) -> Any:
        """Reverse each text by its own length and leave the padding at the end.

        Input and output are [batch, length, size]. No other step of a network may use
        `take_along_axis`: `cpu_lstm.with_fast_lstms` replaces it with a faster reversal.
        """
        return ops.take_along_axis(sequence, ops.expand_dims(self._reversed, -1), axis=1)

    def take(self, sequence: Any, positions: Any) -> Any:
        """Take positions [batch, n] of each text; [batch, length, …] → [batch, n, …].

        The batch is flattened with time as the major axis and gathered from once. Keras'
        `take_along_axis` would gather single numbers instead of whole positions, and with time as
        the major axis TensorFlow can skip transposing the output of a recurrent layer.
        """
        swap = (1, 0, *range(2, len(sequence.shape)))
        flat = ops.reshape(ops.transpose(sequence, swap), (-1, *sequence.shape[2:]))
        # Written as `positions * rows + row`, Keras would take a batch with as many texts as
        # positions for the addition of a bias.
        indices = self._row + positions * self._rows
        return ops.transpose(ops.take(flat, ops.transpose(indices), axis=0), swap)


def _drop(words: Any, config: ModelConfig) -> Any:
    """In training, drop whole words and whole dimensions of a text."""
    drop_words = layers.Dropout(
        config.word_dropout, noise_shape=(None, None, 1), name="word_dropout"
    )
    rate = config.dropout if config.embedding_dropout is None else config.embedding_dropout
    drop_dimensions = layers.SpatialDropout1D(rate, name="embedding_dropout")
    return drop_dimensions(drop_words(words))


def _convolve(words: Any, text: _TextPositions, config: ModelConfig) -> tuple[_TextPositions, Any]:
    """Convolve over neighbouring words, then max-pool; the result is 0 at padded positions.

    The output of a ReLU is never negative, so the zeros after the end of a text do not change a
    maximum.
    """
    mask = ops.cast(text.mask, "float32")
    convolution = layers.Conv1D(
        config.filters, config.filter_width, padding="same", activation="relu", name="convolution"
    )
    convolved = convolution(words * mask) * mask
    if config.filter_pool == 1:
        return text, convolved
    # MaxPooling1D(padding="same") would also pad the start, by an amount that depends on the
    # length of the batch.
    padded = layers.ZeroPadding1D((0, config.filter_pool - 1))(convolved)
    pool = layers.MaxPooling1D(config.filter_pool, name="filter_pool")
    return text.pooled(config.filter_pool), pool(padded)


def _encode(words: Any, text: _TextPositions, config: ModelConfig) -> list[Any]:
    """Return the encoder's states [batch, length, units]: one sequence per direction.

    The backward direction's states are in its own reading order.
    """
    if config.encoder == "transformer":
        return [_transformer(words, text, config)]
    directions = [words, text.reverse(words)] if config.bidirectional else [words]
    return _recurrent(directions, text, config)


def _recurrent(states: list[Any], text: _TextPositions, config: ModelConfig) -> list[Any]:
    """Apply recurrent layers to each direction's sequence [batch, length, size]."""
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}[config.encoder]
    for number in range(1, config.layers + 1):
        if number > 1:
            dropout = layers.Dropout(config.dropout, name=f"dropout_{number}")
            states = _between_layers(states, text, dropout)
        states = [
            kind(config.units, return_sequences=True, name=f"{direction}_{number}")(state)
            for direction, state in zip(("forward", "backward"), states, strict=False)
        ]
    return states


def _between_layers(states: list[Any], text: _TextPositions, dropout: Any) -> list[Any]:
    """Return the next layer's input for each direction: the states of both directions."""
    if len(states) == 1:
        return [dropout(states[0])]
    aligned = dropout(_align(states, text))
    return [aligned, text.reverse(aligned)]


def _transformer(words: Any, text: _TextPositions, config: ModelConfig) -> Any:
    """Apply transformer layers with pre-layer normalisation to words [batch, length, size].

    Each word attends to all words of its text (Vaswani et al., 2017, arXiv:1706.03762; Xiong et
    al., 2020, arXiv:2002.04745).
    """
    words = layers.Dense(config.units, name="words")(words)
    words = words + text.positional_encoding(config.units)
    # [batch, 1, length]: the positions that every word may attend to.
    mask = ops.transpose(text.mask, (0, 2, 1))
    for number in range(1, config.layers + 1):
        normal = layers.LayerNormalization(name=f"attention_norm_{number}")(words)
        attention = layers.MultiHeadAttention(
            config.heads, config.units // config.heads, name=f"attention_{number}"
        )(normal, normal, attention_mask=mask)
        words = words + layers.Dropout(config.dropout, name=f"attention_dropout_{number}")(
            attention
        )
        normal = layers.LayerNormalization(name=f"feed_norm_{number}")(words)
        wide = layers.Dense(4 * config.units, activation="gelu", name=f"feed_wide_{number}")(normal)
        narrow = layers.Dense(config.units, name=f"feed_narrow_{number}")(wide)
        words = words + layers.Dropout(config.dropout, name=f"feed_dropout_{number}")(narrow)
    return layers.LayerNormalization(name="encoder_norm")(words)


def _align(states: list[Any], text: _TextPositions) -> Any:
    """Concatenate both directions' states of each position; [batch, length, units or 2 × units]."""
    if len(states) == 1:
        return states[0]
    forward, backward = states
    return layers.Concatenate()([forward, text.reverse(backward)])


def _pool(states: list[Any], text: _TextPositions, pooling: str) -> Any:
    """Reduce each direction's states [batch, length, units] to features [batch, features].

    The backward states need no reversal: a maximum and a mean do not depend on the order, and the
    last state read is at the same position in both directions.
    """
    if pooling == "attention":
        return _attention_pool(_align(states, text), text)
    pools = {"last": [_last], "max": [_maximum], "mean_max": [_mean, _maximum]}[pooling]
    pooled = [pool(state, text) for pool in pools for state in states]
    return pooled[0] if len(pooled) == 1 else layers.Concatenate()(pooled)


def _last(states: Any, text: _TextPositions) -> Any:
    return text.take(states, text.length - 1)[:, 0]


def _maximum(states: Any, text: _TextPositions) -> Any:
    return ops.max(ops.where(text.mask, states, _VERY_NEGATIVE), axis=1)


def _mean(states: Any, text: _TextPositions) -> Any:
    total = ops.sum(ops.where(text.mask, states, 0.0), axis=1)
    return total / ops.cast(text.length, "float32")


def _attention_pool(states: Any, text: _TextPositions) -> Any:
    """Average the states, weighted by a learned score of each (Yang et al., 2016, NAACL)."""
    hidden = layers.Dense(states.shape[-1], activation="tanh", name="attention_hidden")(states)
    scores = layers.Dense(1, use_bias=False, name="attention_score")(hidden)
    weights = ops.softmax(ops.where(text.mask, scores, _VERY_NEGATIVE), axis=1)
    return ops.sum(weights * states, axis=1)


def _classify(features: Any, classes: int, config: ModelConfig) -> Any:
    """Return class probabilities [batch, classes] of pooled features [batch, features]."""
    if config.dense_units is not None:
        rate = config.dropout if config.pooled_dropout is None else config.pooled_dropout
        features = layers.Dropout(rate, name="pooled_dropout")(features)
        features = layers.Dense(config.dense_units, activation="relu", name="dense")(features)
    features = layers.Dropout(config.dropout, name="last_dropout")(features)
    return layers.Dense(classes, activation="softmax", name="probabilities")(features)
