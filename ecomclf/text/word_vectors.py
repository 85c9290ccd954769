"""Word vectors to initialise an embedding with: learned on the training texts, or read from a file.

Both are computed by the first process that asks for them, and cached on disk.
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

# Standard deviation of learned vectors. Chosen on validation rows: training moves larger vectors
# too little.
_LEARNED_STD = 0.1
# The time to learn grows with the size, and larger sizes did not help on validation rows.
MAX_LEARNED_SIZE = 64
# About that of Keras' default initialiser of an embedding.
_RANDOM_STD = 0.03


def learned_vectors(ids: TokenIds, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Return skip-gram vectors learned from the training texts, from the cache if possible.

    At most `MAX_LEARNED_SIZE` dimensions are learned, so all larger sizes share one cache entry.
    The remaining dimensions are small random numbers, the same in every call.

    Returns:
        float32 [vocabulary_size, size].

    """
    learned = min(size, MAX_LEARNED_SIZE)
    code = [Path(source).read_bytes() for source in (__file__, skipgram.__file__)]
    settings = f"{vocabulary_size} {learned}"
    digest = digest_of(code, [ids.values.tobytes(), ids.offsets.tobytes(), settings])
    vectors = _cached_array(
        f"word2vec-{digest}", lambda: word2vec(ids, vocabulary_size=vocabulary_size, size=learned)
    )
    extra = _random_vectors((vocabulary_size, size - learned), _RANDOM_STD)
    return np.hstack([vectors, extra])


def file_vectors(path: Path, words: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors that a file has for some words, from the cache if possible.

    Words that the file lacks get random vectors of the same standard deviation.

    Args:
        path: text file in GloVe format, a word and its numbers per line, or in fastText format,
            which adds a header line with the numbers of words and dimensions; gzipped if its name
            ends in `.gz`.
        words: the vocabulary by id; the first is padding, whose vector is zero.
        size: numbers per word.

    Returns:
        Vectors float32 [words, size]; bool [words], whether the file has the word.

    Raises:
        RequestError: the file cannot be read, or a line is malformed.

    """
    stat = path.stat()
    code = Path(__file__).read_bytes()
    identity = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {size}"
    found = _cached_array(
        f"vectors-{digest_of([code, identity], words)}", lambda: _read_vectors(path, words, size)
    )
    known = ~np.isnan(found[:, 0])
    deviation = float(found[known].std()) if known.any() else _LEARNED_STD
    vectors = np.where(known[:, np.newaxis], found, _random_vectors(found.shape, deviation))
    vectors[PADDING_ID] = 0
    return vectors, known


def vector_files(sources: Iterable[str]) -> list[str]:
    """Return those values of `model.embeddings` that are paths of vector files.

    Example:
        >>> vector_files(["random", "word2vec", "glove.6B.100d.txt"])
        ['glove.6B.100d.txt']

    """
    return [source for source in sources if source not in ("random", "word2vec")]


def check_vector_files(sources: Iterable[str], sizes: Collection[int]) -> None:
    """Check that vector files are readable and have as many dimensions as the embedding.

    Only the first vector of a file is read.

    Args:
        sources: possible values of `model.embeddings`.
        sizes: possible values of `model.embedding_dim`.

    Raises:
        RequestError: a file cannot be read or has another number of dimensions.

    """
    for path in map(Path, vector_files(sources)):
        _, vector = next(_iterate_file(path, None), ("", []))
        if not vector:
            raise RequestError(f"{path} holds no word vectors; name another file")
        wrong = [size for size in sizes if size != len(vector)]
        if wrong:
            raise RequestError(
                f"{path} holds {len(vector)}-dimensional vectors but model.embedding_dim is "
                f"{wrong[0]}; set it to {len(vector)}"
            )


def word2vec(ids: TokenIds, *, vocabulary_size: int, size: int) -> np.ndarray:
    """Learn skip-gram vectors (see `skipgram`), then centre and scale them.

    Ids that do not occur in the texts, such as padding, get zero vectors.

    Returns:
        float32 [vocabulary_size, size].

    """
    embeddings = np.zeros((vocabulary_size, size), np.float32)
    words = np.unique(ids.values)
    if len(words) < 2:
        return embeddings
    learned, _ = skipgram.learn_vectors(ids, vocabulary_size=vocabulary_size, size=size)
    vectors = learned[words] - learned[words].mean(axis=0)
    embeddings[words] = vectors * (_LEARNED_STD / vectors.std())
    return embeddings


def _random_vectors(shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Draw normal random vectors, the same for equal arguments; that of padding is zero."""
    vectors = np.random.default_rng(0).normal(0, deviation, shape).astype(np.float32)
    vectors[PADDING_ID] = 0
    return vectors


def _cached_array(name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array cached under a name; the first process that asks computes it."""
    folder = cached_folder(name, lambda folder: np.save(folder / _FILE, compute()))
    return np.asarray(np.load(folder / _FILE, allow_pickle=False))


def _read_vectors(path: Path, words: Sequence[str], size: int) -> np.ndarray:
    """Return a file's vectors of some words, NaN for missing ones; float32 [words, size]."""
    row_of = {word: row for row, word in enumerate(words)}
    found = np.full((len(words), size), np.nan, np.float32)
    for word, vector in _iterate_file(path, size):
        row = row_of.get(word)
        if row is None or not np.isnan(found[row, 0]):
            continue
        try:
            found[row] = vector
        except ValueError as error:
            raise _invalid_vector(path, word, str(error)) from error
        if not np.isfinite(found[row]).all():
            raise _invalid_vector(path, word, "not all numbers are finite")
    return found


def _invalid_vector(path: Path, word: str, reason: str) -> RequestError:
    return RequestError(
        f"{path}: invalid vector for {word!r}: {reason}; correct or remove its line"
    )


def _iterate_file(path: Path, size: int | None) -> Iterator[tuple[str, list[str]]]:
    """Yield each word with its numbers, as text.

    Args:
        path: file of vectors.
        size: expected numbers per word, or None to accept any.

    Raises:
        RequestError: the file cannot be read, or a line has another size.

    """
    opened: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and re.fullmatch(r"\d+ \d+\s*", line):
                    continue
                # Split from the right: a few words of the larger GloVe files contain spaces.
                word, *vector = line.rstrip().rsplit(" ", -1 if size is None else size)
                too_many = re.search(r" -?\d+(\.\d+)?(e-?\d+)?$", word)
                if size is not None and (len(vector) != size or too_many):
                    raise RequestError(
                        f"{path}, line {number}: expected a word followed by {size} "
                        f"space-separated numbers but got {line[:60].rstrip()!r}"
                    )
                yield word, vector
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise RequestError(
            f"cannot read word vectors from {path}: {error}; model.embeddings must be random, "
            "word2vec or the path of a text file in GloVe or fastText format"
        ) from error
