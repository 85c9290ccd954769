"""A trial that sleeps where a real one trains; the rest of it is real.

In a module of its own, because worker processes import it.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import optuna

from ecomclf.runtime.tensorflow_setup import quiet_mlflow
from ecomclf.search import study as studies
from ecomclf.search.worker import TrialRun, TrialTask, WorkerContext
from ecomclf.search.workers import Emit
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, Run

EPOCHS = 6
# Sizes in bytes of what a trial of configs/sample.yaml logs.
TEXTS = {"architecture.txt": 2_000, "report.json": 4_000, "classification_report.txt": 900}
IMAGES = {"confusion_matrix.png": 40_000, "history.png": 45_000}
FOLDERS = {
    "tensorboard": {"train/events": 6_000, "validation/events": 3_000},
    CLASSIFIER_FOLDER: {"network.keras": 700_000, "vocabulary.json": 80_000, "classes.json": 200},
}


@dataclass(frozen=True)
class NoRows:
    """What of a split is logged."""

    protocol: str = "leak_free"
    fingerprint: str = "0" * 64


class SleepingTrial(TrialRun):
    """A trial that sleeps where a real one trains."""

    seconds = 2.0

    def _train(self, trial: optuna.Trial, values: dict[str, Any], run: Run) -> float:
        config = self._config.with_values(values)
        run.log_params(config.flat() | {"data.fingerprint": self._context.split.fingerprint})
        run.log_text(config.to_yaml(), "config.yaml")
        score = 0.0
        for epoch in range(1, EPOCHS + 1):
            time.sleep(self.seconds)
            score = 1 - 1 / (epoch + values["model.units"])
            names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1_macro")
            run.log_metrics(dict.fromkeys(names, score), step=epoch)
            self._report(trial, epoch, score)
        with tempfile.TemporaryDirectory() as name:
            for folder, files in FOLDERS.items():
                for file, size in files.items():
                    path = Path(name) / folder / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(os.urandom(size))
                run.log_folder(Path(name) / folder, folder)
        for file, size in TEXTS.items():
            run.log_text("x" * size, file)
        for file, size in IMAGES.items():
            client = mlflow.MlflowClient(run.uri)
            client.log_image(run.run_id, np.zeros((size // 400, 100), np.uint8), file)
        run.log_metrics({f"val_{number}": score for number in range(20)}, step=EPOCHS + 1)
        run.tag(kept_epoch=EPOCHS)
        return score


def prepare(context: tuple[WorkerContext, float]) -> Callable[[TrialTask, Emit], None]:
    """Return the function that runs a trial that sleeps."""
    shared, SleepingTrial.seconds = context
    sweep = shared.config.sweep
    study = studies.load_worker_study(shared.study_name, shared.storage, sweep, EPOCHS)
    return lambda task, emit: SleepingTrial(shared, study, {}, emit).run(task)


def warm_up() -> None:
    """Import what a trial needs."""
    quiet_mlflow()
