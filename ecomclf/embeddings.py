"""Word vectors to start an embedding from, learned on the training texts, kept in `data/cache`."""

import fcntl
import hashlib
from pathlib import Path

import numpy as np

from ecomclf.text import Ids

CACHE = Path("data") / "cache"

_WINDOW = 8
_EPOCHS = 8
# Chosen on validation rows; larger vectors are harder to move, so that little is learned of them.
_DEVIATION = 0.1


def start_vectors(ids: Ids, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Give what `word2vec` learns from the same texts, learned once for all processes.

    Returns:
        float32 [vocabulary_size, size].

    """
    digest = hashlib.sha256(ids.values.tobytes())
    digest.update(ids.offsets.tobytes())
    digest.update(f"{vocabulary_size} {size} {_WINDOW} {_EPOCHS} {_DEVIATION}".encode())
    path = CACHE / f"word2vec-{digest.hexdigest()[:32]}.npy"
    CACHE.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        # Others wait for who came first; the system lets go of a killed one's lock.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, word2vec(ids, vocabulary_size=vocabulary_size, size=size))
            part.replace(path)
    return np.asarray(np.load(path, allow_pickle=False))


def word2vec(ids: Ids, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Learn skip-gram vectors (Mikolov et al., 2013, arXiv:1301.3781) of the ids of texts.

    They are centred and scaled. Ids that do not occur, padding among them, start as zeros.

    Returns:
        float32 [vocabulary_size, size].

    """
    from gensim.models import Word2Vec

    embeddings = np.zeros((vocabulary_size, size), np.float32)
    if len(np.unique(ids.values)) < 2:
        return embeddings
    sentences = [
        ids.values[start:end].tolist()
        for start, end in zip(ids.offsets[:-1], ids.offsets[1:], strict=True)
    ]
    # With one worker the same seed gives the same vectors.
    model = Word2Vec(
        sentences,
        vector_size=size,
        window=_WINDOW,
        min_count=1,
        sg=1,
        epochs=_EPOCHS,
        seed=0,
        workers=1,
    )
    vectors = model.wv.vectors - model.wv.vectors.mean(axis=0)
    embeddings[model.wv.index_to_key] = vectors * (_DEVIATION / vectors.std())
    return embeddings
