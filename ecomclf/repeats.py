"""The winner's config again, with other seeds: how much of a figure is luck."""

from collections.abc import Iterator

import numpy as np
from rich.console import Console

from ecomclf.config import Config
from ecomclf.evaluate import evaluate
from ecomclf.split import Split
from ecomclf.tracking import Run, State, Tracking

FIGURES = ("accuracy", "f1_macro", "f1_weighted")


def repeat(
    config: Config,
    count: int,
    split: Split,
    tracking: Tracking,
    parent: Run,
    tags: dict[str, object],
    console: Console,
) -> None:
    """Train a config with `count` further seeds, each in a run of its own below the parent.

    Each is judged on the test rows; none is chosen. The parent gets mean and deviation (of a
    sample, so with two repeats at least) of its test figures as `repeat_…_mean` and `…_std`.
    """
    figures = list(_figures(config, count, split, tracking, parent, tags, console))
    for name in FIGURES:
        values = [each[f"test_{name}"] for each in figures]
        parent.log_metrics({f"repeat_test_{name}_mean": float(np.mean(values))})
        if count > 1:
            parent.log_metrics({f"repeat_test_{name}_std": float(np.std(values, ddof=1))})
    weighted = [each["test_f1_weighted"] for each in figures]
    console.print(
        f"repeats: {count}, weighted F1 on test {np.mean(weighted):.4f}, "
        f"from {min(weighted):.4f} to {max(weighted):.4f}"
    )


def _figures(
    config: Config,
    count: int,
    split: Split,
    tracking: Tracking,
    parent: Run,
    tags: dict[str, object],
    console: Console,
) -> Iterator[dict[str, float]]:
    from ecomclf.trial import encode_texts, run_trial

    texts = encode_texts(split, config.text)
    for number in range(1, count + 1):
        seeded = config.with_values({"seed": config.seed + number})
        run = tracking.start_run("repeat", f"repeat {number}", parent=parent.run_id, tags=tags)
        ended: State = "FAILED"
        try:
            result = run_trial(seeded, split, texts, run, lambda *_: None)
            probabilities = result.classifier.predict_probabilities(split.test.texts)
            metrics = evaluate(split.test.labels, probabilities, split.classes).metrics("test")
            run.log_metrics(metrics)
            ended = "FINISHED"
        except KeyboardInterrupt:
            ended = "KILLED"
            raise
        finally:
            run.finish(ended)
        console.print(f"repeat {number}: weighted F1 on test {metrics['test_f1_weighted']:.4f}")
        yield metrics
