"""One training of a config's own values: a run, a single reading of the test rows, a version."""

from rich.console import Console

from ecomclf.config.loading import Config
from ecomclf.data.class_names import join_names
from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split
from ecomclf.evaluation.report import evaluate
from ecomclf.models.baseline import fit_baselines
from ecomclf.models.classifier import Classifier
from ecomclf.models.fitting import EpochMetrics
from ecomclf.runtime.environment import describe_environment
from ecomclf.runtime.terminal import print_line
from ecomclf.runtime.timing import Stopwatch
from ecomclf.search.baseline_runs import log_baselines
from ecomclf.search.blending import single_winner
from ecomclf.search.final_evaluation import evaluate_winner
from ecomclf.search.job import Job
from ecomclf.search.training_run import train_in_run
from ecomclf.text.encoded_texts import encode_texts
from ecomclf.tracking.connection import connect
from ecomclf.tracking.datasets import describe_datasets
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, Run


def train_alone(
    config: Config, split: Split, report: DataReport, console: Console, *, register: bool
) -> Classifier:
    """Train the config's own values in a run of its own, and score it once on the test rows.

    Args:
        config: hyperparameters; its search space is not used.
        split: the data.
        report: of the data, recorded with the run.
        console: where each epoch and the result are printed.
        register: make the classifier a version of the registered model, through the promotion
            gate. It is calibrated on the validation rows then, as the winner of a sweep is.

    Raises:
        DataError: cleaning leaves no word of the training texts.
        RequestError: a word-vector file has a malformed line.

    """
    watch = Stopwatch()
    # Texts or word vectors that cannot be used are a wrong request, which leaves no run behind.
    texts = encode_texts(split, config.text)
    watch.lap("encoding")
    texts.initial_embeddings(config.model)
    watch.lap("vectors")
    tracking = connect(config.tracking.experiment)
    run = tracking.start_run("train", config.name, tags={})
    monitor = config.train.monitor

    def print_epoch(epoch: int, metrics: EpochMetrics) -> None:
        loss, score = metrics["train_loss"], metrics[monitor]
        print_line(console, f"epoch {epoch} train_loss {loss:.4f} {monitor} {score:.4f}")

    with run.recorded():
        run.log_json(report.to_dict(), "data_report.json")
        run.log_params({"data.read_as": report.read_as})
        run.log_json(describe_environment(), "environment.json")
        run.log_datasets(describe_datasets(split, report, test=True))
        fitted = train_in_run(run, config, split, texts, print_epoch, watch=watch)
        print_line(console, f"run {run.run_id}")
        if fitted.report.never_predicted:
            names = join_names(fitted.report.never_predicted)
            print_line(console, f"never predicted on validation rows: {names}")
        if not register:
            _score(fitted.classifier, split, run, console)
            return fitted.classifier
        job = Job(config, report, split, run, study=f"train {config.name}", study_id=run.run_id)
        winner = single_winner(fitted, split, texts.validation)
        baselines = fit_baselines(split, monitor, config.train.class_weight)
        log_baselines(job, baselines, tracking, {}, console)
        evaluation = evaluate_winner(job, winner, baselines)
        for line in filter(None, (*evaluation.lines(), winner.review_notice())):
            print_line(console, line)
        return winner.classifier


def _score(classifier: Classifier, split: Split, run: Run, console: Console) -> None:
    """Score a classifier that is not registered on the test rows, and say how to use it."""
    probabilities = classifier.predict_proba(split.test.texts)
    test = evaluate(split.test.labels, probabilities, split.classes, ordered=split.ordered)
    run.log_metrics(test.metrics("test"))
    run.log_json(test.to_dict(), "test_report.json")
    run.describe(
        f"**A single training:** {test.summary('on the test rows')}. Not registered; load it:\n\n"
        f'```python\necomclf.load("runs:/{run.run_id}/{CLASSIFIER_FOLDER}")\n```'
    )
    print_line(console, test.summary("test"))
    print_line(
        console,
        "not registered: classify with it in Python by "
        f'ecomclf.load("runs:/{run.run_id}/{CLASSIFIER_FOLDER}"), or repeat this command with '
        "--register for `ecomclf classify`",
    )
