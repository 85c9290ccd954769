"""Train one network with and without subwords on each split, and compare on validation rows.

    python experiments/subwords.py --config CONFIG [--data ROWS.csv] [--test ROWS.csv] [--seeds 3]
        [--set KEY=VALUE …]

Prints the weighted F1 of each network, of its even blend with the linear path, and the seconds that
the training took.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.special import softmax
from sklearn.metrics import f1_score

from ecomclf.runtime.tensorflow_setup import start_tensorflow

start_tensorflow()

from ecomclf.config.loading import load_config  # noqa: E402
from ecomclf.data.dataset import load  # noqa: E402
from ecomclf.data.splitting import Split, split_dataset  # noqa: E402
from ecomclf.evaluation.calibration import fit_temperature, with_temperature  # noqa: E402
from ecomclf.models.linear_path import fit_linear_path  # noqa: E402
from ecomclf.models.training import fit_classifier  # noqa: E402
from ecomclf.runtime.timing import Stopwatch  # noqa: E402
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts  # noqa: E402


def main() -> None:
    """Train both networks on each split, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data")
    parser.add_argument("--test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    files = {"data.source": options.data, "data.test_source": options.test}
    given = [f"{key}={path}" for key, path in files.items() if path]
    for seed in range(options.seeds):
        config = load_config(options.config, [*given, *options.set, f"data.split_seed={seed}"])
        dataset, _ = load(config.data)
        split = split_dataset(dataset, config.data)
        texts = encode_texts(split, config.text)
        linear, labels = linear_path(split, texts), split.validation.labels
        for value in ("none", "ngrams"):
            chosen = config.with_values({"model.subwords": value})
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                fitted = fit_classifier(
                    chosen,
                    split,
                    texts,
                    lambda *_: None,
                    tensorboard=Path(folder),
                    watch=Stopwatch(),
                )
            seconds = time.perf_counter() - start
            alone, blend = (
                f1_score(labels, each.argmax(axis=1), average="weighted")
                for each in (fitted.probabilities, (fitted.probabilities + linear) / 2)
            )
            print(
                f"split {seed} subwords {value:6} network {alone:.4f}, with the linear path "
                f"{blend:.4f}, {seconds:.0f} s",
                flush=True,
            )


def linear_path(split: Split, texts: EncodedTexts) -> np.ndarray:
    """Return the calibrated probabilities of the linear path on the validation rows."""
    path = fit_linear_path(
        texts.vectorizer.words, texts.train, split.train.labels, classes=len(split.classes)
    )
    uncalibrated = softmax(path.decide(texts.validation).astype(np.float64), axis=1)
    return with_temperature(uncalibrated, fit_temperature(split.validation.labels, uncalibrated))


if __name__ == "__main__":
    main()
