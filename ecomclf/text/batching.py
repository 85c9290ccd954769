"""Ids grouped by length, for training and for prediction alike.

A recurrent layer costs its batch's longest text for every row in it, so texts of like length share
a batch and hardly anything is computed for padding.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ecomclf.text.token_ids import TokenIds

# Training shuffles, then sorts by length within this many batches: batches differ from epoch to
# epoch and still hold like lengths.
_POOL = 50
_PREDICTION_TOKENS = 32_768


class TrainingBatches:
    """Batches for `Model.fit`: ids int32 [batch, length], one-hot labels float32 [batch, classes].

    Each iteration is an epoch: reshuffled when `shuffle`, from `seed` on, else always the same.
    When it is, `word_swap` is the share of the words of a text that change places.
    """

    def __init__(
        self,
        ids: TokenIds,
        labels: np.ndarray,
        *,
        classes: int,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        word_swap: float = 0.0,
    ) -> None:
        self._ids = ids
        self._labels = labels
        self._one_hot = np.eye(classes, dtype=np.float32)
        self._batch_size = batch_size
        self._generator = np.random.default_rng(seed) if shuffle else None
        self._word_swap = word_swap

    def __len__(self) -> int:
        """Give the number of batches an epoch."""
        return -(-len(self._ids) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows in self._group():
            ids = self._ids.padded(rows)
            if self._generator is not None and self._word_swap:
                _swap_words(ids, self._ids.lengths_of(rows), self._word_swap, self._generator)
            yield ids, self._one_hot[self._labels[rows]]

    def dataset(self) -> Any:
        """Give them as a tf.data.Dataset, which says that lengths differ.

        Of a `keras.utils.PyDataset`, Keras takes the length of the first two batches, should they
        have the same, for that of all.
        """
        import tensorflow as tf

        signature = (
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, self._one_hot.shape[1]), tf.float32),
        )
        batches = tf.data.Dataset.from_generator(self.__iter__, output_signature=signature)
        counted = batches.apply(tf.data.experimental.assert_cardinality(len(self)))
        # An iterator that tunes itself is not let go before its tuner wakes, which sleeps twice as
        # long each time: epochs would last up to twice as long.
        options = tf.data.Options()
        options.autotune.enabled = False
        # The next batch is made while one is trained on.
        return counted.prefetch(1).with_options(options)

    def _group(self) -> list[np.ndarray]:
        lengths = self._ids.lengths
        size = self._batch_size
        if self._generator is None:
            return _cut(np.argsort(lengths, kind="stable"), size)
        shuffled = self._generator.permutation(len(lengths))
        pools = _cut(shuffled, _POOL * size)
        sorted_pools = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
        batches = [batch for pool in sorted_pools for batch in _cut(pool, size)]
        return [batches[index] for index in self._generator.permutation(len(batches))]


def predict_in_batches(
    predict: Callable[[np.ndarray], np.ndarray], ids: TokenIds, *, classes: int
) -> np.ndarray:
    """Predict texts in batches of like length and give them back in their own order.

    Args:
        predict: int32 [batch, length] → float32 [batch, classes].
        ids: any number of texts.
        classes: number of classes.

    Returns:
        float32 [texts, classes].

    """
    lengths = ids.lengths
    order = np.argsort(lengths, kind="stable")
    probabilities = np.zeros((len(ids), classes), np.float32)
    start = 0
    while start < len(order):
        # Sorted by length: as many rows as fit at the length of the last of them.
        longest = np.maximum(lengths[order[start : start + _PREDICTION_TOKENS]], 1)
        costs = longest * np.arange(1, len(longest) + 1)
        count = max(1, int(np.searchsorted(costs, _PREDICTION_TOKENS, side="right")))
        rows = order[start : start + count]
        probabilities[rows] = predict(ids.padded(rows))
        start += count
    return probabilities


def _swap_words(
    ids: np.ndarray, lengths: np.ndarray, share: float, generator: np.random.Generator
) -> None:
    """Let a share of each text's words change places among themselves; `ids` are changed in place.

    One of the "easy data augmentation" of Wei & Zou, 2019, arXiv:1901.11196.
    """
    for text, length in zip(ids, lengths, strict=True):
        places = generator.permutation(length)[: round(share * length)]
        text[places] = text[generator.permutation(places)]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
