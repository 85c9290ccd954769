"""Write and find MLflow runs.

Everything goes through `MlflowClient` with explicit run ids. There is no active run, so that worker
processes can write to the runs of their trials side by side.
"""

import contextlib
import json
import os
import re
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mlflow
from mlflow.entities import DatasetInput, Metric, Param, RunTag, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking.context.registry import resolve_tags

from ecomclf.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from ecomclf.models.classifier import Classifier

# Names of tags. A run's role: the parent run of a sweep, one of its trials, baselines or repeats of
# the winner, a single training, or a comparison of other runs.
ROLE = "ecomclf.role"
STUDY = "ecomclf.study"
STUDY_ID = "ecomclf.study_id"
TRIAL = "ecomclf.trial"
TRIALS = "ecomclf.trials"
RECIPE = "ecomclf.recipe"
PROTOCOL = "split"
SEARCHED = "ecomclf.searched"
MONITOR = "ecomclf.monitor"
PARENT = "mlflow.parentRunId"
CONTINUED_BY = "continued_by"
# Markdown that MLflow's UI shows as the description of a run or an experiment.
NOTE = "mlflow.note.content"
NAME = "mlflow.runName"
# Why a killed trial was stopped.
STOPPED = "stopped"
PRUNED = "pruned"
# Characters of JSON above which it is not indented.
_LONG_JSON = 1_000_000

CLASSIFIER_FOLDER = "classifier"

State = Literal["FINISHED", "KILLED", "FAILED"]
Role = Literal["sweep", "trial", "baseline", "repeat", "train", "comparison"]

_BATCH = 100
# How MLflow names a run that got no name: `chill-panda-693`.
_RANDOM_NAME = re.compile(r"([a-z]+-[a-z]+-\d+)?")


@dataclass(frozen=True)
class Run:
    """An MLflow run to write to.

    Attributes:
        uri: address of the tracking store.
        run_id: MLflow's id of the run.

    """

    uri: str
    run_id: str

    @property
    def _client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters; MLflow refuses to change the value of one that is logged already."""
        entities = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, len(entities), _BATCH):
            self._client.log_batch(self.run_id, params=entities[start : start + _BATCH])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics at a step."""
        now = round(time.time() * 1000)
        entities = [Metric(key, value, now, step) for key, value in metrics.items()]
        self._client.log_batch(self.run_id, metrics=entities)

    def tag(self, **tags: object) -> None:
        """Set tags, all of them in one request."""
        entities = [RunTag(key, str(value)) for key, value in tags.items()]
        self._client.log_batch(self.run_id, tags=entities)

    def describe(self, markdown: str) -> None:
        """Set the description, replacing an earlier one."""
        self.tag(**{NOTE: markdown})

    def log_datasets(self, inputs: Sequence[DatasetInput]) -> None:
        """Log what the run reads.

        MLflow looks a dataset up before it inserts it, so that two runs that begin with a new one
        at the same time collide; the second attempt finds it.
        """
        try:
            self._client.log_inputs(self.run_id, datasets=[*inputs])
        except MlflowException as error:
            if "constraint" not in str(error).lower():
                raise
            self._client.log_inputs(self.run_id, datasets=[*inputs])

    def log_text(self, text: str, file: str) -> None:
        """Log a text as an artifact."""
        self._client.log_text(self.run_id, text, file)

    def log_json(self, value: object, file: str) -> None:
        """Log a JSON-serialisable value as an artifact."""
        self.log_text(as_json(value), file)

    def log_figure(self, figure: "Figure", file: str) -> None:
        """Log a figure as an image file."""
        with warnings.catch_warnings():
            # Class names may contain characters that the font lacks; it draws boxes for them.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            self._client.log_figure(self.run_id, figure, file)

    def log_table(self, table: "pd.DataFrame", file: str) -> None:
        """Log a table in the JSON format that the MLflow UI displays."""
        self._client.log_table(self.run_id, table, file)

    def log_folder(self, folder: Path, name: str) -> None:
        """Log the files of a folder as the artifact folder `name`; do nothing if it is missing."""
        if folder.is_dir():
            self._client.log_artifacts(self.run_id, str(folder), name)

    def log_model(
        self,
        classifier: "Classifier",
        group_keys: "Mapping[str, np.ndarray]",
        texts: Mapping[str, str],
    ) -> Any:
        """Log a classifier as an MLflow model; return MLflow's `ModelInfo`.

        Args:
            classifier: the classifier.
            group_keys: uint64, the near-duplicate group keys of each side of the split.
            texts: contents of further text files to keep with it, by file name.

        """
        from mlflow.models import Model

        from ecomclf.tracking import mlflow_flavor as flavor

        # `Model.log` would create it in the active experiment instead of the run's.
        logged = self._client.create_logged_model(
            self._client.get_run(self.run_id).info.experiment_id,
            name=CLASSIFIER_FOLDER,
            source_run_id=self.run_id,
        )
        return Model.log(
            artifact_path=None,
            name=CLASSIFIER_FOLDER,
            flavor=flavor,
            run_id=self.run_id,
            model_id=logged.model_id,
            classifier=classifier,
            group_keys=group_keys,
            texts=texts,
        )

    def finish(self, state: State) -> None:
        """End the run in a state."""
        self._client.set_terminated(self.run_id, state)

    @contextlib.contextmanager
    def recorded(
        self,
        *,
        killed_by: tuple[type[BaseException], ...] = (),
        leave_open: Callable[[BaseException], bool] = lambda _: False,
    ) -> Iterator[None]:
        """End the run in the state in which the block ends; exceptions are passed on.

        FINISHED when the block completes; KILLED after an interrupt; FAILED after any other
        exception, with the traceback in the artifact `error.txt`.

        Args:
            killed_by: further exceptions after which the run is KILLED.
            leave_open: whether an exception leaves the run RUNNING, for whoever retries the work to
                end it.

        """
        try:
            yield
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, *killed_by)):
                self.finish("KILLED")
            elif not leave_open(error):
                self.log_text(traceback.format_exc(), "error.txt")
                self.finish("FAILED")
            raise
        self.finish("FINISHED")


@dataclass(frozen=True)
class Tracking:
    """A tracking store, and the experiment for new runs; can be pickled for worker processes.

    Attributes:
        uri: address of the tracking store.
        experiment_id: "" if no run can be started.

    """

    uri: str
    experiment_id: str = ""

    @property
    def _client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri)

    @property
    def artifact_location(self) -> str:
        """Return the address of the experiment's artifacts; a path or `file:` on this machine."""
        return str(self._client.get_experiment(self.experiment_id).artifact_location)

    def start_run(
        self, role: Role, name: str, *, parent: str | None = None, tags: Mapping[str, object]
    ) -> Run:
        """Start a run.

        Under `mlflow run`, MLflow has created a run already; it is used for the one without a
        parent, and gets the name unless the user has given it one.
        """
        every = {ROLE: role, **{key: str(value) for key, value in tags.items()}}
        launched = os.environ.get("MLFLOW_RUN_ID")
        if parent is not None:
            every[PARENT] = parent
        elif launched:
            run = Run(self.uri, launched)
            given = self._client.get_run(launched).info.run_name or ""
            run.tag(**every | ({NAME: name} if _RANDOM_NAME.fullmatch(given) else {}))
            return run
        else:
            every = resolve_tags(every)
        created = self._client.create_run(self.experiment_id, run_name=name, tags=every)
        return Run(self.uri, created.info.run_id)

    def describe_launched(self, name: str, markdown: str) -> None:
        """Name and describe the run that `mlflow run` has created, if there is one."""
        launched = os.environ.get("MLFLOW_RUN_ID")
        if launched:
            Run(self.uri, launched).tag(**{NAME: name, NOTE: markdown})

    def reopen(self, run_id: str) -> Run:
        """Return an existing run, to write to it."""
        return Run(self.uri, run_id)

    def search(self, *roles: Role, study_id: str | None = None) -> Iterator[MlflowRun]:
        """Yield the runs of some roles in all experiments, the newest of each role first."""
        for role in roles:
            yield from self._search(role, study_id)

    def _search(self, role: Role, study_id: str | None) -> Iterator[MlflowRun]:
        conditions = [f"tags.`{ROLE}` = '{role}'"]
        if study_id is not None:
            conditions.append(f"tags.`{STUDY_ID}` = '{study_id}'")
        client = self._client
        experiments = _pages(lambda token: client.search_experiments(page_token=token))
        ids = [experiment.experiment_id for experiment in experiments]
        yield from _pages(
            lambda token: client.search_runs(
                ids,
                " and ".join(conditions),
                ViewType.ACTIVE_ONLY,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        )

    def trial_runs(self, study_id: str) -> dict[int, MlflowRun]:
        """Return the runs of a study's trials by trial number."""
        return {int(run.data.tags[TRIAL]): run for run in self.search("trial", study_id=study_id)}

    def close_sweeps(self, study_id: str) -> None:
        """Mark the runs that a killed sweep left RUNNING as KILLED.

        These are its parent run, baselines and repeats; runs of trials are not changed.
        """
        for run in self.search("sweep", "baseline", "repeat", study_id=study_id):
            if run.info.status == "RUNNING":
                self.reopen(run.info.run_id).finish("KILLED")

    def adopt(self, study_id: str, parent: Run) -> None:
        """Move the runs of a study's unfinished sweeps under a new parent run.

        The earlier parent runs are tagged `continued_by`.
        """
        unfinished = {
            run.info.run_id: run
            for run in self.search("sweep", study_id=study_id)
            if run.info.status != "FINISHED" and run.info.run_id != parent.run_id
        }
        for run_id, run in unfinished.items():
            if CONTINUED_BY not in run.data.tags:
                self.reopen(run_id).tag(**{CONTINUED_BY: parent.run_id})
        for run in self.search("trial", "baseline", "repeat", study_id=study_id):
            if run.data.tags.get(PARENT) in unfinished:
                self.reopen(run.info.run_id).tag(**{PARENT: parent.run_id})

    def download(self, run_id: str, artifact: str, folder: Path) -> Path:
        """Download an artifact into a folder; return its path."""
        return Path(self._client.download_artifacts(run_id, artifact, str(folder)))

    def find_run(self, run_id: str) -> MlflowRun:
        """Return a run.

        Raises:
            RequestError: the store has no such run.

        """
        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise RequestError(
                f"no run {run_id!r} in the MLflow store; MLflow's UI shows the id of each run"
            ) from error

    def artifact_names(self, run_id: str) -> set[str]:
        """Return the paths of a run's artifacts, without those in folders."""
        return {file.path for file in self._client.list_artifacts(run_id)}

    def metric_history(self, run_id: str, metric: str) -> tuple[tuple[int, float], ...]:
        """Return step and value of each time that a metric was logged, by step."""
        history = self._client.get_metric_history(run_id, metric)
        return tuple(sorted((each.step, each.value) for each in history))

    def has_artifact(self, run_id: str, artifact: str) -> bool:
        """Return whether a run has an artifact."""
        return bool(self._client.list_artifacts(run_id, artifact))

    def delete_artifact(self, run_id: str, artifact: str) -> bool:
        """Delete an artifact from its store; return whether it is gone."""
        if not self.has_artifact(run_id, artifact):
            return True
        run = self._client.get_run(run_id)
        repository: Any = get_artifact_repository(run.info.artifact_uri)
        try:
            repository.delete_artifacts(artifact)
        except Exception:
            # Some stores cannot delete, some do not allow it; each raises its own exception.
            return False
        return True


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the results of all pages; `search` takes a page token and returns that page."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def as_json(value: object) -> str:
    """Return a value as JSON, indented unless it is long.

    The confusion matrix of thousands of classes has millions of numbers; one to a line, they would
    take minutes.

    >>> as_json({"rows": 2}).splitlines()
    ['{', '  "rows": 2', '}']
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) > _LONG_JSON else json.dumps(value, ensure_ascii=False, indent=2)
