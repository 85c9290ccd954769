"""Compare the values of `train.suspects`, on the labels as they are and with some flipped.

    python experiments/suspects.py --data FOLDER [--configs ecommerce …] [--seeds 0 1]
        [--flip 0.05] [--epochs N]

Trains the network of each config once per value, seed and set of labels, and prints the mean macro
and weighted F1 on validation rows. Labels are flipped at random in training rows only. FOLDER holds
`ecommerce.csv`, `app_reviews.csv`, `banking77_train.csv` and `banking77_test.csv`. Test rows are
not read. Encoded texts and label checks are cached in `data/cache` of the working directory.
"""

import argparse
import itertools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ecomclf.config.loading import Config
    from ecomclf.data.splitting import Split

CONFIGS = Path(__file__).parent.parent / "configs"
SOURCES = {
    "ecommerce": {"data.source": "ecommerce.csv"},
    "app_reviews": {"data.source": "app_reviews.csv"},
    "banking77": {
        "data.source": "banking77_train.csv",
        "data.test_source": "banking77_test.csv",
    },
}
VALUES = ("keep", "weigh", "drop")


def main() -> None:
    """Train all networks, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--configs", nargs="+", default=list(SOURCES), choices=SOURCES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--flip", type=float, default=0.05, help="fraction of labels to flip")
    parser.add_argument("--epochs", type=int, help="instead of those of the config")
    options = parser.parse_args()

    from ecomclf.config.loading import load_config
    from ecomclf.data.dataset import load
    from ecomclf.data.splitting import split_dataset
    from ecomclf.runtime.tensorflow_setup import start_tensorflow

    start_tensorflow()
    print("| data | flipped | value | macro F1 | weighted F1 |\n|---|---|---|---|---|")
    for name in options.configs:
        values = {key: str(options.data / file) for key, file in SOURCES[name].items()}
        if options.epochs:
            values["train.epochs"] = options.epochs
        config = load_config(CONFIGS / f"{name}.yaml", values)
        dataset, _ = load(config.data)
        split = split_dataset(dataset, config.data)
        for fraction, value in itertools.product((0.0, options.flip), VALUES):
            chosen = config.with_values({"train.suspects": value})
            scores = [train(chosen, split, fraction, seed) for seed in options.seeds]
            macro, weighted = np.mean(scores, axis=0)
            print(f"| {name} | {fraction:.0%} | `{value}` | {macro:.4f} | {weighted:.4f} |",
                  flush=True)  # fmt: skip


def train(config: "Config", split: "Split", fraction: float, seed: int) -> tuple[float, float]:
    """Return macro and weighted F1 on validation rows of one network."""
    from ecomclf.models.training import fit_classifier
    from ecomclf.runtime.timing import Stopwatch
    from ecomclf.text.encoded_texts import encode_texts

    labels = flip(split.train.labels, len(split.classes), fraction, seed)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_classifier(
            config.with_values({"seed": seed}),
            replace(split, train=replace(split.train, labels=labels)),
            encode_texts(split, config.text),
            lambda *_: None,
            tensorboard=Path(folder),
            watch=Stopwatch(),
        )
    return fitted.report.f1_macro, fitted.report.f1_weighted


def flip(labels: np.ndarray, classes: int, fraction: float, seed: int) -> np.ndarray:
    """Replace a random fraction of the labels by another class each; int32 [rows]."""
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(labels), round(fraction * len(labels)), replace=False)
    flipped = labels.copy()
    flipped[rows] = (labels[rows] + generator.integers(1, classes, len(rows))) % classes
    return flipped


if __name__ == "__main__":
    main()
