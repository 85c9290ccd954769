"""Training speed of one network in texts per second: as the tutorial loop trains it, and as ours.

    python experiments/bench_fit.py --data ROWS.csv [--rounds 3]

Both sides train the same architecture (embedding 64, BiLSTM 64, last states). The loop pads every
text to 250 tokens and masks the padding, with TensorFlow's default threads; ours batches texts by
length without a mask, and keeps freed memory as the workers of a sweep do. tf.data's autotuning is
off on both sides: with it, epochs of the loop take up to twice as long. Whole epochs are timed,
because batches differ in length, and the second epoch, because the first still allocates memory.
Each side runs in its own process with all cores, in turns; results are medians over the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BATCHES = (64, 128, 256, 512)
UNITS, SIZE = 64, 64


def main() -> None:
    """Measure both sides and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("loop", "ours"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.data)))
        return
    from ecomclf.runtime.tensorflow_setup import worker_environment

    environments = {"loop": dict(os.environ), "ours": os.environ | worker_environment()}
    speeds: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for side in ("loop", "ours"):
            command = [sys.executable, *sys.argv, "--side", side]
            done = subprocess.run(
                command, env=environments[side], stdout=subprocess.PIPE, text=True, check=True
            )
            for batch, speed in json.loads(done.stdout.splitlines()[-1]).items():
                speeds.setdefault((side, int(batch)), []).append(speed)
    report({key: statistics.median(values) for key, values in speeds.items()})


def measure(side: str, data: Path) -> dict[int, float]:
    """Return texts per second of one side, by batch size."""
    if side == "ours":
        from ecomclf.runtime.tensorflow_setup import start_tensorflow

        start_tensorflow()
    split, ids = read(data)
    speeds = {}
    for batch in BATCHES:
        model, batches = {"loop": loop, "ours": ours}[side](split, ids, batch)
        model.fit(batches, verbose=0)
        begin = time.perf_counter()
        model.fit(batches, verbose=0)
        speeds[batch] = len(split.train) / (time.perf_counter() - begin)
    return speeds


def read(path: Path) -> Any:
    """Return the split of `configs/ecommerce.yaml` and its texts as token ids."""
    from ecomclf.config.loading import load_config
    from ecomclf.config.schema import TextConfig
    from ecomclf.data.dataset import load
    from ecomclf.data.splitting import split_dataset
    from ecomclf.text.encoded_texts import encode_texts

    config = load_config(
        Path(__file__).parent.parent / "configs" / "ecommerce.yaml", [f"data.source={path}"]
    )
    dataset, _ = load(config.data)
    split = split_dataset(dataset, config.data)
    return split, encode_texts(split, TextConfig())


def loop(split: Any, texts: Any, batch: int) -> tuple[Any, Any]:
    """Return the loop's compiled network and its batches."""
    import keras
    import tensorflow as tf

    words = texts.vectorizer.words
    vectorizer = keras.layers.TextVectorization(output_sequence_length=250, vocabulary=words[2:])
    model = keras.Sequential(
        [
            vectorizer,
            keras.layers.Embedding(len(words), SIZE, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS)),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(len(split.classes), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows = tf.data.Dataset.from_tensor_slices((list(split.train.texts), split.train.labels))
    batches = rows.shuffle(len(split.train), seed=1).batch(batch).prefetch(2)
    # With autotuning an epoch waits for the tuner's thread and takes up to twice as long.
    options = tf.data.Options()
    options.autotune.enabled = False
    return model, batches.with_options(options)


def ours(split: Any, texts: Any, batch: int) -> tuple[Any, Any]:
    """Return the same network, compiled, and its batches as this package trains it."""
    from ecomclf.config.schema import ModelConfig
    from ecomclf.models.architecture import build_model
    from ecomclf.models.cpu_lstm import with_fast_lstms
    from ecomclf.text.batching import TrainingBatches

    config = ModelConfig(
        embedding_dim=SIZE,
        embeddings="random",
        filters=None,
        units=UNITS,
        pooling="last",
        word_dropout=0,
        embedding_dropout=0,
        dropout=0.3,
    )
    model = with_fast_lstms(
        build_model(
            config,
            vocabulary_size=texts.vectorizer.vocabulary_size,
            classes=len(split.classes),
            max_length=250,
        )
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    batches = TrainingBatches(
        texts.train, split.train.labels, classes=len(split.classes), batch_size=batch, shuffle=True
    ).dataset()
    return model, batches


def report(speeds: dict[tuple[str, int], float]) -> None:
    """Print texts per second and their ratios."""
    print("| batch | the loop | ours | ratio |")
    print("|---|---|---|---|")
    for batch in BATCHES:
        theirs, own = speeds["loop", batch], speeds["ours", batch]
        print(f"| {batch} | {theirs:.0f} | {own:.0f} | {own / theirs:.2f} |")
    theirs, own = (max(speeds[side, batch] for batch in BATCHES) for side in ("loop", "ours"))
    print(f"| each side's best | {theirs:.0f} | {own:.0f} | {own / theirs:.2f} |")


if __name__ == "__main__":
    main()
