import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomclf.config.loading import Config
from ecomclf.errors import RequestError
from ecomclf.text import word_vectors as embeddings
from ecomclf.text.token_ids import PADDING_ID, UNKNOWN_ID, TokenIds
from ecomclf.text.word_vectors import (
    check_vector_files,
    file_vectors,
    learned_vectors,
    word2vec,
)

VOCABULARY = 14


def two_worlds(seed: int = 0) -> TokenIds:
    """Make texts of ids 2 to 6 or of 7 to 11, half and half; 12 and 13 never occur."""
    generator = np.random.default_rng(seed)
    texts = generator.integers(2, 7, (300, 8)) + 5 * (np.arange(300) % 2)[:, np.newaxis]
    return TokenIds(texts.astype(np.int32).ravel(), np.arange(0, texts.size + 1, 8))


def learn(ids: TokenIds) -> np.ndarray:
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
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TokenIds]:
    """An empty working directory, and a list of what is learned from in it."""
    monkeypatch.chdir(tmp_path)
    texts = []

    def learn_and_tell(ids: TokenIds, **sizes: int) -> np.ndarray:
        texts.append(ids)
        return word2vec(ids, **sizes)

    monkeypatch.setattr(embeddings, "word2vec", learn_and_tell)
    return texts


def test_vectors_are_learned_once(learned: list[TokenIds]) -> None:
    """Who comes at the same time waits, who comes later reads; all get the same."""
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(learned_vectors, two_worlds(), vocabulary_size=VOCABULARY, size=6)
            for _ in range(4)
        ]
    assert len(learned) == 1
    for answer in waiting:
        np.testing.assert_array_equal(answer.result(), learn(two_worlds()))


def test_other_texts_and_sizes_are_learned_anew(learned: list[TokenIds]) -> None:
    """What was kept is given only for the same request, where texts end included."""
    learned_vectors(two_worlds(), vocabulary_size=VOCABULARY, size=6)
    assert learned_vectors(two_worlds(), vocabulary_size=VOCABULARY, size=5).shape[1] == 5
    assert learned_vectors(two_worlds(), vocabulary_size=15, size=6).shape[0] == 15
    learned_vectors(two_worlds(1), vocabulary_size=VOCABULARY, size=6)
    merged = TokenIds(two_worlds().values, two_worlds().offsets[::2])
    learned_vectors(merged, vocabulary_size=VOCABULARY, size=6)
    assert len(learned) == 5


def test_sizes_from_64_on_share_what_is_learned(learned: list[TokenIds]) -> None:
    """Their further numbers are small random ones, the same each time; padding has none."""
    sizes = {"vocabulary_size": VOCABULARY}
    small, large, larger = (
        learned_vectors(two_worlds(), size=size, **sizes) for size in (64, 96, 128)
    )
    assert len(learned) == 1
    assert large.dtype == np.float32
    assert larger.shape == (VOCABULARY, 128)
    np.testing.assert_array_equal(large[:, :64], small)
    np.testing.assert_array_equal(larger[:, :64], small)
    further = large[1:, 64:]
    assert 0.02 < further.std() < 0.04
    assert not large[PADDING_ID].any()
    np.testing.assert_array_equal(
        learned_vectors(two_worlds(), size=96, **sizes)[:, 64:], large[:, 64:]
    )


@pytest.mark.parametrize("words", [[], [2, 2, 2]])
def test_texts_of_one_word_or_none_start_from_zeros(words: list[int]) -> None:
    """There is nothing to learn from, and no error."""
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


def refusal(path: Path, size: int = 3) -> str:
    """Return the message with which a file is refused, checked to be one line that names it."""
    with pytest.raises(RequestError) as caught:
        file_vectors(path, WORDS, size)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "content"), FORMS.items(), ids=FORMS)
def test_words_have_the_vectors_of_the_file(empty: Path, name: str, content: str) -> None:
    """As GloVe and as fastText write them, gzipped or not; a word may hold spaces."""
    vectors, known = file_vectors(write(empty / name, content), WORDS, 3)
    assert vectors.dtype == np.float32
    assert known.tolist() == [False, False, True, False, True, True]
    assert vectors[[2, 4, 5]].tolist() == [[-1, -2, -3], [1, 2, 3], [0.125, 0.25, 0.5]]
    assert not vectors[0].any()
    for row in (1, 3):
        assert vectors[row].all()
    assert (vectors[1] != vectors[3]).all()


def test_words_that_the_file_has_not_are_as_large_as_those_that_it_has(empty: Path) -> None:
    """Their numbers spread as those of the words that are known; without one, a little."""
    unknown = [f"word {number}" for number in range(500)]
    path = write(empty / "v.txt", "shoe 4 -4 4\nhat -4 4 -4\nfar 1000 1000 1000\n")
    vectors, known = file_vectors(path, ["", "[UNK]", "shoe", "hat", *unknown], 3)
    assert known.sum() == 2
    assert vectors[~known].std() == pytest.approx(4, rel=0.1)
    assert abs(vectors[~known].mean()) < 0.4
    vectors, known = file_vectors(path, ["", "[UNK]", *unknown], 3)
    assert not known.any()
    assert vectors.std() == pytest.approx(0.1, rel=0.1)


def test_of_a_word_that_stands_twice_the_first_vector_is_taken(empty: Path) -> None:
    """What comes later changes nothing."""
    path = write(empty / "v.txt", "shoe 1 2\nhat 5 6\nshoe 3 4\n")
    vectors, _ = file_vectors(path, ["", "[UNK]", "shoe"], 2)
    assert vectors[2].tolist() == [1, 2]


@pytest.fixture
def files_read(empty: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """An empty working directory, and a list of the files of vectors that are read in it."""
    paths = []
    read = embeddings._read_vectors

    def read_and_tell(path: Path, *rest: Any) -> np.ndarray:
        paths.append(path)
        return read(path, *rest)

    monkeypatch.setattr(embeddings, "_read_vectors", read_and_tell)
    return paths


def test_a_file_is_read_once(empty: Path, files_read: list[Path]) -> None:
    """The same request is answered from what was kept; words and sizes are other requests."""
    path = write(empty / "v.txt", GLOVE)
    first, second = (file_vectors(path, WORDS, 3) for _ in range(2))
    assert len(files_read) == 1
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    file_vectors(path, WORDS[:-1], 3)
    file_vectors(path, [*WORDS[:2], "shoe", "boot", "hat"], 3)
    assert len(files_read) == 3


def test_a_changed_file_is_read_anew(empty: Path, files_read: list[Path]) -> None:
    """A file of another length is another one, so is one that was written later."""
    path = write(empty / "v.txt", "shoe 1 2\n")
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [1, 2]
    write(path, "shoe 10 20\n")
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [10, 20]
    write(path, "shoe 30 40\n")
    os.utime(path, (1, 1))
    assert file_vectors(path, ["", "[UNK]", "shoe"], 2)[0][2].tolist() == [30, 40]
    assert len(files_read) == 3


def test_a_file_that_was_refused_may_be_mended(empty: Path) -> None:
    """What could not be read leaves nothing that would be taken for its vectors."""
    path = write(empty / "v.txt", "shoe 1 2\nhat 1\n")
    refusal(path, 2)
    refusal(path, 2)
    write(path, "shoe 1 2\nhat 1 5\n")
    assert file_vectors(path, WORDS, 2)[0][2].tolist() == [1, 5]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("shoe 1 2 3\nhat 1 2\n", "line 2: not a word and 3 numbers"),
        ("2 3\nshoe 1 2 3\nhat\n", "line 3: not a word and 3 numbers"),
        ("shoe 1 2 3\nhat 1 2 3 4\n", "line 2: not a word and 3 numbers"),
        ("shoe\t1\t2\t3\n", "line 1: not a word and 3 numbers"),
        ("shoe 1 2 3\nhat 1 many 3\n", "the vector of 'hat' is wrong"),
        ("shoe 1 2 3\nhat 1 nan 3\n", "the vector of 'hat' holds what is no finite number"),
    ],
)
def test_a_line_that_is_no_vector_is_refused(empty: Path, content: str, said: str) -> None:
    """Too few numbers are told by the line, what is no number by the word."""
    assert said in refusal(write(empty / "v.txt", content))


@pytest.mark.parametrize("name", ["v.bin", "v.gz"])
def test_what_holds_no_text_is_refused(empty: Path, name: str) -> None:
    """The binary form of fastText and word2vec is none of the two, packed or not."""
    content = b"2 3\nshoe \x00\x00\x80\xbf\xff\xfe\n"
    assert "cannot read word vectors" in refusal(write(empty / name, content))


@pytest.mark.parametrize("content", [b"shoe 1 2 3\n", gzip.compress(GLOVE.encode() * 99)[:60]])
def test_a_damaged_gzip_file_is_refused(empty: Path, content: bytes) -> None:
    """Not packed at all, or cut off."""
    path = empty / "v.txt.gz"
    path.write_bytes(content)
    assert "cannot read word vectors" in refusal(path)


def test_a_file_without_vectors_is_refused(empty: Path) -> None:
    """Nothing in it, or nothing but the first line of fastText's form."""
    for content in ("", "0 3\n"):
        path = write(empty / "v.txt", content)
        with pytest.raises(RequestError, match="holds no word vectors"):
            check(a_config(str(path), 3))


def test_a_mark_of_the_encoding_is_no_part_of_the_first_word(empty: Path) -> None:
    """Some editors put one at the beginning of a file."""
    write(empty / "v.txt", "\ufeffshoe 1 2 3\n")
    assert file_vectors(empty / "v.txt", ["", "[UNK]", "shoe"], 3)[0][2].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_a_missing_file_or_a_folder_is_refused(empty: Path, name: str) -> None:
    """The message says what the key takes."""
    with pytest.raises(RequestError, match="cannot read word vectors") as caught:
        check(a_config(str(empty / name), 3))
    assert "random, word2vec or the path" in str(caught.value)


def searched(**dimensions: Any) -> dict[str, Any]:
    """Give a search space over keys of the model."""
    return {f"model.{key}": dimension for key, dimension in dimensions.items()}


def a_config(embeddings: str, size: int, space: dict[str, Any] | None = None) -> Config:
    """Give a config with these vectors and a search space."""
    values = {"model.embeddings": embeddings, "model.embedding_dim": size}
    return Config(name="a").with_values({**values, "sweep.space": space or {}})


def check(config: Config) -> None:
    """Check a config with its space."""
    check_vector_files(
        config.possible_values("model.embeddings"), config.possible_values("model.embedding_dim")
    )


@pytest.mark.parametrize("name", FORMS)
def test_vectors_as_wide_as_the_embedding_are_let_pass(empty: Path, name: str) -> None:
    """Whatever the form; the sizes searched may be of the one width."""
    path = str(write(empty / name, FORMS[name]))
    check(a_config(path, 3))
    check(a_config(path, 8, searched(embedding_dim={"type": "choice", "values": [3]})))
    check(
        a_config("random", 3, searched(embeddings={"type": "choice", "values": ["random", path]}))
    )


@pytest.mark.parametrize(
    ("size", "space", "wrong"),
    [
        (4, {}, 4),
        (3, searched(embedding_dim={"type": "choice", "values": [3, 50]}), 50),
        (3, searched(embedding_dim={"type": "int", "low": 2, "high": 3}), 2),
        (3, searched(embedding_dim={"type": "int", "low": 3, "high": 9}), 4),
    ],
)
@pytest.mark.parametrize("where", ["fixed", "searched"])
@pytest.mark.parametrize("name", FORMS)
def test_vectors_of_another_width_are_refused(
    empty: Path, name: str, where: str, size: int, space: dict[str, Any], wrong: int
) -> None:
    """Of the config or of any trial: the message names both widths and the file."""
    path = str(write(empty / name, FORMS[name]))
    if where == "searched":
        choice = {"type": "choice", "values": ["word2vec", path]}
        config = a_config("random", size, {**space, **searched(embeddings=choice)})
    else:
        config = a_config(path, size, space)
    with pytest.raises(RequestError) as caught:
        check(config)
    message = str(caught.value)
    assert path in message
    assert "3 numbers a word" in message
    assert f"model.embedding_dim is {wrong}" in message
    assert "\n" not in message


@pytest.mark.parametrize("embeddings", ["none.txt", "v.bin"])
def test_vectors_that_cannot_be_read_are_refused_beforehand(empty: Path, embeddings: str) -> None:
    """A file that is missing or no text stops what would need it, searched or not."""
    (empty / "v.bin").write_bytes(b"\xff\xfe 1 2 3\n")
    choice = searched(embeddings={"type": "choice", "values": ["random", embeddings]})
    for config in (a_config(embeddings, 3), a_config("random", 3, choice)):
        with pytest.raises(RequestError, match=embeddings):
            check(config)


@pytest.mark.parametrize("embeddings", ["random", "word2vec"])
def test_without_a_file_of_vectors_any_size_will_do(empty: Path, embeddings: str) -> None:
    """Nothing is looked for, nothing refused; no file is made."""
    sizes = {"type": "int", "low": 2, "high": 300}
    check(a_config(embeddings, 7, searched(embedding_dim=sizes)))
    assert not list(empty.iterdir())
