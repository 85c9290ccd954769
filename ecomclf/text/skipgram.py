"""Skip-gram word vectors with negative sampling, learned in minibatches with NumPy.

The model is that of Mikolov et al. (2013, arXiv:1310.4546). A step processes up to a few thousand
words. Each block of 16 consecutive words shares its negative samples, which turns the work into
matrix products (Ji et al., 2016, arXiv:1604.04661). The optimiser is Adagrad (Duchi et al., 2011,
JMLR 12), with one accumulator per word. Results do not depend on thread scheduling: the same texts
and seed give the same vectors.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from ecomclf.text.token_ids import TokenIds

_WINDOW = 8
# Weight of the negative samples relative to the neighbours.
_NEGATIVES = 5
# Negatives are drawn with probability proportional to this power of the word count.
_NEGATIVE_POWER = 0.75
# Subsampling: a word that makes up more than 2.6 times this fraction of all words is dropped at
# random, the more often the more frequent it is.
_SUBSAMPLING_THRESHOLD = 1e-3
# The number of epochs is chosen so that about this many words are read in total: at most 20 epochs
# of a small corpus, at least one of a large corpus.
_MAX_WORDS_READ = 4_000_000
_MAX_EPOCHS = 20

_LEARNING_RATE = 0.4
_MIN_LEARNING_RATE = 0.05 * _LEARNING_RATE
# Initial value of Adagrad's accumulator. It keeps the vectors of rare words small.
_INITIAL_ACCUMULATOR = 20.0
# Small corpora are read in smaller steps: too few steps learn little, however many words they read.
_MAX_WORDS_PER_STEP = 4096
_MIN_WORDS_PER_STEP = 512
_STEPS_PER_EPOCH = 160
_NEGATIVES_PER_BLOCK = 16
# Number of words whose neighbours are looked up together. At twice the window, half of the
# positions that are looked up are neighbours of a given word.
_BLOCK = 2 * _WINDOW

# Word ids int [rows], and their gradients float32 [rows, size]; ids may repeat.
Gradients = tuple[np.ndarray, np.ndarray]


def learn_vectors(
    ids: TokenIds, *, vocabulary_size: int, size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Learn a centre vector and a context vector for each word.

    Training increases the product of a word's centre vector with the context vectors of its
    neighbours. A neighbour at distance `d` has weight `(9 - d) / 8`, up to distance 8 within the
    same text.

    Args:
        ids: token ids of texts, at least one of them not empty.
        vocabulary_size: number of ids.
        size: dimensions per vector.
        seed: seed of the initial vectors, the order of texts, subsampling and negatives.

    Returns:
        Centre and context vectors, both float32 [vocabulary_size, size]. Ids that do not occur keep
        their initial values: small random numbers for centres, zeros for contexts.

    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(ids.values, minlength=vocabulary_size).astype(float)
    frequency = np.maximum(counts / counts.sum(), np.finfo(float).tiny)
    relative = _SUBSAMPLING_THRESHOLD / frequency
    keep_probability = np.sqrt(relative) + relative
    negative_weights = np.cumsum(counts**_NEGATIVE_POWER)
    epochs = int(np.clip(_MAX_WORDS_READ // len(ids.values), 1, _MAX_EPOCHS))

    centres = _Table((generator.random((vocabulary_size, size)) - 0.5) / size)
    contexts = _Table(np.zeros((vocabulary_size, size)))
    # The matrix products are too small for more than one BLAS thread to pay off.
    with threadpool_limits(1):
        for epoch in range(epochs):
            for done, words, texts in _batches(ids, generator):
                kept = generator.random(len(words)) < keep_probability[words]
                if not kept.any():
                    continue
                words, texts = words[kept], texts[kept]
                draws = generator.random((-(-len(words) // _BLOCK), _NEGATIVES_PER_BLOCK))
                # Leave out the last bound, so that rounding cannot yield an id out of range.
                negatives = np.searchsorted(
                    negative_weights[:-1], draws * negative_weights[-1], side="right"
                )
                decay = 1 - (epoch + done) / epochs
                rate = max(_MIN_LEARNING_RATE, _LEARNING_RATE * decay)
                _step(words, texts, negatives, centres, contexts, rate)
    return centres.vectors, contexts.vectors


class _Table:
    """Trainable word vectors with an Adagrad accumulator per word."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors.astype(np.float32)
        self._accumulator = np.full((len(vectors), 1), _INITIAL_ACCUMULATOR, np.float32)

    def update(self, words: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Apply one Adagrad step; gradients of repeated words are summed.

        Args:
            words: int [rows].
            gradients: float32 [rows, size].
            rate: learning rate, before division by the root of the accumulator.

        """
        unique, columns = np.unique(words, return_inverse=True)
        ones, offsets = np.ones(len(words), np.float32), np.arange(len(words) + 1)
        summing = csr_array((ones, columns, offsets), shape=(len(words), len(unique))).T
        sums = summing @ gradients
        self._accumulator[unique] += np.square(sums).mean(axis=1, keepdims=True)
        self.vectors[unique] -= np.float32(rate) * sums / np.sqrt(self._accumulator[unique])


def _batches(
    ids: TokenIds, generator: np.random.Generator
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Iterate over all texts once, in random order.

    Yields:
        Fraction of the texts that earlier batches contained; word ids int32 [words]; for each word
        the number of its text within the batch, int [words].

    """
    order = generator.permutation(len(ids))
    ends = np.cumsum(ids.lengths[order])
    step = int(np.clip(ends[-1] // _STEPS_PER_EPOCH, _MIN_WORDS_PER_STEP, _MAX_WORDS_PER_STEP))
    cuts = np.searchsorted(ends, np.arange(step, ends[-1], step))
    for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
        batch = ids.take(order[start:end])
        yield start / len(order), batch.values, np.repeat(np.arange(len(batch)), batch.lengths)


def _step(
    words: np.ndarray,
    texts: np.ndarray,
    negatives: np.ndarray,
    centres: _Table,
    contexts: _Table,
    rate: float,
) -> None:
    """Update both tables from consecutive words; arguments as in `find_gradients`."""
    centre_gradients, context_gradients = find_gradients(
        words, texts, negatives, centres.vectors, contexts.vectors
    )
    centres.update(*centre_gradients, rate)
    for each in context_gradients:
        contexts.update(*each, rate)


def find_gradients(
    words: np.ndarray,
    texts: np.ndarray,
    negatives: np.ndarray,
    centres: np.ndarray,
    contexts: np.ndarray,
) -> tuple[Gradients, tuple[Gradients, Gradients]]:
    """Return the gradients of the negative-sampling loss of consecutive words.

    The loss sums over all words i the terms `-w_ij log sigmoid(centre_i · context_j)` of its
    neighbours j and `-log sigmoid(-centre_i · context_n)` of its negatives n. The terms of the
    negatives are scaled so that their total weight is five times that of the neighbours.

    Args:
        words: word ids, int [words].
        texts: number of the text of each word, 0 or more; int [words].
        negatives: negatives of each block of 16 words, int [blocks, negatives].
        centres: float32 [vocabulary_size, size].
        contexts: float32 [vocabulary_size, size].

    Returns:
        Gradients of the centre vectors; gradients of the context vectors as a pair, of neighbours
        and of negatives.

    """
    missing = -len(words) % _BLOCK
    distance = np.arange(-_WINDOW, _BLOCK + _WINDOW) - np.arange(_BLOCK)[:, np.newaxis]
    by_distance = np.clip(_WINDOW + 1 - abs(distance), 0, None) / _WINDOW * (distance != 0)

    def blocks(values: np.ndarray, filler: int) -> np.ndarray:
        return np.pad(values, (0, missing), constant_values=filler).reshape(-1, _BLOCK)

    def neighbourhoods(values: np.ndarray, filler: int) -> np.ndarray:
        around = (_WINDOW, missing + _WINDOW)
        padded = np.pad(values, around, constant_values=filler)
        return np.lib.stride_tricks.sliding_window_view(padded, 2 * _BLOCK)[::_BLOCK]

    # [blocks, 16] and [blocks, 32]. The fill values -1 and -2 differ, so that no filler is a
    # neighbour.
    centre, near = blocks(words, 0), neighbourhoods(words, 0)
    same_text = blocks(texts, -1)[:, :, np.newaxis] == neighbourhoods(texts, -2)[:, np.newaxis]
    weights = by_distance.astype(np.float32) * same_text
    negative_weight = weights.sum(axis=2, keepdims=True) * np.float32(
        _NEGATIVES / negatives.shape[1]
    )

    # Derivatives of the loss by each dot product: [blocks, 16, 32] and [blocks, 16, negatives].
    centre_vectors, near_vectors = centres[centre], contexts[near]
    negative_vectors = contexts[negatives]
    pull = -weights * _sigmoid(-centre_vectors @ near_vectors.transpose(0, 2, 1))
    push = negative_weight * _sigmoid(centre_vectors @ negative_vectors.transpose(0, 2, 1))

    def flat(gradients: np.ndarray) -> np.ndarray:
        return gradients.reshape(-1, gradients.shape[-1])

    return (
        (centre.ravel(), flat(pull @ near_vectors + push @ negative_vectors)),
        (
            (near.ravel(), flat(pull.transpose(0, 2, 1) @ centre_vectors)),
            (negatives.ravel(), flat(push.transpose(0, 2, 1) @ centre_vectors)),
        ),
    )


def _sigmoid(values: np.ndarray) -> np.ndarray:
    """Return the logistic function, computed without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * values)
