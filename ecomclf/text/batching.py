"""Batches of texts of similar length, for training and for prediction.

A recurrent layer processes every row of a batch up to the length of its longest text. Grouping
texts by length keeps the computation spent on padding small.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ecomclf.text.subwords import Subwords
from ecomclf.text.token_ids import TokenIds

# Training shuffles all rows, then sorts them by length within pools of this many batches: batches
# differ between epochs and still hold texts of similar length.
_POOL_BATCHES = 50
# Maximum size of a prediction batch, padding included.
_PREDICTION_TOKENS = 32_768


class TrainingBatches:
    """Iterate over padded batches of one epoch, as `Model.fit` takes them.

    Yields ids int32 [batch, length], padded to the longest text of the batch, and one-hot labels
    float32 [batch, classes]; with `weights` also the texts' weights in the loss, float32 [batch].
    For texts with subwords, the ids are a tuple of what `Subwords.inputs` returns.

    Args:
        ids: token ids of all texts, or these with subwords.
        labels: int [texts], class indices.
        classes: number of classes.
        batch_size: texts per batch; one batch per epoch may be smaller.
        shuffle: reshuffle before every epoch (for training); otherwise every epoch is the same.
        seed: seed of shuffling and of `word_swap`.
        word_swap: fraction of words swapped in each text, resampled every epoch; only with
            `shuffle`.
        weights: float32 [texts], weight of each text in the loss; by default all weigh the same.

    Example:
        >>> ids = TokenIds(np.array([7, 5, 6, 8], np.int32), np.array([0, 1, 3, 4]))
        >>> labels = np.array([0, 1, 0])
        >>> batches = TrainingBatches(ids, labels, classes=2, batch_size=2, shuffle=False)
        >>> for tokens, targets in batches:
        ...     print(tokens.tolist(), targets.tolist())
        [[7], [8]] [[1.0, 0.0], [1.0, 0.0]]
        [[5, 6]] [[0.0, 1.0]]

    """

    def __init__(
        self,
        ids: TokenIds | Subwords,
        labels: np.ndarray,
        *,
        classes: int,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        word_swap: float = 0.0,
        weights: np.ndarray | None = None,
    ) -> None:
        self._subwords = ids if isinstance(ids, Subwords) else None
        self._ids = ids.numbers if isinstance(ids, Subwords) else ids
        self._labels = labels
        self._one_hot = np.eye(classes, dtype=np.float32)
        self._batch_size = batch_size
        self._generator = np.random.default_rng(seed) if shuffle else None
        self._word_swap = word_swap
        self._weights = weights

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return -(-len(self._ids) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for rows in self._group_rows():
            ids = self._ids.padded(rows)
            if self._generator is not None and self._word_swap:
                _swap_words(ids, self._ids.lengths_of(rows), self._word_swap, self._generator)
            inputs = ids if self._subwords is None else self._subwords.inputs(ids)
            targets = self._one_hot[self._labels[rows]]
            batch = (inputs, targets)
            yield batch if self._weights is None else (*batch, self._weights[rows])

    def dataset(self) -> Any:
        """Return the batches as a `tf.data.Dataset` whose signature leaves the length open.

        A `keras.utils.PyDataset` would not do: Keras infers its shapes from the first two batches,
        and if these happen to have the same length, it assumes that length for all.
        """
        import tensorflow as tf

        ids = tf.TensorSpec((None, None), tf.int32)
        pairs = tf.TensorSpec((None, 2), tf.int32)
        signature = [
            ids if self._subwords is None else (ids, ids, pairs),
            tf.TensorSpec((None, self._one_hot.shape[1]), tf.float32),
        ]
        if self._weights is not None:
            signature.append(tf.TensorSpec((None,), tf.float32))
        batches = tf.data.Dataset.from_generator(self.__iter__, output_signature=tuple(signature))
        counted = batches.apply(tf.data.experimental.assert_cardinality(len(self)))
        # An autotuned iterator is released only when its tuning thread wakes up, which sleeps twice
        # as long each time: epochs would take up to twice as long.
        options = tf.data.Options()
        options.autotune.enabled = False
        # Build the next batch while the model trains on the current one.
        return counted.prefetch(1).with_options(options)

    def _group_rows(self) -> list[np.ndarray]:
        """Return the row numbers of each batch of the next epoch."""
        lengths = self._ids.lengths
        size = self._batch_size
        if self._generator is None:
            return _chunks(np.argsort(lengths, kind="stable"), size)
        shuffled = self._generator.permutation(len(lengths))
        pools = _chunks(shuffled, _POOL_BATCHES * size)
        sorted_pools = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
        batches = [batch for pool in sorted_pools for batch in _chunks(pool, size)]
        return [batches[index] for index in self._generator.permutation(len(batches))]


def predict_in_batches(
    predict: Callable[..., np.ndarray], ids: TokenIds, *features: np.ndarray, classes: int
) -> np.ndarray:
    """Predict texts in batches of similar length.

    Args:
        predict: function from int32 [batch, length], and the rows of `features` of the same texts,
            to float32 [batch, classes].
        ids: token ids of any number of texts.
        features: further arrays [texts, …] that `predict` takes.
        classes: number of classes.

    Returns:
        Probabilities in the order of the texts, float32 [texts, classes].

    Example:
        >>> def count_tokens(batch):
        ...     return (batch > 0).sum(axis=1, keepdims=True)
        >>> ids = TokenIds(np.array([7, 5, 6, 8], np.int32), np.array([0, 1, 3, 4]))
        >>> predict_in_batches(count_tokens, ids, classes=1).tolist()
        [[1.0], [2.0], [1.0]]

    """
    lengths = ids.lengths
    order = np.argsort(lengths, kind="stable")
    probabilities = np.zeros((len(ids), classes), np.float32)
    start = 0
    while start < len(order):
        # Rows are sorted by length, so a batch of the first n is as wide as the n-th. Take as many
        # as stay within the limit, but at least one.
        widths = np.maximum(lengths[order[start : start + _PREDICTION_TOKENS]], 1)
        sizes = widths * np.arange(1, len(widths) + 1)
        count = max(1, int(np.searchsorted(sizes, _PREDICTION_TOKENS, side="right")))
        rows = order[start : start + count]
        probabilities[rows] = predict(ids.padded(rows), *(each[rows] for each in features))
        start += count
    return probabilities


def _swap_words(
    ids: np.ndarray, lengths: np.ndarray, fraction: float, generator: np.random.Generator
) -> None:
    """Permute a random fraction of the words of each text among themselves, in place.

    One of the operations of "easy data augmentation" (Wei & Zou, 2019, arXiv:1901.11196).
    """
    for text, length in zip(ids, lengths, strict=True):
        places = generator.permutation(length)[: round(fraction * length)]
        text[places] = text[generator.permutation(places)]


def _chunks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
