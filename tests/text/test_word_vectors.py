import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomclf.config.loading import Config
from ecomclf.errors import RequestError
from ecomclf.text import word_vectors
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID, TokenIds
from ecomclf.text.word_vectors import (
    check_vector_files,
    file_vectors,
    learned_vectors,
    word2vec,
)

VOCABULARY = 14


def two_topics(seed: int = 0) -> TokenIds:
    """Return texts of either ids 2 to 6 or ids 7 to 11, in turn; 12 and 13 never occur."""
    generator = np.random.default_rng(seed)
    texts = generator.integers(2, 7, (300, 8)) + 5 * (np.arange(300) % 2)[:, np.newaxis]
    return TokenIds(texts.astype(np.int32).ravel(), np.arange(0, texts.size + 1, 8))


def learn(ids: TokenIds) -> np.ndarray:
    """Learn six-dimensional vectors."""
    return word2vec(ids, vocabulary_size=VOCABULARY, size=6)


def test_words_with_similar_contexts_get_similar_vectors() -> None:
    """Cosines are larger within a topic than across; vectors are centred and scaled."""
    vectors = learn(two_topics())
    assert vectors.shape == (VOCABULARY, 6)
    assert vectors.dtype == np.float32
    known = vectors[2:12]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-6)
    assert known.std() == pytest.approx(0.1, rel=1e-4)
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert cosine[:5, :5].mean() > cosine[:5, 5:].mean() + 0.5


def test_ids_that_do_not_occur_start_as_zeros() -> None:
    """Padding, an unknown token that no text has, and words lost to truncation."""
    vectors = learn(two_topics())
    assert not vectors[[0, UNKNOWN_ID, 12, 13]].any()
    assert vectors[2:12].any(axis=1).all()


def test_the_same_texts_give_the_same_vectors() -> None:
    """Learning is independent of the global random state; other texts give other vectors."""
    first = learn(two_topics())
    np.random.default_rng().random(100)
    np.testing.assert_array_equal(learn(two_topics()), first)
    assert (learn(two_topics(1)) != first).any()


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TokenIds]:
    """Run in an empty working directory and record what `word2vec` is called with."""
    monkeypatch.chdir(tmp_path)
    texts = []

    def record_and_learn(ids: TokenIds, **sizes: int) -> np.ndarray:
        texts.append(ids)
        return word2vec(ids, **sizes)

    monkeypatch.setattr(word_vectors, "word2vec", record_and_learn)
    return texts


def test_vectors_are_learned_once(learned: list[TokenIds]) -> None:
    """Concurrent callers wait for the first one; later ones read the cache; results are equal."""
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(learned_vectors, two_topics(), vocabulary_size=VOCABULARY, size=6)
            for _ in range(4)
        ]
    assert len(learned) == 1
    for answer in waiting:
        np.testing.assert_array_equal(answer.result(), learn(two_topics()))


def test_other_texts_and_sizes_have_their_own_cache_entry(learned: list[TokenIds]) -> None:
    """The cache key includes the vocabulary size and the text boundaries."""
    learned_vectors(two_topics(), vocabulary_size=VOCABULARY, size=6)
    assert learned_vectors(two_topics(), vocabulary_size=VOCABULARY, size=5).shape[1] == 5
    assert learned_vectors(two_topics(), vocabulary_size=15, size=6).shape[0] == 15
    learned_vectors(two_topics(1), vocabulary_size=VOCABULARY, size=6)
    merged = TokenIds(two_topics().values, two_topics().offsets[::2])
    learned_vectors(merged, vocabulary_size=VOCABULARY, size=6)
    assert len(learned) == 5


def test_sizes_above_64_share_the_learned_dimensions(learned: list[TokenIds]) -> None:
    """The remaining dimensions are small reproducible random numbers; padding stays zero."""
    sizes = {"vocabulary_size": VOCABULARY}
    small, large, larger = (
        learned_vectors(two_topics(), size=size, **sizes) for size in (64, 96, 128)
    )
    assert len(learned) == 1
    assert large.dtype == np.float32
    assert larger.shape == (VOCABULARY, 128)
    np.testing.assert_array_equal(large[:, :64], small)
    np.testing.assert_array_equal(larger[:, :64], small)
    extra = large[1:, 64:]
    assert 0.02 < extra.std() < 0.04
    assert not large[PADDING_ID].any()
    np.testing.assert_array_equal(
        learned_vectors(two_topics(), size=96, **sizes)[:, 64:], large[:, 64:]
    )


@pytest.mark.parametrize("words", [[], [2, 2, 2]])
def test_fewer_than_two_words_give_zero_vectors(words: list[int]) -> None:
    """There is nothing to learn; this is not an error."""
    ids = TokenIds(np.array(words, np.int32), np.array([0, len(words)]))
    assert not learn(ids).any()


GLOVE = ", 0.5 -0.25 1\nshoe 1 2 3\nhat -1 -2 -3\n. . . 0.125 0.25 0.5\n"
FORMS = {
    "glove.txt": GLOVE,
    "fasttext.vec": f"4 3\n{GLOVE}".replace("\n", " \n"),
    "glove.txt.gz": GLOVE,
    "fasttext.vec.gz": f"4 3\n{GLOVE}",
}
WORDS = ["", "[UNK]", "hat", "boot", "shoe", ". . ."]


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, gzipped where its name says so, and return its path."""
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def error_for(path: Path, size: int = 3) -> str:
    """Return the error raised for a file, after checking that it is one line with the path."""
    with pytest.raises(RequestError) as caught:
        file_vectors(path, WORDS, size)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "content"), FORMS.items(), ids=FORMS)
def test_known_words_get_the_vectors_of_the_file(empty: Path, name: str, content: str) -> None:
    """GloVe and fastText text formats, gzipped or not; a word may contain spaces."""
    vectors, known = file_vectors(write(empty / name, content), WORDS, 3)
    assert vectors.dtype == np.float32
    assert known.tolist() == [False, False, True, False, True, True]
    assert vectors[[2, 4, 5]].tolist() == [[-1, -2, -3], [1, 2, 3], [0.125, 0.25, 0.5]]
    assert not vectors[0].any()
    for row in (1, 3):
        assert vectors[row].all()
    assert (vectors[1] != vectors[3]).all()


def test_missing_words_get_random_vectors_of_the_same_scale(empty: Path) -> None:
    """The standard deviation is that of the known words, or 0.1 if no word is known."""
    unknown = [f"word {number}" for number in range(500)]
    path = write(empty / "v.txt", "shoe 4 -4 4\nhat -4 4 -4\nfar 1000 1000 1000\n")
    vectors, known = file_vectors(path, ["", "[UNK]", "shoe", "hat", *unknown], 3)
    assert known.sum() == 2
    assert vectors[~known].std() == pytest.approx(4, rel=0.1)
    assert abs(vectors[~known].mean()) < 0.4
    vectors, known = file_vectors(path, ["", "[UNK]", *unknown], 3)
    assert not known.any()
    assert vectors.std() == pytest.approx(0.1, rel=0.1)


def test_the_first_vector_of_a_repeated_word_wins(empty: Path) -> None:
    """Later lines with the same word are ignored."""
    path = write(empty / "v.txt", "shoe 1 2\nhat 5 6\nshoe 3 4\n")
    vectors, _ = file_vectors(path, ["", "[UNK]", "shoe"], 2)
    assert vectors[2].tolist() == [1, 2]


@pytest.fixture
def files_read(empty: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Run in an empty working directory and record which vector files are read."""
    paths = []
    read = word_vectors._read_vectors

    def record_and_read(path: Path, *rest: Any) -> np.ndarray:
        paths.append(path)
        return read(path, *rest)

    monkeypatch.setattr(word_vectors, "_read_vectors", record_and_read)
    return paths


def test_a_file_is_read_once(empty: Path, files_read: list[Path]) -> None:
    """Equal requests are served from the cache; other words or another order are not."""
    path = write(empty / "v.txt", GLOVE)
    first, second = (file_vectors(path, WORDS, 3) for _ in range(2))
    assert len(files_read) == 1
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    file_vectors(path, WORDS[:-1], 3)
    file_vectors(path, [*WORDS[:2], "shoe", "boot", "hat"], 3)
    assert len(files_read) == 3


def test_a_changed_file_is_read_again(empty: Path, files_read: list[Path]) -> None:
    """A change of size or of modification time invalidates the cache entry."""
    path = write(empty / "v.txt", "shoe 1 2\n")
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [1, 2]
    write(path, "shoe 10 20\n")
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [10, 20]
    write(path, "shoe 30 40\n")
    os.utime(path, (1, 1))
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [30, 40]
    assert len(files_read) == 3


def test_a_rejected_file_can_be_corrected(empty: Path) -> None:
    """A failed read leaves no cache entry."""
    path = write(empty / "v.txt", "shoe 1 2\nhat 1\n")
    error_for(path, 2)
    error_for(path, 2)
    write(path, "shoe 1 2\nhat 1 5\n")
    assert file_vectors(path, WORDS, 2)[0][2].tolist() == [1, 5]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("shoe 1 2 3\nhat 1 2\n", "line 2: expected a word followed by 3 space-separated numbers"),
        ("2 3\nshoe 1 2 3\nhat\n", "line 3: expected a word followed by 3 space-separated numbers"),
        (
            "shoe 1 2 3\nhat 1 2 3 4\n",
            "line 2: expected a word followed by 3 space-separated numbers",
        ),
        ("shoe\t1\t2\t3\n", "line 1: expected a word followed by 3 space-separated numbers"),
        ("shoe 1 2 3\nhat 1 many 3\n", "invalid vector for 'hat': could not convert"),
        ("shoe 1 2 3\nhat 1 nan 3\n", "invalid vector for 'hat': not all numbers are finite"),
    ],
)
def test_malformed_lines_raise(empty: Path, content: str, expected: str) -> None:
    """A wrong count is reported by line number, a bad number by its word."""
    assert expected in error_for(write(empty / "v.txt", content))


@pytest.mark.parametrize("name", ["v.bin", "v.gz"])
def test_binary_files_raise(empty: Path, name: str) -> None:
    """The binary formats of fastText and word2vec are not supported."""
    content = b"2 3\nshoe \x00\x00\x80\xbf\xff\xfe\n"
    assert "cannot read word vectors" in error_for(write(empty / name, content))


@pytest.mark.parametrize(
    "content", [b"shoe 1 2 3\n", gzip.compress(GLOVE.encode() * 99, mtime=0)[:60]]
)
def test_damaged_gzip_files_raise(empty: Path, content: bytes) -> None:
    """Not gzipped despite its name, or truncated."""
    path = empty / "v.txt.gz"
    path.write_bytes(content)
    assert "cannot read word vectors" in error_for(path)


def test_a_file_without_vectors_raises(empty: Path) -> None:
    """An empty file, or only the header line of the fastText format."""
    for content in ("", "0 3\n"):
        path = write(empty / "v.txt", content)
        with pytest.raises(RequestError, match="holds no word vectors"):
            check(make_config(str(path), 3))


def test_a_byte_order_mark_is_ignored(empty: Path) -> None:
    """Some editors write one at the beginning of a file."""
    write(empty / "v.txt", "\ufeffshoe 1 2 3\n")
    assert file_vectors(empty / "v.txt", ["", "[UNK]", "shoe"], 3)[0][2].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_a_missing_file_or_a_folder_raises(empty: Path, name: str) -> None:
    """The error says which values `model.embeddings` accepts."""
    with pytest.raises(RequestError, match="cannot read word vectors") as caught:
        check(make_config(str(empty / name), 3))
    assert "random, word2vec or the path" in str(caught.value)


def model_space(**dimensions: Any) -> dict[str, Any]:
    """Return a search space over keys of the `model` section."""
    return {f"model.{key}": dimension for key, dimension in dimensions.items()}


def make_config(embeddings: str, size: int, space: dict[str, Any] | None = None) -> Config:
    """Return a config with these embeddings and a search space."""
    values = {"model.embeddings": embeddings, "model.embedding_dim": size}
    return Config(name="a").with_values({**values, "sweep.space": space or {}})


def check(config: Config) -> None:
    """Check all embeddings and sizes that a config and its search space allow."""
    check_vector_files(
        config.possible_values("model.embeddings"), config.possible_values("model.embedding_dim")
    )


@pytest.mark.parametrize("name", FORMS)
def test_vectors_as_wide_as_the_embedding_pass(empty: Path, name: str) -> None:
    """In any format; a search space overrides the fixed value."""
    path = str(write(empty / name, FORMS[name]))
    check(make_config(path, 3))
    check(make_config(path, 8, model_space(embedding_dim={"type": "choice", "values": [3]})))
    check(
        make_config(
            "random", 3, model_space(embeddings={"type": "choice", "values": ["random", path]})
        )
    )


@pytest.mark.parametrize(
    ("size", "space", "wrong"),
    [
        (4, {}, 4),
        (3, model_space(embedding_dim={"type": "choice", "values": [3, 50]}), 50),
        (3, model_space(embedding_dim={"type": "int", "low": 2, "high": 3}), 2),
        (3, model_space(embedding_dim={"type": "int", "low": 3, "high": 9}), 4),
    ],
)
@pytest.mark.parametrize("where", ["fixed", "searched"])
@pytest.mark.parametrize("name", FORMS)
def test_vectors_of_another_width_raise(
    empty: Path, name: str, where: str, size: int, space: dict[str, Any], wrong: int
) -> None:
    """For any value that a trial may take; the error has both widths and the path."""
    path = str(write(empty / name, FORMS[name]))
    if where == "searched":
        choice = {"type": "choice", "values": ["word2vec", path]}
        config = make_config("random", size, {**space, **model_space(embeddings=choice)})
    else:
        config = make_config(path, size, space)
    with pytest.raises(RequestError) as caught:
        check(config)
    message = str(caught.value)
    assert path in message
    assert "3-dimensional" in message
    assert f"model.embedding_dim is {wrong}" in message
    assert "\n" not in message


@pytest.mark.parametrize("embeddings", ["none.txt", "v.bin"])
def test_unreadable_vector_files_raise_before_training(empty: Path, embeddings: str) -> None:
    """A missing or binary file is reported, whether fixed or in the search space."""
    (empty / "v.bin").write_bytes(b"\xff\xfe 1 2 3\n")
    choice = model_space(embeddings={"type": "choice", "values": ["random", embeddings]})
    for config in (make_config(embeddings, 3), make_config("random", 3, choice)):
        with pytest.raises(RequestError, match=embeddings):
            check(config)


@pytest.mark.parametrize("embeddings", ["random", "word2vec"])
def test_any_size_is_accepted_without_a_vector_file(empty: Path, embeddings: str) -> None:
    """No file is read or written, and no error is raised."""
    sizes = {"type": "int", "low": 2, "high": 300}
    check(make_config(embeddings, 7, model_space(embedding_dim=sizes)))
    assert not list(empty.iterdir())
