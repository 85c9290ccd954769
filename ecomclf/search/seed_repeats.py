"""The winner's best trial again with other seeds: how much of a metric is chance."""

from collections.abc import Sequence

import numpy as np
from mlflow.entities import DatasetInput
from rich.console import Console

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import SCORES, Report, evaluate
from ecomclf.runtime.terminal import print_line
from ecomclf.runtime.timing import Stopwatch
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts
from ecomclf.tracking.runs import Run, Tracking


def repeat_with_seeds(
    config: Config,
    count: int,
    split: Split,
    tracking: Tracking,
    parent: Run,
    tags: dict[str, object],
    console: Console,
    datasets: Sequence[DatasetInput] = (),
) -> None:
    """Train a config with `count` other seeds, each in a run of its own below the parent.

    Each is scored on the test rows; none is chosen. The parent gets mean and sample standard
    deviation (with two repeats or more) of the test metrics as `repeat/…_mean` and `…_std`.
    """
    texts = encode_texts(split, config.text)
    reports = []
    for number in range(1, count + 1):
        seeded = config.with_values({"seed": config.seed + number})
        run = tracking.start_run("repeat", f"repeat {number}", parent=parent.run_id, tags=tags)
        with run.recorded():
            run.log_datasets(datasets)
            reports.append(_score(seeded, split, texts, run))
            run.describe(
                f"**The best trial again with seed {seeded.seed}:** "
                f"{reports[-1].summary('on the test rows')}. It chooses nothing."
            )
        print_line(console, f"repeat {number}: {reports[-1].summary('test')}")
    for name in SCORES:
        values = [getattr(report, name) for report in reports]
        parent.log_metrics({f"repeat/test_{name}_mean": float(np.mean(values))})
        if count > 1:
            parent.log_metrics({f"repeat/test_{name}_std": float(np.std(values, ddof=1))})
    weighted = [report.f1_weighted for report in reports]
    print_line(
        console,
        f"repeats: {count}, weighted F1 on test {np.mean(weighted):.4f}, "
        f"from {min(weighted):.4f} to {max(weighted):.4f}",
    )


def _score(config: Config, split: Split, texts: EncodedTexts, run: Run) -> Report:
    """Train a config in a run and score it on the test rows."""
    from ecomclf.search.training_run import train_in_run

    fitted = train_in_run(
        run,
        config,
        split,
        texts,
        lambda *_: None,
        watch=Stopwatch(),
        keep_classifier=False,
    )
    probabilities = fitted.classifier.predict_proba(split.test.texts)
    report = evaluate(split.test.labels, probabilities, split.classes, ordered=split.ordered)
    run.log_metrics(report.metrics("repeat/test"))
    return report
