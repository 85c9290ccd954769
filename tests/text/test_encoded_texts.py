from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecomclf.config.loading import Config
from ecomclf.config.schema import TextConfig
from ecomclf.data.splitting import Split, Subset
from ecomclf.errors import DataError, RequestError
from ecomclf.text import encoded_texts as encoding
from ecomclf.text.encoded_texts import check_encodable, encode_texts, precompute_encodings
from ecomclf.text.vectorizer import Vectorizer


def rows(*texts: str) -> Subset:
    """Return rows of a single class, each in a group of its own."""
    return Subset(texts, np.zeros(len(texts), np.int32), np.arange(len(texts), dtype=np.int32))


SPLIT = Split(
    train=rows("Red shoe", "red hat", ""),
    validation=rows("Blue shoe!"),
    test=rows("a secret"),
    classes=("x",),
    fingerprint="f",
)


@pytest.fixture(autouse=True)
def fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Run in an empty working directory and record each call of `Vectorizer.fit`."""
    monkeypatch.chdir(tmp_path)
    calls: list[object] = []

    class RecordingVectorizer(Vectorizer):
        @classmethod
        def fit(cls, *arguments: object, **sizes: int) -> Vectorizer:
            calls.append(arguments)
            return Vectorizer.fit(*arguments, **sizes)

    monkeypatch.setattr(encoding, "Vectorizer", RecordingVectorizer)
    return calls


def test_the_vocabulary_is_learned_from_training_texts_only() -> None:
    """Words that occur only in validation texts are unknown; test texts are not encoded."""
    texts = encode_texts(SPLIT, TextConfig())
    assert texts.vectorizer.words == ("", "[UNK]", "red", "hat", "shoe")
    assert texts.train.padded(np.arange(3)).tolist() == [[2, 4], [2, 3], [0, 0]]
    assert texts.validation.padded(np.arange(1)).tolist() == [[1, 4]]


def test_texts_are_encoded_once(fits: list[object]) -> None:
    """Later processes and sweeps read the cached ids, memory-mapped."""
    first, second = (encode_texts(SPLIT, TextConfig()) for _ in range(2))
    assert len(fits) == 1
    np.testing.assert_array_equal(first.train.values, second.train.values)
    np.testing.assert_array_equal(first.train.offsets, second.train.offsets)
    assert first.vectorizer.words == second.vectorizer.words
    assert isinstance(second.train.values.base, np.memmap)


@pytest.mark.parametrize(
    ("split", "config"),
    [
        (replace(SPLIT, train=rows("Red shoe", "red hat", "hat")), TextConfig()),
        (replace(SPLIT, validation=rows("red")), TextConfig()),
        (replace(SPLIT, fill_missing="none"), TextConfig()),
        (SPLIT, TextConfig(steps=("lowercase",))),
        (SPLIT, TextConfig(max_length=1)),
    ],
)
def test_other_texts_or_settings_have_their_own_cache_entry(
    fits: list[object], split: Split, config: TextConfig
) -> None:
    """The cache key covers all inputs that the ids depend on."""
    encode_texts(SPLIT, TextConfig())
    encode_texts(split, config)
    assert len(fits) == 2


@pytest.mark.parametrize(
    ("space", "sizes"),
    [
        # The default size is larger, but at most 64 dimensions are learned.
        ({}, {64}),
        ({"model.embedding_dim": {"type": "choice", "values": [4, 8]}}, {4, 8}),
        ({"model.embeddings": {"type": "choice", "values": ["random", "word2vec"]}}, {64}),
        ({"model.embeddings": {"type": "choice", "values": ["random"]}}, set()),
        # The sizes drawn from a range are unknown in advance, but all from 64 up share one entry.
        ({"model.embedding_dim": {"type": "int", "low": 4, "high": 8}}, set()),
        ({"model.embedding_dim": {"type": "int", "low": 4, "high": 80}}, {64}),
        ({"text.max_length": {"type": "choice", "values": [5, 9]}}, set()),
    ],
)
def test_vectors_are_precomputed_in_the_sizes_of_the_search_space(
    space: dict[str, object], sizes: set[int]
) -> None:
    """Trials find them in the cache."""
    precompute_encodings(SPLIT, Config.model_validate({"name": "c", "sweep": {"space": space}}))
    vectors = Path("data/cache").glob("word2vec-*/vectors.npy")
    assert {np.load(file).shape[1] for file in vectors} == sizes


@pytest.mark.parametrize("steps", [["digits"], ["digits", "lowercase"]])
@pytest.mark.parametrize("is_searched", [False, True])
def test_cleaning_that_leaves_no_words_raises_before_training(
    steps: list[str], is_searched: bool
) -> None:
    """All candidate steps are checked; one word in one text is enough."""
    space = {"text.steps": {"type": "choice", "values": [["lowercase"], steps]}}
    settings = {"sweep": {"space": space}} if is_searched else {"text": {"steps": steps}}
    config = Config.model_validate({"name": "c", **settings})
    check_encodable(replace(SPLIT, train=rows("1", "", "2 a")), config)
    with pytest.raises(DataError, match="no training text has a word left"):
        check_encodable(replace(SPLIT, train=rows("1", "", "2")), config)


def test_vector_files_are_read_before_training_if_the_vocabulary_is_fixed(
    fits: list[object],
) -> None:
    """If the text config is searched too, each trial reads the file for its own vocabulary."""
    Path("vectors.txt").write_text("red 1 2\nhat 3 4\n")
    model = {"embeddings": "vectors.txt", "embedding_dim": 2}
    config = Config.model_validate({"name": "c", "model": model})
    check_encodable(SPLIT, config)
    assert len(fits) == 1
    assert list(Path("data/cache").glob("vectors-*/vectors.npy"))
    Path("vectors.txt").write_text("red 1 2\nhat 3\n")
    with pytest.raises(RequestError, match=r"vectors\.txt, line 2: expected a word followed by 2 "):
        check_encodable(SPLIT, config)
    space = {"text.max_length": {"type": "choice", "values": [5, 9]}}
    check_encodable(
        SPLIT, Config.model_validate({"name": "c", "model": model, "sweep": {"space": space}})
    )
