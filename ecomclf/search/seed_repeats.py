"""The winner's config again, with other seeds: how much of a figure is luck."""

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import SCORES, Report, evaluate
from ecomclf.runtime.timing import Stopwatch
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, Run, State, Tracking

if TYPE_CHECKING:
    from ecomclf.text.encoded_texts import EncodedTexts


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
    from ecomclf.text.encoded_texts import encode_texts

    texts = encode_texts(split, config.text)
    reports = []
    for number in range(1, count + 1):
        seeded = config.with_values({"seed": config.seed + number})
        run = tracking.start_run("repeat", f"repeat {number}", parent=parent.run_id, tags=tags)
        reports.append(_judge(seeded, split, texts, run))
        tracking.delete_artifact(run.run_id, CLASSIFIER_FOLDER)
        console.print(f"repeat {number}: {reports[-1].summary('test')}", soft_wrap=True)
    for name in SCORES:
        values = [getattr(report, name) for report in reports]
        parent.log_metrics({f"repeat_test_{name}_mean": float(np.mean(values))})
        if count > 1:
            parent.log_metrics({f"repeat_test_{name}_std": float(np.std(values, ddof=1))})
    weighted = [report.f1_weighted for report in reports]
    console.print(
        f"repeats: {count}, weighted F1 on test {np.mean(weighted):.4f}, "
        f"from {min(weighted):.4f} to {max(weighted):.4f}"
    )


def _judge(config: Config, split: Split, texts: "EncodedTexts", run: Run) -> Report:
    """Train a config in a run, which ends here, and judge it on the test rows."""
    from ecomclf.search.training_run import run_trial

    ended: State = "FAILED"
    try:
        result = run_trial(config, split, texts, run, lambda *_: None, Stopwatch())
        probabilities = result.classifier.predict_proba(split.test.texts)
        report = evaluate(split.test.labels, probabilities, split.classes)
        run.log_metrics(report.metrics("repeat_test"))
        ended = "FINISHED"
    except KeyboardInterrupt:
        ended = "KILLED"
        raise
    finally:
        run.finish(ended)
    return report
