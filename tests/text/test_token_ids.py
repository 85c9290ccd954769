from pathlib import Path

import numpy as np
import pytest

from ecomclf.text.token_ids import TokenIds
from ecomclf.text.vectorizer import Vectorizer


def make_ids(*texts: list[int]) -> TokenIds:
    """Return hand-written token ids in the form that encoding returns."""
    values = np.array([token for text in texts for token in text], np.int32)
    return TokenIds(values, np.cumsum([0, *(len(text) for text in texts)]))


def test_a_batch_is_padded_to_its_longest_text() -> None:
    """Padding follows the tokens, and a batch is no wider than its longest text."""
    ids = make_ids([1, 2, 3], [4], [5, 6])
    assert ids.padded(np.array([2, 1])).tolist() == [[5, 6], [4, 0]]


def test_a_batch_of_empty_texts_is_one_position_wide() -> None:
    """A recurrent layer does not accept an empty sequence."""
    ids = make_ids([1, 2, 3], [])
    assert ids.padded(np.array([1, 1])).tolist() == [[0], [0]]
    assert ids.padded(np.array([], np.int64)).shape == (0, 1)


def test_unknown_words_are_saved_with_the_ids(tmp_path: Path) -> None:
    """Half an emoji among them; ids without unknown words have none when they are read."""
    vectorizer = Vectorizer(["", "[UNK]", "red"], max_length=9)
    vectorizer.encode(["red \ud83d hat"]).save(tmp_path, "known")
    unknown = TokenIds.load(tmp_path, "known").unknown
    assert unknown is not None
    assert (unknown.words, unknown.positions.tolist()) == (("\ud83d", "hat"), [1, 2])
    make_ids([1, 2]).save(tmp_path, "bare")
    assert TokenIds.load(tmp_path, "bare").unknown is None


def test_lengths_are_counted_per_text() -> None:
    """For all texts, or for some rows in the order given."""
    ids = make_ids([4, 5, 6], [], [7])
    assert len(ids) == 3
    assert ids.lengths.tolist() == [3, 0, 1]
    assert ids.lengths_of(np.array([2, 0, 2])).tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    ("rows", "values", "offsets"),
    [
        ([2, 0], [7, 4, 5, 6], [0, 1, 4]),
        ([2, 2, 1, 2], [7, 7, 7], [0, 1, 2, 2, 3]),
        ([1], [], [0, 0]),
        ([], [], [0]),
    ],
)
def test_take_returns_texts_in_the_order_of_the_rows(
    rows: list[int], values: list[int], offsets: list[int]
) -> None:
    """Rows may repeat, refer to an empty text, or be empty themselves."""
    taken = make_ids([4, 5, 6], [], [7]).take(np.array(rows, np.int64))
    assert taken.values.tolist() == values
    assert taken.offsets.tolist() == offsets
    assert len(taken) == len(rows)
    assert taken.values.dtype == np.int32


def test_saved_ids_are_memory_mapped_on_loading(tmp_path: Path) -> None:
    """Two names in one folder do not mix; processes that load the same file share its pages."""
    train, validation = make_ids([4, 5], [], [6]), make_ids([7])
    train.save(tmp_path, "train")
    validation.save(tmp_path, "validation")
    loaded = TokenIds.load(tmp_path, "train")
    assert loaded.values.tolist() == [4, 5, 6]
    assert loaded.values.dtype == np.int32
    assert loaded.offsets.tolist() == [0, 2, 2, 3]
    assert isinstance(loaded.values.base, np.memmap)
    assert TokenIds.load(tmp_path, "validation").values.tolist() == [7]


def test_texts_with_a_word_of_the_vocabulary_are_found() -> None:
    """Padding and the unknown token are no words; nor has an empty text any."""
    ids = make_ids([1, 1], [1, 5], [], [0], [2], [])
    assert ids.has_known.tolist() == [False, True, False, False, True, False]
    assert make_ids().has_known.tolist() == []
