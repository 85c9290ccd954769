"""Compare the winner with the baselines over several split seeds, test rows pooled.

    python experiments/pooled.py --config CONFIG --data ROWS.csv [--seeds 5]

Runs one `ecomclf sweep` per seed in the store of the working directory; the same command resumes.
Every winner, as registered, is then evaluated on the test rows of its split, and all rows are
pooled. Intervals resample whole groups of near-duplicates, with their rows from every split.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

NAMES = ("winner", "baseline", "tuned_baseline")


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
        "sure": probabilities.max(axis=1) >= classifier.threshold,
        "winner": probabilities.argmax(axis=1),
        **{name: each.predict(split.test.texts) for name, each in baselines.items()},
    }


def report(parts: list[dict[str, np.ndarray]]) -> None:
    """Print metrics per seed and pooled."""
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
