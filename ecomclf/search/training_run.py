"""One training with its MLflow run: the recipe, and what of it is recorded.

`train`, every trial of a sweep and every repeat of its winner go through here.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from ecomclf.config.loading import Config
from ecomclf.data.class_names import join_names
from ecomclf.data.splitting import Split
from ecomclf.evaluation.error_tables import sample_predictions
from ecomclf.evaluation.figures import confusion_figure, history_figure
from ecomclf.models.architecture import summarise
from ecomclf.models.architecture_diagram import draw_architecture
from ecomclf.models.fitting import EpochMetrics
from ecomclf.models.training import Fitted, fit_classifier
from ecomclf.runtime.timing import Stopwatch
from ecomclf.text.encoded_texts import EncodedTexts
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, PROTOCOL, Run

OnEpoch = Callable[[int, EpochMetrics], None]


def train_in_run(
    run: Run,
    config: Config,
    split: Split,
    texts: EncodedTexts,
    on_epoch: OnEpoch,
    *,
    watch: Stopwatch,
    keep_classifier: bool = True,
) -> Fitted:
    """Train one set of hyperparameters and record it in a run, which stays open.

    Args:
        run: what is written to.
        config: hyperparameters.
        split: labels and class names; its test rows are not touched.
        texts: the split's texts as ids, encoded with `config.text`.
        on_epoch: called after an epoch is logged, with its number, from 1, and its metrics; an
            exception that it raises ends the training and is passed on. What was recorded so far,
            TensorBoard's files included, is in the run then.
        watch: records the seconds spent on each step; running since the work on this run began.
        keep_classifier: save the classifier as an artifact.

    """
    log_request(run, config, split)
    watch.lap("logging")

    def log_epoch(epoch: int, metrics: EpochMetrics) -> None:
        run.log_metrics(_as_logged(metrics), step=epoch)
        on_epoch(epoch, metrics)

    with tempfile.TemporaryDirectory() as name:
        tensorboard = Path(name) / "tensorboard"
        try:
            fitted = fit_classifier(
                config, split, texts, log_epoch, tensorboard=tensorboard, watch=watch
            )
        finally:
            run.log_folder(tensorboard, "tensorboard")
            watch.lap("logging")
            run.log_metrics(watch.metrics())
    log_fitted(run, fitted, split, keep_classifier=keep_classifier)
    watch.lap("logging")
    run.log_metrics(watch.metrics())
    return fitted


def log_request(run: Run, config: Config, split: Split) -> None:
    """Log what is to be trained, before it is."""
    run.tag(**{PROTOCOL: split.protocol})
    run.log_params(config.flat() | {"data.fingerprint": split.fingerprint})
    run.log_text(config.to_yaml(), "config.yaml")


def log_fitted(run: Run, fitted: Fitted, split: Split, *, keep_classifier: bool = True) -> None:
    """Log a fitted classifier: validation metrics, reports, figures, and the classifier itself."""
    report, history = fitted.report, fitted.history
    run.log_metrics(fitted.vector_coverage)
    run.log_text(summarise(fitted.classifier.network), "architecture.txt")
    run.log_text(draw_architecture(fitted.classifier.network), "architecture.svg")
    if keep_classifier:
        with tempfile.TemporaryDirectory() as folder:
            fitted.classifier.save(Path(folder))
            run.log_folder(Path(folder), CLASSIFIER_FOLDER)
    run.log_json(report.to_dict(), "report.json")
    run.log_text(report.as_text(), "classification_report.txt")
    run.log_table(
        sample_predictions(split.validation, fitted.probabilities, split.classes),
        "sample_predictions.json",
    )
    run.log_figure(confusion_figure(report, "validation rows"), "confusion_matrix.png")
    run.log_figure(history_figure(history.epochs, history.kept_epoch), "history.png")
    # Once more after the last epoch: MLflow shows the latest value of a metric, which should be
    # that of the kept epoch.
    kept = report.metrics("val") | _as_logged(history.kept)
    run.log_metrics(kept, step=len(history.epochs) + 1)
    run.tag(kept_epoch=history.kept_epoch)
    if report.never_predicted:
        run.tag(never_predicted=join_names(report.never_predicted))


def _as_logged(metrics: EpochMetrics) -> EpochMetrics:
    """Return metrics under the names they are logged by.

    MLflow's UI lists metrics by name, those with a slash in folded groups after the others.
    """
    renamed = {"learning_rate": "optimizer/learning_rate"}
    return {renamed.get(name, name): value for name, value in metrics.items()}
