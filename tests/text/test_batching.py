import numpy as np
import pytest

from ecomclf.text.batching import TrainingBatches, predict_in_batches
from ecomclf.text.token_ids import TokenIds


def make_ids(*texts: list[int]) -> TokenIds:
    """Return hand-written token ids in the form that encoding returns."""
    values = np.array([token for text in texts for token in text], np.int32)
    return TokenIds(values, np.cumsum([0, *(len(text) for text in texts)]))


class Echo:
    """A fake model that returns the sum of ids and the padded width per text."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        self.shapes.append(ids.shape)
        return np.stack([ids.sum(axis=1), np.full(len(ids), ids.shape[1])], axis=1)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_yields_every_row_once_with_its_label(shuffle: bool) -> None:
    """However rows are grouped, each text appears once per epoch, with its own label."""
    texts = [[number] * (1 + number % 7) for number in range(1, 101)]
    labels = np.array([number % 3 for number in range(1, 101)], np.int32)
    batches = TrainingBatches(
        make_ids(*texts), labels, classes=3, batch_size=8, shuffle=shuffle, seed=1
    )
    for _ in range(2):
        seen = []
        for ids, one_hot in batches:
            assert one_hot.sum(axis=1).tolist() == [1.0] * len(ids)
            assert (one_hot.argmax(axis=1) == ids[:, 0] % 3).all()
            seen += ids[:, 0].tolist()
        assert sorted(seen) == list(range(1, 101))
    assert len(batches) == len(list(batches))


def test_batches_group_texts_of_similar_length_and_are_reshuffled() -> None:
    """Padding stays under 10 % of the tokens, and two epochs differ."""
    lengths = np.random.default_rng(0).integers(1, 60, 2000)
    ids = make_ids(*([7] * length for length in lengths))
    batches = TrainingBatches(
        ids, np.zeros(2000, np.int32), classes=2, batch_size=20, shuffle=True, seed=0
    )

    def shapes() -> list[tuple[int, ...]]:
        return [ids.shape for ids, _ in batches]

    first = shapes()
    assert sum(rows * width for rows, width in first) < 1.1 * lengths.sum()
    assert shapes() != first


def test_batches_are_reproducible_by_seed() -> None:
    """Shuffling depends on the seed only."""
    ids = make_ids(*([number] * 3 for number in range(1, 50)))

    def order(seed: int) -> list[int]:
        batches = TrainingBatches(
            ids, np.zeros(49, np.int32), classes=2, batch_size=5, shuffle=True, seed=seed
        )
        return [int(row[0]) for ids, _ in batches for row in ids]

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_predictions_are_returned_in_the_order_of_the_texts() -> None:
    """Prediction sorts by length, limits the batch size, and restores the order."""
    texts = [[number] * (1 + (number * 37) % 400) for number in range(1, 301)]
    predict = Echo()
    answers = predict_in_batches(predict, make_ids(*texts), classes=2)
    assert answers[:, 0].tolist() == [sum(text) for text in texts]
    assert all(rows * width <= 32_768 for rows, width in predict.shapes)
    assert sum(rows * width for rows, width in predict.shapes) < 1.5 * sum(map(len, texts))


def test_predicting_no_texts_returns_no_rows() -> None:
    """The result has zero rows and one column per class."""
    assert predict_in_batches(Echo(), make_ids(), classes=2).shape == (0, 2)


# Texts of 0 to 20 distinct words; text n has the words 10,000 n + 1, 10,000 n + 2, …
TEXTS = [[10_000 * n + word for word in range(1, n + 1)] for n in range(21)]


def make_batches(word_swap: float, shuffle: bool = True, seed: int = 0) -> TrainingBatches:
    """Return batches of TEXTS; the label of text n is n modulo 3."""
    labels = np.arange(21, dtype=np.int32) % 3
    return TrainingBatches(
        make_ids(*TEXTS),
        labels,
        classes=3,
        batch_size=4,
        shuffle=shuffle,
        seed=seed,
        word_swap=word_swap,
    )


def read_epoch(batches: TrainingBatches) -> dict[int, list[int]]:
    """Return an epoch's texts by number of words, after checking labels and padding."""
    texts = {}
    for ids, one_hot in batches:
        for line, label in zip(ids.tolist(), one_hot.argmax(axis=1).tolist(), strict=True):
            length = sum(word > 0 for word in line)
            assert not any(line[length:])
            assert label == length % 3
            texts[length] = line[:length]
    return texts


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_word_swap_permutes_words_within_a_text(fraction: float) -> None:
    """Every text keeps its own words and label; at most the given fraction moves."""
    batches = make_batches(fraction)
    for _ in range(3):
        epoch = read_epoch(batches)
        assert sorted(epoch) == list(range(21))
        for length, text in epoch.items():
            assert sorted(text) == TEXTS[length]
            moved = sum(one != other for one, other in zip(text, TEXTS[length], strict=True))
            assert moved <= round(fraction * length)


def test_word_swap_moves_about_the_given_fraction() -> None:
    """Of 500 words, 100 are drawn; hardly any of them returns to its own position."""
    words = list(range(1, 501))
    batches = TrainingBatches(
        make_ids(words), np.zeros(1, np.int32), classes=2, batch_size=1, shuffle=True, word_swap=0.2
    )
    ((ids, _),) = batches
    assert 90 <= int((ids[0] != words).sum()) <= 100


def test_word_swap_is_resampled_every_epoch() -> None:
    """Two epochs differ; equal seeds give equal epochs, different seeds different ones."""
    batches, same = make_batches(0.5), make_batches(0.5)
    first, second = read_epoch(batches), read_epoch(batches)
    assert first != second
    assert [read_epoch(same), read_epoch(same)] == [first, second]
    assert read_epoch(make_batches(0.5, seed=1)) != first


def test_word_swap_needs_shuffling_and_a_positive_fraction() -> None:
    """Unshuffled (validation) batches never change, and neither do texts at fraction 0."""
    for batches in (make_batches(1.0, shuffle=False), make_batches(0.0)):
        for _ in range(2):
            assert read_epoch(batches) == dict(enumerate(TEXTS))


def test_word_swap_leaves_the_token_ids_unchanged() -> None:
    """Batches are copies of the ids that they were built from."""
    ids = make_ids(*TEXTS)
    before = ids.values.copy()
    list(
        TrainingBatches(
            ids, np.zeros(21, np.int32), classes=2, batch_size=4, shuffle=True, word_swap=1.0
        )
    )
    assert ids.values.tolist() == before.tolist()


@pytest.mark.parametrize("shuffle", [True, False])
def test_weights_follow_their_texts(shuffle: bool) -> None:
    """However rows are grouped and words swapped, each text has its own weight."""
    weights = np.arange(21, dtype=np.float32) / 20
    batches = TrainingBatches(
        make_ids(*TEXTS),
        np.zeros(21, np.int32),
        classes=2,
        batch_size=4,
        shuffle=shuffle,
        word_swap=0.5,
        weights=weights,
    )
    for _ in range(2):
        seen: dict[int, float] = {}
        for ids, _, of_batch in batches:
            assert of_batch.dtype == np.float32
            seen |= dict(zip((ids > 0).sum(axis=1).tolist(), of_batch.tolist(), strict=True))
        assert seen == dict(enumerate(weights.tolist()))


@pytest.mark.slow
def test_only_weighted_datasets_hold_weights() -> None:
    """Without weights a batch is what it always was: ids and labels."""
    plain, weighted = (
        TrainingBatches(
            make_ids([1], [2, 3]),
            np.zeros(2, np.int32),
            classes=2,
            batch_size=2,
            shuffle=False,
            weights=weights,
        ).dataset()
        for weights in (None, np.array([1, 0.25], np.float32))
    )
    assert len(plain.element_spec) == 2
    ((tokens, targets, weights),) = weighted.as_numpy_iterator()
    assert tokens.shape == targets.shape == (2, 2)
    assert weights.tolist() == [1, 0.25]


@pytest.mark.slow
def test_the_dataset_does_not_autotune() -> None:
    """Autotuning would delay the release of the iterator at the end of an epoch."""
    batches = TrainingBatches(
        make_ids([1], [2]), np.zeros(2, np.int32), classes=2, batch_size=1, shuffle=False
    )
    assert batches.dataset().options().autotune.enabled is False
