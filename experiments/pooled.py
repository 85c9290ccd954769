"""Compare the winner with the baselines over several split seeds, test rows pooled.

    python experiments/pooled.py --config CONFIG --data ROWS.csv [--seeds 5]

Runs one `ecomclf sweep` per seed in the store of the working directory; the same command resumes.
Every winner, as registered, is then evaluated on the test rows of its split, and all rows are
pooled. Intervals resample whole groups of near-duplicates, with their rows from every split. The
same rows are also predicted with a typo in every tenth word.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAMES = ("winner", "baseline", "tuned_baseline")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def main() -> None:
    """Run the sweeps, evaluate the winners and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for seed in range(options.seeds):
        command = ["sweep", "--config", str(options.config)]
        for override in (f"data.source={options.data}", f"data.split_seed={seed}"):
            command += ["--set", override]
        subprocess.run([sys.executable, "-m", "ecomclf", *command], check=True)

    from ecomclf.runtime.tensorflow_setup import quiet_mlflow, start_tensorflow

    quiet_mlflow()
    start_tensorflow()
    parts = [judged(options.config, options.data, seed) for seed in range(options.seeds)]
    report(parts)


def judged(config: Path, data: Path, seed: int) -> dict[str, np.ndarray]:
    """Return the predictions of a seed's winner and baselines on its test rows."""
    from ecomclf.config.loading import load_config
    from ecomclf.data.dataset import load
    from ecomclf.data.splitting import split_dataset
    from ecomclf.models.baseline import fit_baselines
    from ecomclf.models.classifier import Classifier
    from ecomclf.search.study import default_study_name, study_identity
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.registry import Registry
    from ecomclf.tracking.runs import STUDY

    chosen = load_config(config, [f"data.source={data}", f"data.split_seed={seed}"])
    dataset, _ = load(chosen.data)
    split = split_dataset(dataset, chosen.data)
    registry = Registry(connect(chosen.tracking.experiment).uri, chosen.registry.model)
    name = default_study_name(chosen, study_identity(chosen, split.fingerprint))
    version = next(each for each in registry.versions() if each.tags[STUDY] == name)
    with tempfile.TemporaryDirectory() as folder:
        classifier = Classifier.load(registry.download(version, Path(folder)))
    probabilities = classifier.predict_proba(split.test.texts)
    baselines = fit_baselines(split, chosen.train.monitor)
    return {
        "labels": split.test.labels,
        "groups": split.test.groups,
        "probabilities": probabilities,
        "sure": ~classifier.predict(split.test.texts)["needs_review"].to_numpy(),
        "winner": probabilities.argmax(axis=1),
        **{name: each.baseline.predict(split.test.texts) for name, each in baselines.items()},
        **{
            f"{name} with typos": label(with_typos(split.test.texts))
            for name, label in {
                "winner": lambda texts: classifier.predict_proba(texts).argmax(axis=1),
                **{name: each.baseline.predict for name, each in baselines.items()},
            }.items()
        },
    }


def with_typos(texts: Sequence[str], seed: int = 0) -> tuple[str, ...]:
    """Put a typo into every tenth word of two letters or more: swap, drop, double or wrong key."""
    generator, number = random.Random(seed), 0
    changed = []
    for text in texts:
        words = text.split()
        for at, word in enumerate(words):
            number += len(word) > 1
            if len(word) > 1 and number % 10 == 0:
                words[at] = with_typo(word, generator)
        changed.append(" ".join(words))
    return tuple(changed)


def with_typo(word: str, generator: random.Random) -> str:
    """Return a word with one typo.

    >>> with_typo("shoe", random.Random(1))
    'hsoe'
    """
    at = generator.randrange(len(word) - 1)
    before, first, second, after = word[:at], word[at], word[at + 1], word[at + 2 :]
    row = next((row for row in KEYS if first.lower() in row), first)
    beside = row[max(0, row.find(first.lower()) - 1)]
    kinds = (second + first, second, first + first + second, beside + second)
    return before + generator.choice(kinds) + after


def report(parts: list[dict[str, np.ndarray]]) -> None:
    """Print metrics per seed and pooled."""
    from sklearn.metrics import f1_score

    from ecomclf.evaluation.calibration import expected_calibration_error, reliability
    from ecomclf.evaluation.intervals import difference_interval

    pooled = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    print("| seed | " + " | ".join(NAMES) + " | calibration error | covered | right of these |")
    print("|---" * (len(NAMES) + 4) + "|")
    errors = []
    for seed, part in enumerate(parts):
        errors.append(
            expected_calibration_error(reliability(part["labels"], part["probabilities"]))
        )
        print(f"| {seed} | {weighted_f1(part)} | {errors[-1]:.4f} | {covered(part)}")
    print(f"| pooled | {weighted_f1(pooled)} | {np.mean(errors):.4f} (mean) | {covered(pooled)}")
    for name in NAMES:
        clean, typos = (
            f1_score(pooled["labels"], pooled[each], average="weighted")
            for each in (name, f"{name} with typos")
        )
        print(f"{name}, pooled: {clean:.4f}, with typos {typos:.4f}, {typos - clean:+.4f}")
    for name in NAMES[1:]:
        interval = difference_interval(
            pooled["labels"], pooled["winner"], pooled[name], pooled["groups"]
        )
        print(f"winner minus {name}, pooled: {interval.as_text()}")


def weighted_f1(part: dict[str, np.ndarray]) -> str:
    """Return table cells: weighted F1 of the winner and of each baseline."""
    from sklearn.metrics import f1_score

    scores = [f1_score(part["labels"], part[name], average="weighted") for name in NAMES]
    return " | ".join(f"{score:.4f}" for score in scores)


def covered(part: dict[str, np.ndarray]) -> str:
    """Return table cells: the fraction of rows that need no review, and their accuracy."""
    right = part["winner"][part["sure"]] == part["labels"][part["sure"]]
    return f"{part['sure'].mean():.4f} | {right.mean():.4f} |"


if __name__ == "__main__":
    main()
