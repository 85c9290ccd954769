"""Pairs of neighbouring words, hashed into buckets."""

import numpy as np

from ecomclf.text.character_ngrams import next_hash, to_bucket
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds

# Bucket of a pair with an unknown word, or with the end of a text.
NO_PAIR = 0


def pair_buckets(ids: TokenIds, buckets: int) -> np.ndarray:
    """Return the bucket of each word with the next one of its text; int32 [tokens].

    `ecomclf.models.linear_network` works out the same buckets with Keras operations.

    Args:
        ids: token ids of texts.
        buckets: number of buckets, at most 131,072, so that the hash fits int32.

    Example:
        The last word of each text has no next one, and an unknown word, id 1, is in no pair.

        >>> ids = TokenIds(np.array([4, 5, 4, 5, 1], np.int32), np.array([0, 2, 5]))
        >>> pair_buckets(ids, 64).tolist()
        [50, 0, 50, 0, 0]

    """
    first, second = ids.values[:-1], ids.values[1:]
    hashed = next_hash(first % np.int32(buckets), second, buckets)
    found = np.full(len(ids.values), NO_PAIR, np.int32)
    known = (first > UNKNOWN_ID) & (second > UNKNOWN_ID)
    found[:-1] = np.where(known, to_bucket(hashed, buckets), NO_PAIR)
    ends = ids.offsets[1:] - 1
    found[ends[ids.lengths > 0]] = NO_PAIR
    return found
