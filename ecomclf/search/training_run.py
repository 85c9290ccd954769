"""The recipe: one config → trained, evaluated, logged. `train` and every trial call it."""

import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
from rich.console import Console

from ecomclf.config.loading import Config
from ecomclf.data.dataset import DataReport
from ecomclf.data.resampling import resample_rows
from ecomclf.data.splitting import Split
from ecomclf.evaluation.error_tables import sample_predictions
from ecomclf.evaluation.figures import confusion_figure, history_figure
from ecomclf.evaluation.report import evaluate
from ecomclf.models.architecture import build_model, summarise
from ecomclf.models.classifier import Classifier
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.models.fitting import EpochMetrics, fit
from ecomclf.runtime.timing import Stopwatch
from ecomclf.text.batching import TrainingBatches
from ecomclf.text.encoded_texts import EncodedTexts, encode_texts
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, PROTOCOL, Run, connect


@dataclass(frozen=True)
class TrialResult:
    """The classifier of the kept epoch, and that epoch's metrics."""

    classifier: Classifier
    metrics: EpochMetrics


def run_trial(
    config: Config,
    split: Split,
    texts: EncodedTexts,
    run: Run,
    on_epoch: Callable[[int, EpochMetrics], None],
    watch: Stopwatch,
) -> TrialResult:
    """Train one set of hyperparameters and write all of it to a run, which stays open.

    `on_epoch` is called after an epoch is logged, with its number, from 1, and its metrics; what it
    raises ends the trial. Test rows are not touched. `watch` runs since the trial began.
    """
    run.tag(**{PROTOCOL: split.protocol})
    run.log_params(config.flat() | {"data.fingerprint": split.fingerprint})
    run.log_text(config.to_yaml(), "config.yaml")
    watch.lap("logging")

    keras.utils.set_random_seed(config.seed)
    classes = len(split.classes)
    embeddings, figures = texts.initial_embeddings(config.model)
    watch.lap("vectors")
    run.log_metrics(figures)
    model = build_model(
        config.model,
        vocabulary_size=texts.vectorizer.vocabulary_size,
        classes=classes,
        max_length=config.text.max_length,
        embeddings=embeddings,
    )
    run.log_text(summarise(model), "architecture.txt")
    fast = with_fast_lstms(model)
    watch.lap("building")

    def log_epoch(epoch: int, metrics: EpochMetrics) -> None:
        watch.lap("fitting")
        run.log_metrics(metrics, step=epoch)
        on_epoch(epoch, metrics)
        watch.lap("logging")

    train, labels = texts.train, split.train.labels
    if config.train.resample:
        drawn = resample_rows(labels, split.classes, config.train.resample, config.seed)
        train, labels = train.take(drawn), labels[drawn]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            history = fit(
                fast,
                TrainingBatches(
                    train,
                    labels,
                    classes=classes,
                    batch_size=config.train.batch_size,
                    shuffle=True,
                    seed=config.seed,
                    word_swap=config.train.word_swap,
                ),
                TrainingBatches(
                    texts.validation,
                    split.validation.labels,
                    classes=classes,
                    batch_size=config.train.batch_size,
                    shuffle=False,
                ),
                config.train,
                tensorboard=folder / "tensorboard",
                on_epoch=log_epoch,
            )
        finally:
            watch.lap("fitting")
            run.log_folder(folder / "tensorboard", "tensorboard")
            watch.lap("logging")
            run.log_metrics(watch.metrics())
        model.set_weights(fast.get_weights())
        classifier = Classifier(
            texts.cleaner,
            texts.vectorizer,
            model,
            split.classes,
            text_columns=split.text_columns,
        )
        probabilities = classifier.predict_encoded(texts.validation)
        report = evaluate(split.validation.labels, probabilities, split.classes)
        watch.lap("evaluating")

        classifier.save(folder / CLASSIFIER_FOLDER)
        run.log_folder(folder / CLASSIFIER_FOLDER, CLASSIFIER_FOLDER)
    run.log_json(report.to_dict(), "report.json")
    run.log_text(report.as_text(), "classification_report.txt")
    run.log_table(
        sample_predictions(split.validation, probabilities, split.classes),
        "sample_predictions.json",
    )
    run.log_figure(confusion_figure(report, "validation rows"), "confusion_matrix.png")
    run.log_figure(history_figure(history.epochs, history.kept_epoch), "history.png")
    # Once more, after the last epoch: what MLflow shows as a run's figures is what was kept.
    kept = report.metrics("val") | history.kept
    run.log_metrics(kept, step=len(history.epochs) + 1)
    run.tag(kept_epoch=history.kept_epoch)
    watch.lap("logging")
    run.log_metrics(watch.metrics())
    return TrialResult(classifier, history.kept)


def run_alone(config: Config, split: Split, report: DataReport, console: Console) -> None:
    """Train the config's own values in a run of its own, and judge it once on the test rows.

    Raises:
        DataError: cleaning leaves no word of the training texts.
        RequestError: a line of a file of vectors is none.

    """
    watch = Stopwatch()
    # Texts or a file of vectors that cannot be used are a wrong request, which leaves no run.
    texts = encode_texts(split, config.text)
    watch.lap("encoding")
    texts.initial_embeddings(config.model)
    watch.lap("vectors")
    tracking = connect(config.tracking.experiment)
    run = tracking.start_run("train", config.name, tags={})
    monitor = config.train.monitor

    def show(epoch: int, metrics: EpochMetrics) -> None:
        console.print(
            f"epoch {epoch} train_loss {metrics['train_loss']:.4f} {monitor} {metrics[monitor]:.4f}"
        )

    try:
        run.log_json(report.to_dict(), "data_report.json")
        result = run_trial(config, split, texts, run, show, watch)
        probabilities = result.classifier.predict_proba(split.test.texts)
        test = evaluate(split.test.labels, probabilities, split.classes)
        run.log_metrics(test.metrics("test"))
        run.log_json(test.to_dict(), "test_report.json")
    except BaseException as error:
        run.log_text(traceback.format_exc(), "error.txt")
        run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.finish("FINISHED")
    console.print(f"run {run.run_id}", soft_wrap=True)
    console.print(test.summary("test"))
