"""Skip-gram vectors of words with negative sampling, learned for many words at a time.

The model is that of Mikolov et al. (2013, arXiv:1310.4546). A step reads some thousand words, and
sixteen that stand together are compared with the same negatives, which makes products of matrices
of it (Ji et al., 2016, arXiv:1604.04661). A word's steps grow smaller with what it has learned
already (Adagrad, Duchi et al., 2011, JMLR 12). Nothing depends on how threads take turns, so that
the same texts give the same vectors.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from ecomclf.text.token_ids import TokenIds

_WINDOW = 8
_NEGATIVES = 5
# Words are drawn as negatives by this power of their number.
_POWER = 0.75
# A word that is more than 2.6 times this share of all is left out at random.
_FREQUENT = 1e-3
# As many words are read in all, small texts so often at most and large ones once at least.
_WORDS_READ = 4_000_000
_MOST_EPOCHS = 20

_RATE = 0.4
_LAST_RATE = 0.05 * _RATE
# What counts as learned before the first step: rare words shall stay small.
_LEARNED_BEFORE = 20.0
# Small texts are read in smaller steps: few steps teach little, whatever they read.
_MOST_WORDS_A_STEP = 4096
_LEAST_WORDS_A_STEP = 512
_STEPS_A_READING = 160
_NEGATIVES_A_BLOCK = 16
# Words whose neighbours are looked up together: half of what is looked up are neighbours.
_BLOCK = 2 * _WINDOW

# Words int [rows], and float32 [rows, size] for each row.
Gradients = tuple[np.ndarray, np.ndarray]


def learn_vectors(
    ids: TokenIds, *, vocabulary_size: int, size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Learn vectors of words, and of words as neighbours.

    The product of the one with the other shall be large for words that stand near each other.

    A neighbour `d` places away counts `(9 - d) / 8` times, up to 8 places within the same text.

    Args:
        ids: texts, not all of them empty.
        vocabulary_size: number of ids.
        size: numbers a word.
        seed: of the first vectors, the order of texts, what is left out, and the negatives.

    Returns:
        Two tables float32 [vocabulary_size, size]; ids that do not occur keep what they begin with,
        small random numbers in the first and zeros in the second.

    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(ids.values, minlength=vocabulary_size).astype(float)
    share = np.maximum(counts / counts.sum(), np.finfo(float).tiny)
    kept = np.sqrt(_FREQUENT / share) + _FREQUENT / share
    drawn = np.cumsum(counts**_POWER)
    epochs = int(np.clip(_WORDS_READ // len(ids.values), 1, _MOST_EPOCHS))

    centres = _Table((generator.random((vocabulary_size, size)) - 0.5) / size)
    contexts = _Table(np.zeros((vocabulary_size, size)))
    # Small products: more threads would only be in the way.
    with threadpool_limits(1):
        for epoch in range(epochs):
            for done, words, texts in _batches(ids, generator):
                some = generator.random(len(words)) < kept[words]
                if not some.any():
                    continue
                words, texts = words[some], texts[some]
                draws = generator.random((-(-len(words) // _BLOCK), _NEGATIVES_A_BLOCK))
                # The last id takes what is left.
                negatives = np.searchsorted(drawn[:-1], draws * drawn[-1], side="right")
                rate = max(_LAST_RATE, _RATE * (1 - (epoch + done) / epochs))
                _step(words, texts, negatives, centres, contexts, rate)
    return centres.vectors, contexts.vectors


class _Table:
    """Vectors of words, and how much each has learned already."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors.astype(np.float32)
        self._learned = np.full((len(vectors), 1), _LEARNED_BEFORE, np.float32)

    def learn(self, words: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        """Move vectors against gradients; a word may stand in several rows, and has their sum.

        Args:
            words: int [rows].
            gradients: float32 [rows, size].
            rate: factor of the step, before it is divided by what a word has learned.

        """
        rows, places = np.unique(words, return_inverse=True)
        ones, begins = np.ones(len(words), np.float32), np.arange(len(words) + 1)
        sums = csr_array((ones, places, begins), shape=(len(words), len(rows))).T @ gradients
        self._learned[rows] += np.square(sums).mean(axis=1, keepdims=True)
        self.vectors[rows] -= np.float32(rate) * sums / np.sqrt(self._learned[rows])


def _batches(
    ids: TokenIds, generator: np.random.Generator
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Give all texts in random order, some at a time.

    Yields:
        share of the texts that came before; words int32 [words]; number of each one's text.

    """
    order = generator.permutation(len(ids))
    ends = np.cumsum(ids.lengths[order])
    step = int(np.clip(ends[-1] // _STEPS_A_READING, _LEAST_WORDS_A_STEP, _MOST_WORDS_A_STEP))
    cuts = np.searchsorted(ends, np.arange(step, ends[-1], step))
    for begin, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
        batch = ids.take(order[begin:end])
        yield begin / len(order), batch.values, np.repeat(np.arange(len(batch)), batch.lengths)


def _step(
    words: np.ndarray,
    texts: np.ndarray,
    negatives: np.ndarray,
    centres: _Table,
    contexts: _Table,
    rate: float,
) -> None:
    """Learn from words int [words], one behind the other, and the numbers of their texts."""
    of_centres, of_contexts = find_gradients(
        words, texts, negatives, centres.vectors, contexts.vectors
    )
    centres.learn(*of_centres, rate)
    for each in of_contexts:
        contexts.learn(*each, rate)


def find_gradients(
    words: np.ndarray,
    texts: np.ndarray,
    negatives: np.ndarray,
    centres: np.ndarray,
    contexts: np.ndarray,
) -> tuple[Gradients, tuple[Gradients, Gradients]]:
    """Give the gradients of what is to become small for words and their neighbours.

    That is, over all words i, the sum of `-w_ij log sigmoid(centre_i · context_j)` of its
    neighbours j, and of `-log sigmoid(-centre_i · context_n)` of the negatives n, these together
    counting five times as much as its neighbours do.

    Args:
        words: int [words], one behind the other.
        texts: int [words], the text that each stands in, 0 or more.
        negatives: int [blocks, negatives], a row for every 16 words.
        centres: float32 [vocabulary_size, size].
        contexts: float32 [vocabulary_size, size].

    Returns:
        Rows and gradients of centres, then of contexts: of neighbours, and of negatives.

    """
    missing = -len(words) % _BLOCK
    places = np.arange(-_WINDOW, _BLOCK + _WINDOW) - np.arange(_BLOCK)[:, np.newaxis]
    by_distance = np.clip(_WINDOW + 1 - abs(places), 0, None) / _WINDOW * (places != 0)

    def blocks(values: np.ndarray, filler: int) -> np.ndarray:
        return np.pad(values, (0, missing), constant_values=filler).reshape(-1, _BLOCK)

    def neighbourhoods(values: np.ndarray, filler: int) -> np.ndarray:
        around = (_WINDOW, missing + _WINDOW)
        padded = np.pad(values, around, constant_values=filler)
        return np.lib.stride_tricks.sliding_window_view(padded, 2 * _BLOCK)[::_BLOCK]

    # [blocks, 16] and [blocks, 32]; what fills them up is in no text.
    centre, near = blocks(words, 0), neighbourhoods(words, 0)
    together = blocks(texts, -1)[:, :, np.newaxis] == neighbourhoods(texts, -2)[:, np.newaxis]
    weights = by_distance.astype(np.float32) * together
    repelled = weights.sum(axis=2, keepdims=True) * np.float32(_NEGATIVES / negatives.shape[1])

    # Slopes of the loss by each product: [blocks, 16, 32] and [blocks, 16, negatives].
    centre_vectors, near_vectors = centres[centre], contexts[near]
    negative_vectors = contexts[negatives]
    pull = -weights * _sigmoid(-centre_vectors @ near_vectors.transpose(0, 2, 1))
    push = repelled * _sigmoid(centre_vectors @ negative_vectors.transpose(0, 2, 1))

    def rows(gradients: np.ndarray) -> np.ndarray:
        return gradients.reshape(-1, gradients.shape[-1])

    return (
        (centre.ravel(), rows(pull @ near_vectors + push @ negative_vectors)),
        (
            (near.ravel(), rows(pull.transpose(0, 2, 1) @ centre_vectors)),
            (negatives.ravel(), rows(push.transpose(0, 2, 1) @ centre_vectors)),
        ),
    )


def _sigmoid(values: np.ndarray) -> np.ndarray:
    """Give the logistic function, without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * values)
