from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ecomclf import embeddings
from ecomclf.embeddings import start_vectors, word2vec
from ecomclf.text import UNKNOWN_ID, Ids

VOCABULARY = 14


def two_worlds(seed: int = 0) -> Ids:
    """Make texts of ids 2 to 6 or of 7 to 11, half and half; 12 and 13 never occur."""
    generator = np.random.default_rng(seed)
    texts = generator.integers(2, 7, (300, 8)) + 5 * (np.arange(300) % 2)[:, np.newaxis]
    return Ids(texts.astype(np.int32).ravel(), np.arange(0, texts.size + 1, 8))


def learn(ids: Ids) -> np.ndarray:
    """Learn small vectors."""
    return word2vec(ids, vocabulary_size=VOCABULARY, size=6)


def test_words_of_like_company_get_like_vectors() -> None:
    """Within a world the cosine is larger than across; the vectors are centred and scaled."""
    vectors = learn(two_worlds())
    assert vectors.shape == (VOCABULARY, 6)
    assert vectors.dtype == np.float32
    known = vectors[2:12]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-6)
    assert known.std() == pytest.approx(0.1, rel=1e-4)
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert cosine[:5, :5].mean() > cosine[:5, 5:].mean() + 0.5


def test_ids_that_do_not_occur_start_as_zeros() -> None:
    """Padding, an unknown token in no text, and words that were cut off."""
    vectors = learn(two_worlds())
    assert not vectors[[0, UNKNOWN_ID, 12, 13]].any()
    assert vectors[2:12].any(axis=1).all()


def test_the_same_texts_give_the_same_vectors() -> None:
    """Twice the same, whatever was drawn between; other texts give others."""
    first = learn(two_worlds())
    np.random.default_rng().random(100)
    np.testing.assert_array_equal(learn(two_worlds()), first)
    assert (learn(two_worlds(1)) != first).any()


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Ids]:
    """An empty working directory, and a list of what is learned from in it."""
    monkeypatch.chdir(tmp_path)
    texts = []

    def learn_and_tell(ids: Ids, **sizes: int) -> np.ndarray:
        texts.append(ids)
        return word2vec(ids, **sizes)

    monkeypatch.setattr(embeddings, "word2vec", learn_and_tell)
    return texts


def test_vectors_are_learned_once(learned: list[Ids]) -> None:
    """Who comes at the same time waits, who comes later reads; all get the same."""
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(start_vectors, two_worlds(), vocabulary_size=VOCABULARY, size=6)
            for _ in range(4)
        ]
    assert len(learned) == 1
    for answer in waiting:
        np.testing.assert_array_equal(answer.result(), learn(two_worlds()))


def test_other_texts_and_sizes_are_learned_anew(learned: list[Ids]) -> None:
    """What was kept is given only for the same request, where texts end included."""
    start_vectors(two_worlds(), vocabulary_size=VOCABULARY, size=6)
    assert start_vectors(two_worlds(), vocabulary_size=VOCABULARY, size=5).shape[1] == 5
    assert start_vectors(two_worlds(), vocabulary_size=15, size=6).shape[0] == 15
    start_vectors(two_worlds(1), vocabulary_size=VOCABULARY, size=6)
    merged = Ids(two_worlds().values, two_worlds().offsets[::2])
    start_vectors(merged, vocabulary_size=VOCABULARY, size=6)
    assert len(learned) == 5


@pytest.mark.parametrize("words", [[], [2, 2, 2]])
def test_texts_of_one_word_or_none_start_from_zeros(words: list[int]) -> None:
    """There is nothing to learn from, and no error."""
    ids = Ids(np.array(words, np.int32), np.array([0, len(words)]))
    assert not learn(ids).any()
