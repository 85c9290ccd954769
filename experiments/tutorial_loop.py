"""The sweep that tutorials teach, which `bench_sweep.py` compares with ours.

    python experiments/tutorial_loop.py FOLDER --trials N [--seed S]

One process; `TextVectorization` in the network, texts padded to 250 tokens, with a mask; every
trial trains until early stopping; Optuna's TPE over embedding, units and dropout; a nested MLflow
run per trial. FOLDER holds `train.csv`, `validation.csv` and `test.csv` (label,text) of a leak-free
split; the loop as taught would not make sure of that.
"""

import argparse
import csv
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import mlflow
import numpy as np
import optuna
import tensorflow as tf
from sklearn.metrics import f1_score

BATCH = 64
WORDS, LENGTH = 20_000, 250


def main() -> None:
    """Run the trials; print a line of JSON for each, and one for the best at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin = time.time()
    sides = {name: read(options.folder / f"{name}.csv") for name in ("train", "validation", "test")}
    names = sorted(set(sides["train"][1]))
    best = {"validation": 0.0, "test": 0.0}

    def objective(trial: optuna.Trial) -> float:
        keras.backend.clear_session()
        keras.utils.set_random_seed(42 + options.seed)
        with mlflow.start_run(nested=True):
            model = build(trial, sides["train"][0], len(names))
            mlflow.log_params(trial.params)
            fit(model, dataset(sides["train"], names, shuffle=True),
                dataset(sides["validation"], names, shuffle=False))  # fmt: skip
            score = weighted_f1(model, sides["validation"], names)
            mlflow.log_metric("val_f1_weighted", score)
        if score > best["validation"]:
            best.update(validation=score, test=weighted_f1(model, sides["test"], names))
        print(json.dumps({"end": time.time(), "score": score}), flush=True)
        return score

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with mlflow.start_run():
        sampler = optuna.samplers.TPESampler(seed=options.seed)
        optuna.create_study(direction="maximize", sampler=sampler).optimize(
            objective, n_trials=options.trials
        )
    print(json.dumps({**best, "seconds": time.time() - begin}), flush=True)


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return texts and labels."""
    with path.open(newline="", encoding="utf-8") as file:
        labels, texts = zip(*csv.reader(file), strict=True)
    return list(texts), list(labels)


def dataset(
    side: tuple[list[str], list[str]], names: list[str], *, shuffle: bool
) -> tf.data.Dataset:
    """Return batches of texts and class indices."""
    texts, labels = side
    numbers = np.array([names.index(label) for label in labels])
    rows = tf.data.Dataset.from_tensor_slices((texts, numbers))
    return (rows.shuffle(len(texts), seed=1) if shuffle else rows).batch(BATCH).prefetch(2)


def build(trial: optuna.Trial, texts: list[str], classes: int) -> keras.Model:
    """Build and compile the network with a trial's values."""
    size = trial.suggest_categorical("embedding_dim", [32, 64, 128])
    units = trial.suggest_int("units", 16, 128, step=16)
    dropout = trial.suggest_float("dropout", 0.1, 0.6)
    vectorizer = keras.layers.TextVectorization(max_tokens=WORDS, output_sequence_length=LENGTH)
    vectorizer.adapt(np.array(texts))
    model = keras.Sequential(
        [
            vectorizer,
            keras.layers.Embedding(WORDS, size, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.LSTM(units)),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: keras.Model, train: tf.data.Dataset, validation: tf.data.Dataset) -> None:
    """Train until early stopping."""
    model.fit(
        train,
        validation_data=validation,
        epochs=10,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(patience=2),
        ],
    )


def weighted_f1(model: keras.Model, side: tuple[list[str], list[str]], names: list[str]) -> float:
    """Return the weighted F1 of a model on one side of the split."""
    predicted = model.predict(dataset(side, names, shuffle=False), verbose=0).argmax(axis=1)
    numbers = [names.index(label) for label in side[1]]
    return float(f1_score(numbers, predicted, average="weighted"))


if __name__ == "__main__":
    main()
