"""Compare linear models on validation rows: words, characters, and the linear path.

    python experiments/linear_features.py --config CONFIG [--data ROWS.csv] [--test ROWS.csv]
        [--seeds 3]

Prints accuracy, macro and weighted F1, means over the split seeds, and the seconds of one fit. With
more than 200 classes, it also compares an SVM on all rows with one on each class's nearest rows;
this takes minutes. Test rows are not read.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from ecomclf.config.loading import load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import Split, split_dataset
from ecomclf.evaluation.report import evaluate_labels
from ecomclf.models.linear_path import fit_linear_path
from ecomclf.models.linear_svm import MANY_CLASSES, fit_linear_svm
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer

Predictions = Iterator[tuple[str, Callable[[], np.ndarray]]]


def main() -> None:
    """Fit each model on each split and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data")
    parser.add_argument("--test")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    given = {"data.source": options.data, "data.test_source": options.test}
    rows: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(options.seeds):
        overrides = {key: value for key, value in given.items() if value}
        config = load_config(options.config, {**overrides, "data.split_seed": seed})
        dataset, _ = load(config.data)
        split = split_dataset(dataset, config.data)
        cleaner = Cleaner(config.text.steps, fill_missing=split.fill_missing)
        vectorizer = Vectorizer.fit(
            cleaner.clean(split.train.texts),
            max_tokens=config.text.max_tokens,
            max_length=config.text.max_length,
        )
        for name, predict in models(split, cleaner, vectorizer):
            begun = time.perf_counter()
            predicted = predict()
            seconds = time.perf_counter() - begun
            report = evaluate_labels(split.validation.labels, predicted, split.classes)
            scores = (report.accuracy, report.f1_macro, report.f1_weighted, seconds)
            rows.setdefault(name, []).append(scores)
    for name, scores in rows.items():
        means = np.mean(scores, axis=0)
        print(f"{name:45} {means[0]:.4f} {means[1]:.4f} {means[2]:.4f} {means[3]:7.1f} s")


def models(split: Split, cleaner: Cleaner, vectorizer: Vectorizer) -> Predictions:
    """Yield the name of each model with a function that fits it and predicts validation rows."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    if len(split.classes) > MANY_CLASSES:
        single = TfidfVectorizer(sublinear_tf=True)
        yield "words, SVM on all rows", lambda: sklearn_svm(split, single)
        yield "words, SVM on the nearest rows", lambda: nearest_rows(split, single)
        return
    yield "words and pairs", lambda: sklearn_svm(split, words)
    yield "characters", lambda: sklearn_svm(split, characters)
    yield (
        "words, pairs and characters",
        lambda: sklearn_svm(split, make_union(words, characters)),
    )
    yield "linear path", lambda: linear_path(split, cleaner, vectorizer)


def sklearn_svm(split: Split, features: TfidfVectorizer) -> np.ndarray:
    """Fit scikit-learn's `LinearSVC` with its default settings."""
    svm = LinearSVC(random_state=0).fit(
        features.fit_transform(split.train.texts), split.train.labels
    )
    return np.asarray(svm.predict(features.transform(split.validation.texts)))


def nearest_rows(split: Split, features: TfidfVectorizer) -> np.ndarray:
    """Fit this project's SVM, on the nearest rows of each class."""
    train = features.fit_transform(split.train.texts)
    svm = fit_linear_svm(train, split.train.labels, classes=len(split.classes))
    return svm.predict(features.transform(split.validation.texts))


def linear_path(split: Split, cleaner: Cleaner, vectorizer: Vectorizer) -> np.ndarray:
    """Fit the linear path of winners."""
    ids, held_out = (
        vectorizer.encode(cleaner.clean(rows.texts)) for rows in (split.train, split.validation)
    )
    path = fit_linear_path(
        vectorizer.words,
        ids,
        split.train.labels,
        classes=len(split.classes),
    )
    return np.asarray(path.decide(held_out).argmax(axis=1))


if __name__ == "__main__":
    main()
