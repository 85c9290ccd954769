"""Word vectors to start an embedding from: learned on the training texts, or read from a file.

Both are found once for all processes and kept.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from ecomclf.errors import RequestError
from ecomclf.runtime.disk_cache import cached_folder, digest_of
from ecomclf.text import skipgram
from ecomclf.text.token_ids import PADDING_ID, TokenIds

_FILE = "vectors.npy"

# Chosen on validation rows; larger vectors are harder to move, so that little is learned of them.
_DEVIATION = 0.1
# Learning takes time by the number, and more than these did not help on validation rows.
MOST_LEARNED = 64
# About what Keras draws an embedding from.
_RANDOM_DEVIATION = 0.03


def learned_vectors(ids: TokenIds, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Give what `word2vec` learns from the same texts, 64 numbers a word at most.

    So it is learned once for all sizes from 64 on. Further numbers are small random ones.

    Returns:
        float32 [vocabulary_size, size].

    """
    learned = min(size, MOST_LEARNED)
    code = Path(skipgram.__file__).read_bytes()
    settings = f"{vocabulary_size} {learned} {_DEVIATION}"
    vectors = _made_once(
        f"word2vec-{digest_of([code, ids.values.tobytes(), ids.offsets.tobytes(), settings])}",
        lambda: word2vec(ids, vocabulary_size=vocabulary_size, size=learned),
    )
    drawn = _drawn_vectors((vocabulary_size, size - learned), _RANDOM_DEVIATION)
    return np.hstack([vectors, drawn])


def file_vectors(path: Path, words: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the vectors of some words as a file has them, and small random ones for the others.

    Args:
        path: a text file, or such a one ending in `.gz`: a word and its numbers a line, as GloVe
            has it, perhaps after a line with the number of words and of numbers, as fastText does.
        words: the vocabulary by id; the first is the padding, which stays zero.
        size: numbers a word.

    Returns:
        float32 [words, size]; bool [words], whether the file has the word.

    Raises:
        RequestError: the file cannot be read, or a line has another number of numbers.

    """
    stat = path.stat()
    about = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {size}"
    found = _made_once(
        f"vectors-{digest_of([about], words)}", lambda: _read_vectors(path, words, size)
    )
    known = ~np.isnan(found[:, 0])
    deviation = float(found[known].std()) if known.any() else _DEVIATION
    vectors = np.where(known[:, np.newaxis], found, _drawn_vectors(found.shape, deviation))
    vectors[PADDING_ID] = 0
    return vectors, known


def vector_files(sources: Iterable[str]) -> list[str]:
    """Give those of what `model.embeddings` may be that are paths of files."""
    return [source for source in sources if source not in ("random", "word2vec")]


def check_vector_files(sources: Iterable[str], sizes: Collection[int]) -> None:
    """Check that files of vectors are there, and as wide as the embedding.

    Args:
        sources: what `model.embeddings` may be.
        sizes: what `model.embedding_dim` may be.

    Raises:
        RequestError: one is not.

    """
    for path in map(Path, vector_files(sources)):
        _, vector = next(_vectors(path, None), ("", []))
        if not vector:
            raise RequestError(f"{path} holds no word vectors; name another file")
        wrong = [size for size in sizes if size != len(vector)]
        if wrong:
            raise RequestError(
                f"{path} has {len(vector)} numbers a word but model.embedding_dim is "
                f"{wrong[0]}; set it to {len(vector)}"
            )


def word2vec(ids: TokenIds, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Learn skip-gram vectors of the ids of texts, centred and scaled; see `skipgram`.

    Ids that do not occur, padding among them, start as zeros.

    Returns:
        float32 [vocabulary_size, size].

    """
    embeddings = np.zeros((vocabulary_size, size), np.float32)
    words = np.unique(ids.values)
    if len(words) < 2:
        return embeddings
    learned, _ = skipgram.learn_vectors(ids, vocabulary_size=vocabulary_size, size=size)
    vectors = learned[words] - learned[words].mean(axis=0)
    embeddings[words] = vectors * (_DEVIATION / vectors.std())
    return embeddings


def _drawn_vectors(shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Draw random vectors, the same for a shape each time; that of the padding is zero."""
    vectors = np.random.default_rng(0).normal(0, deviation, shape).astype(np.float32)
    vectors[PADDING_ID] = 0
    return vectors


def _made_once(name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Give an array that is kept under a name; made by the first process that asks for it."""
    folder = cached_folder(name, lambda folder: np.save(folder / _FILE, make()))
    return np.asarray(np.load(folder / _FILE, allow_pickle=False))


def _read_vectors(path: Path, words: Sequence[str], size: int) -> np.ndarray:
    """Give the vectors of words as a file has them, NaN for others; float32 [words, size]."""
    at = {word: row for row, word in enumerate(words)}
    found = np.full((len(words), size), np.nan, np.float32)
    for word, vector in _vectors(path, size):
        row = at.get(word)
        if row is None or not np.isnan(found[row, 0]):
            continue
        try:
            found[row] = vector
        except ValueError as error:
            raise RequestError(f"{path}: the vector of {word!r} is wrong: {error}") from error
        if not np.isfinite(found[row]).all():
            raise RequestError(f"{path}: the vector of {word!r} holds what is no finite number")
    return found


def _vectors(path: Path, size: int | None) -> Iterator[tuple[str, list[str]]]:
    """Give each word and its numbers, still as text, `size` of them where that is known."""
    opened: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and re.fullmatch(r"\d+ \d+\s*", line):
                    continue
                # A few words of the larger files hold spaces.
                word, *vector = line.rstrip().rsplit(" ", -1 if size is None else size)
                too_many = re.search(r" -?\d+(\.\d+)?(e-?\d+)?$", word)
                if size is not None and (len(vector) != size or too_many):
                    raise RequestError(
                        f"{path}, line {number}: not a word and {size} numbers, parted by spaces, "
                        f"but {line[:60].rstrip()!r}"
                    )
                yield word, vector
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise RequestError(
            f"cannot read word vectors from {path}: {error}; model.embeddings is random, word2vec "
            "or the path of a text file of GloVe's or fastText's"
        ) from error
