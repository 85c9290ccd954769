"""Train one network in variants that were not taken up, and compare them on validation rows.

    python experiments/network_ideas.py --config CONFIG [--data ROWS.csv] [--seeds 3]
        [--set KEY=VALUE …]

- `soft path`: half the target is what the linear path, fitted on other folds, says of the row
- `soft both`: a third is that, a third what two networks say that were trained on the row
- `smoothed`: label smoothing of 0.1
- `characters`: words that the vocabulary lacks get a vector from their character n-grams, by a
  ridge regression from the n-grams of known words to their word2vec vectors, not trained further

Prints the accuracy of each network and of its even blend with the linear path, by split seed.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold

from ecomclf.runtime.tensorflow_setup import start_tensorflow

start_tensorflow()

import keras  # noqa: E402

from ecomclf.config.loading import Config, load_config  # noqa: E402
from ecomclf.data.dataset import load  # noqa: E402
from ecomclf.data.splitting import Split, split_dataset  # noqa: E402
from ecomclf.evaluation.calibration import fit_temperature, with_temperature  # noqa: E402
from ecomclf.models.architecture import build_model  # noqa: E402
from ecomclf.models.cpu_lstm import with_fast_lstms  # noqa: E402
from ecomclf.models.fitting import fit  # noqa: E402
from ecomclf.models.linear_path import fit_linear_path  # noqa: E402
from ecomclf.text.batching import TrainingBatches, predict_in_batches  # noqa: E402
from ecomclf.text.character_ngrams import MAX_BUCKETS, CharacterNgrams  # noqa: E402
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts  # noqa: E402
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds  # noqa: E402

# Penalty and iterations of the ridge regression.
PENALTY, ITERATIONS = 0.02, 40


def main() -> None:
    """Train every variant on each split, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    given = [f"data.source={options.data}"] if options.data else []
    for seed in range(options.seeds):
        config = load_config(options.config, [*given, *options.set, f"data.split_seed={seed}"])
        dataset, _ = load(config.data)
        split = split_dataset(dataset, config.data)
        texts = encode_texts(split, config.text)
        Variants(config, split, texts).compare(seed)


class Variants:
    """The networks of one split."""

    def __init__(self, config: Config, split: Split, texts: EncodedTexts) -> None:
        self.config, self.split, self.texts = config, split, texts
        self.hot = np.eye(len(split.classes))[split.train.labels]
        self.path = self.linear_path()

    def compare(self, seed: int) -> None:
        """Train and print."""
        plain = [self.train(number, self.hot) for number in (0, 1)]
        path = self.folded_path()
        taught = np.mean([train for train, _ in plain], axis=0)
        targets = {
            "soft path": (self.hot + path) / 2,
            "soft both": (self.hot + path + taught) / 3,
            "smoothed": 0.9 * self.hot + 0.1 / self.hot.shape[1],
        }
        self.report(seed, "plain", plain[0][1])
        for name, target in targets.items():
            self.report(seed, name, self.train(0, target)[1])
        self.report(seed, "characters", self.train(0, self.hot, characters=True)[1])

    def report(self, seed: int, name: str, probabilities: np.ndarray) -> None:
        """Print a network's accuracy on the validation rows."""
        labels = self.split.validation.labels
        blend = (probabilities + self.path) / 2
        alone, mixed = ((each.argmax(axis=1) == labels).mean() for each in (probabilities, blend))
        print(f"split {seed} {name:11} {alone:.4f}, with the linear path {mixed:.4f}", flush=True)

    def linear_path(self) -> np.ndarray:
        """Return the calibrated probabilities of the linear path on the validation rows."""
        decisions = self.fit_path(self.texts.train, self.split.train.labels).decide(
            self.texts.validation
        )
        return calibrated(decisions, self.split.validation.labels)

    def folded_path(self) -> np.ndarray:
        """Return those of paths fitted on other folds on the training rows."""
        train, vectorizer = self.split.train, self.texts.vectorizer
        cleaned = self.texts.cleaner.clean(train.texts)
        decisions = np.zeros(self.hot.shape)
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        for rows, others in folds.split(cleaned, train.labels, train.groups):
            seen, held_out = (
                vectorizer.encode(cleaned[row] for row in each) for each in (rows, others)
            )
            decisions[others] = self.fit_path(seen, train.labels[rows]).decide(held_out)
        return calibrated(decisions, train.labels)

    def fit_path(self, ids: TokenIds, labels: np.ndarray) -> "object":
        """Fit a linear path."""
        return fit_linear_path(
            self.texts.vectorizer.words,
            ids,
            labels,
            classes=self.hot.shape[1],
        )

    def train(
        self, seed: int, targets: np.ndarray, *, characters: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities of a network on the training and on the validation rows."""
        keras.utils.set_random_seed(seed)
        vectors, _ = self.texts.initial_embeddings(self.config.model)
        sides, fixed = [self.texts.train, self.texts.validation], None
        known = self.texts.vectorizer.vocabulary_size
        if characters:
            sides, words = with_unknown(sides, known)
            fixed = vectors_of(words, self.texts.vectorizer.words, vectors)
            vectors = np.concatenate([vectors, fixed])
        network = with_fast_lstms(
            build_model(
                self.config.model,
                vocabulary_size=len(vectors),
                classes=targets.shape[1],
                max_length=self.config.text.max_length,
                embeddings=vectors,
            )
        )

        def keep_fixed(*_: object) -> None:
            if fixed is not None:
                embedding = network.get_layer("embedding")
                (table,) = embedding.get_weights()
                table[known:] = fixed
                embedding.set_weights([table])

        labels = (np.arange(len(targets)), self.split.validation.labels)
        batches = [
            TrainingBatches(
                ids,
                of_ids,
                classes=targets.shape[1],
                batch_size=self.config.train.batch_size,
                shuffle=shuffle,
                seed=seed,
            )
            for ids, of_ids, shuffle in zip(sides, labels, (True, False), strict=True)
        ]
        batches[0]._one_hot = targets.astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            board = Path(folder)
            fit(network, *batches, self.config.train, tensorboard=board, on_epoch=keep_fixed)
        keep_fixed()
        train, validation = (
            predict_in_batches(network.predict_on_batch, ids, classes=targets.shape[1])
            for ids in sides
        )
        return train, validation


def calibrated(decisions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the probabilities of decision values."""
    uncalibrated = softmax(decisions.astype(np.float64), axis=1)
    return with_temperature(uncalibrated, fit_temperature(labels, uncalibrated))


def with_unknown(sides: Sequence[TokenIds], known: int) -> tuple[list[TokenIds], list[str]]:
    """Return ids in which unknown words have numbers from `known` on, and these words."""
    words = list(dict.fromkeys(word for ids in sides for word in ids.unknown.words))
    number = {word: known + at for at, word in enumerate(words)}
    numbered = []
    for ids in sides:
        values = np.array(ids.values)
        numbers = np.array([number[word] for word in ids.unknown.words], np.int32)
        values[ids.unknown.positions] = numbers[ids.unknown.which]
        numbered.append(TokenIds(values, ids.offsets))
    return numbered, words


def vectors_of(words: Sequence[str], vocabulary: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """Return vectors of words from their n-grams, by ridge regression and conjugate gradients."""
    named = vocabulary[UNKNOWN_ID + 1 :]
    ngrams = CharacterNgrams.fit((*named, *words), buckets=MAX_BUCKETS)
    known, unknown = (fractions(ngrams, each) for each in (named, words))
    mean = vectors[UNKNOWN_ID + 1 :].mean(axis=0, dtype=np.float64)
    residual = vectors[UNKNOWN_ID + 1 :] - mean
    solution, direction = np.zeros_like(residual), residual.copy()
    squares = (residual**2).sum(axis=0)
    for _ in range(ITERATIONS):
        applied = known @ (known.T @ direction) + PENALTY * direction
        step = squares / np.maximum((direction * applied).sum(axis=0), 1e-12)
        solution, residual = solution + step * direction, residual - step * applied
        before, squares = squares, (residual**2).sum(axis=0)
        direction = residual + squares / np.maximum(before, 1e-12) * direction
    return (unknown @ (known.T @ solution) + mean).astype(np.float32)


def fractions(ngrams: CharacterNgrams, words: Sequence[str]) -> sparse.csr_matrix:
    """Return the fraction of each n-gram among those of a word; [words, buckets]."""
    found = ngrams.encode(words)
    values = np.repeat(1 / np.maximum(found.lengths, 1), found.lengths)
    return sparse.csr_matrix((values, found.values, found.offsets), (len(words), ngrams.buckets))


if __name__ == "__main__":
    main()
