"""Learn word2vec vectors of the training texts: seconds, and how much is learned.

    python experiments/bench_vectors.py --config CONFIG [--set KEY=VALUE …] [--size 64]

What is learned is measured by the skip-gram loss, the mean over neighbours of the term of the
neighbour and of its five negatives: 4.16 (six times log 2) when nothing is learned. gensim is
compared where it is installed.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np

from ecomclf.config.loading import load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import split_dataset
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts
from ecomclf.text.skipgram import learn_vectors
from ecomclf.text.token_ids import TokenIds

TEXTS, NEGATIVES = 400, 200
# The same values as in `ecomclf.text.skipgram`.
WINDOW, WEIGHT_OF_NEGATIVES, POWER = 8, 5, 0.75

Tables = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Learn vectors in each way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    config = load_config(options.config, options.set)
    dataset, _ = load(config.data)
    texts = encode_texts(split_dataset(dataset, config.data), config.text)
    print(f"{len(texts.train)} texts of {len(texts.train.values)} words")
    print("| | training texts | validation texts | seconds |")
    print("|---|---|---|---|")
    ways = {"ours": ours} | ({"gensim": gensim} if importlib.util.find_spec("gensim") else {})
    for name, learn in ways.items():
        begin = time.perf_counter()
        tables = learn(texts, options.size)
        seconds = time.perf_counter() - begin
        losses = (mean_loss(side, texts.train, tables) for side in (texts.train, texts.validation))
        print(f"| {name} | {' | '.join(f'{loss:.3f}' for loss in losses)} | {seconds:.1f} |")


def ours(texts: EncodedTexts, size: int) -> Tables:
    """Learn vectors as a sweep does."""
    return learn_vectors(texts.train, vocabulary_size=texts.vectorizer.vocabulary_size, size=size)


def gensim(texts: EncodedTexts, size: int) -> Tables:
    """Learn vectors with gensim: the same window, eight epochs, one thread."""
    from gensim.models import Word2Vec

    ids = texts.train
    sentences = [
        ids.values[begin:end].tolist()
        for begin, end in zip(ids.offsets[:-1], ids.offsets[1:], strict=True)
    ]
    model = Word2Vec(
        sentences, vector_size=size, window=WINDOW, min_count=1, sg=1, epochs=8, seed=0, workers=1
    )
    tables = np.zeros((2, texts.vectorizer.vocabulary_size, size), np.float32)
    tables[:, model.wv.index_to_key] = model.wv.vectors, model.syn1neg
    return tables[0], tables[1]


def mean_loss(ids: TokenIds, train: TokenIds, tables: Tables) -> float:
    """Return the mean loss over the neighbours in 400 texts; negatives drawn as in training."""
    words, contexts = tables
    generator = np.random.default_rng(1)
    drawn = np.cumsum(np.bincount(train.values, minlength=len(words)) ** POWER)
    total = neighbours = 0.0
    for row in generator.permutation(len(ids))[:TEXTS]:
        text = ids.values[ids.offsets[row] : ids.offsets[row + 1]]
        distance = abs(np.subtract.outer(np.arange(len(text)), np.arange(len(text))))
        weights = np.clip(WINDOW + 1 - distance, 0, None) / WINDOW * (distance > 0)
        negatives = np.searchsorted(
            drawn[:-1], generator.random(NEGATIVES) * drawn[-1], side="right"
        )
        total += (weights * softplus(-words[text] @ contexts[text].T)).sum()
        repelled = softplus(words[text] @ contexts[negatives].T).mean(axis=1)
        total += WEIGHT_OF_NEGATIVES * (weights.sum(axis=1) * repelled).sum()
        neighbours += weights.sum()
    return total / neighbours


def softplus(values: np.ndarray) -> np.ndarray:
    """Return `-log sigmoid(-x)` without overflow."""
    return np.logaddexp(0, values)


if __name__ == "__main__":
    main()
