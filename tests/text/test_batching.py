import numpy as np
import pytest

from ecomclf.text.batching import TrainingBatches, predict_in_batches
from ecomclf.text.token_ids import TokenIds


def ids_of(*texts: list[int]) -> TokenIds:
    """Put hand-written ids in the form that encoding gives."""
    values = np.array([token for text in texts for token in text], np.int32)
    return TokenIds(values, np.cumsum([0, *(len(text) for text in texts)]))


class Echo:
    """A prediction that answers with a text's sum and padded width, to see what it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        self.shapes.append(ids.shape)
        return np.stack([ids.sum(axis=1), np.full(len(ids), ids.shape[1])], axis=1)


def test_a_batch_is_padded_to_its_longest_text() -> None:
    """Padding stands behind the tokens, and no further than needed."""
    ids = ids_of([1, 2, 3], [4], [5, 6])
    assert ids.padded(np.array([2, 1])).tolist() == [[5, 6], [4, 0]]


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_holds_every_row_once_with_its_label(shuffle: bool) -> None:
    """Whatever the grouping, each text meets its own label exactly once an epoch."""
    texts = [[number] * (1 + number % 7) for number in range(1, 101)]
    labels = np.array([number % 3 for number in range(1, 101)], np.int32)
    batches = TrainingBatches(
        ids_of(*texts), labels, classes=3, batch_size=8, shuffle=shuffle, seed=1
    )
    for _ in range(2):
        seen = []
        for ids, one_hot in batches:
            assert one_hot.sum(axis=1).tolist() == [1.0] * len(ids)
            assert (one_hot.argmax(axis=1) == ids[:, 0] % 3).all()
            seen += ids[:, 0].tolist()
        assert sorted(seen) == list(range(1, 101))
    assert len(batches) == len(list(batches))


def test_batches_are_of_like_length_and_differ_between_epochs() -> None:
    """Hardly anything is padding, yet an epoch does not repeat the one before."""
    lengths = np.random.default_rng(0).integers(1, 60, 2000)
    ids = ids_of(*([7] * length for length in lengths))
    batches = TrainingBatches(
        ids, np.zeros(2000, np.int32), classes=2, batch_size=20, shuffle=True, seed=0
    )

    def shapes() -> list[tuple[int, ...]]:
        return [ids.shape for ids, _ in batches]

    first = shapes()
    assert sum(rows * width for rows, width in first) < 1.1 * lengths.sum()
    assert shapes() != first


def test_the_same_seed_gives_the_same_batches() -> None:
    """Shuffling depends on the seed and on nothing else."""
    ids = ids_of(*([number] * 3 for number in range(1, 50)))

    def order(seed: int) -> list[int]:
        batches = TrainingBatches(
            ids, np.zeros(49, np.int32), classes=2, batch_size=5, shuffle=True, seed=seed
        )
        return [int(row[0]) for ids, _ in batches for row in ids]

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_predictions_come_back_in_the_order_of_the_texts() -> None:
    """Prediction sorts by length, keeps batches small, and undoes the sorting."""
    texts = [[number] * (1 + (number * 37) % 400) for number in range(1, 301)]
    predict = Echo()
    answers = predict_in_batches(predict, ids_of(*texts), classes=2)
    assert answers[:, 0].tolist() == [sum(text) for text in texts]
    assert all(rows * width <= 32_768 for rows, width in predict.shapes)
    assert sum(rows * width for rows, width in predict.shapes) < 1.5 * sum(map(len, texts))


def test_no_texts_give_no_predictions() -> None:
    """An empty request gets an empty answer."""
    assert predict_in_batches(Echo(), ids_of(), classes=2).shape == (0, 2)


# Of 0 to 20 words that differ within a text; the text's number is the ten thousands of its words.
TEXTS = [[10_000 * n + word for word in range(1, n + 1)] for n in range(21)]


def swapped(word_swap: float, shuffle: bool = True, seed: int = 0) -> TrainingBatches:
    """Batches of TEXTS, whose labels are the remainder of their number by 3."""
    labels = np.arange(21, dtype=np.int32) % 3
    return TrainingBatches(
        ids_of(*TEXTS),
        labels,
        classes=3,
        batch_size=4,
        shuffle=shuffle,
        seed=seed,
        word_swap=word_swap,
    )


def an_epoch(batches: TrainingBatches) -> dict[int, list[int]]:
    """Give an epoch's texts by number of words, their labels and the padding behind checked."""
    texts = {}
    for ids, one_hot in batches:
        for line, label in zip(ids.tolist(), one_hot.argmax(axis=1).tolist(), strict=True):
            length = sum(word > 0 for word in line)
            assert not any(line[length:])
            assert label == length % 3
            texts[length] = line[:length]
    return texts


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_words_that_change_places_stay_in_their_text(share: float) -> None:
    """Each epoch holds every text with its own words and label; at most the share is moved."""
    batches = swapped(share)
    for _ in range(3):
        epoch = an_epoch(batches)
        assert sorted(epoch) == list(range(21))
        for length, text in epoch.items():
            assert sorted(text) == TEXTS[length]
            moved = sum(one != other for one, other in zip(text, TEXTS[length], strict=True))
            assert moved <= round(share * length)


def test_about_the_share_of_words_changes_places() -> None:
    """Of 500 words 100 are drawn; of these hardly one comes back to its own place."""
    words = list(range(1, 501))
    batches = TrainingBatches(
        ids_of(words), np.zeros(1, np.int32), classes=2, batch_size=1, shuffle=True, word_swap=0.2
    )
    ((ids, _),) = batches
    assert 90 <= int((ids[0] != words).sum()) <= 100


def test_words_change_places_anew_in_each_epoch() -> None:
    """Two epochs differ, the same seed gives the same epochs, another one others."""
    batches, same = swapped(0.5), swapped(0.5)
    first, second = an_epoch(batches), an_epoch(batches)
    assert first != second
    assert [an_epoch(same), an_epoch(same)] == [first, second]
    assert an_epoch(swapped(0.5, seed=1)) != first


def test_no_word_changes_places_where_rows_do_not() -> None:
    """Validation rows are always the same, whatever the share; so is every text at share 0."""
    for batches in (swapped(1.0, shuffle=False), swapped(0.0)):
        for _ in range(2):
            assert an_epoch(batches) == dict(enumerate(TEXTS))


def test_texts_themselves_are_not_changed() -> None:
    """What is handed out is a copy: the ids given stay as they were."""
    ids = ids_of(*TEXTS)
    before = ids.values.copy()
    list(
        TrainingBatches(
            ids, np.zeros(21, np.int32), classes=2, batch_size=4, shuffle=True, word_swap=1.0
        )
    )
    assert ids.values.tolist() == before.tolist()


@pytest.mark.slow
def test_a_dataset_is_let_go_at_once() -> None:
    """Nothing in it tunes itself, which often would hold up the end of an epoch."""
    batches = TrainingBatches(
        ids_of([1], [2]), np.zeros(2, np.int32), classes=2, batch_size=1, shuffle=False
    )
    assert batches.dataset().options().autotune.enabled is False
