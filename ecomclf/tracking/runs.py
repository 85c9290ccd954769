"""The one room that writes runs.

Everything goes through `MlflowClient` with explicit run ids: nothing is global, and a worker
process writes its trial's run without knowing of any other.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking.context.registry import resolve_tags
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from ecomclf.errors import JobError, RequestError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from ecomclf.models.classifier import Classifier

# What a run is: the parent of a sweep, one of its trials, baselines or repeats of the winner, a
# training of its own, or a table that compares others.
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
PRUNED = "pruned"

CLASSIFIER_FOLDER = "classifier"

State = Literal["FINISHED", "KILLED", "FAILED"]
Role = Literal["sweep", "trial", "baseline", "repeat", "train", "comparison"]

_BATCH = 100


@dataclass(frozen=True)
class Run:
    """One MLflow run that is being written."""

    uri: str
    run_id: str

    @property
    def _client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters, each once a run."""
        entities = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, len(entities), _BATCH):
            self._client.log_batch(self.run_id, params=entities[start : start + _BATCH])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log figures at one step."""
        now = round(time.time() * 1000)
        entities = [Metric(key, value, now, step) for key, value in metrics.items()]
        self._client.log_batch(self.run_id, metrics=entities)

    def tag(self, **tags: object) -> None:
        """Set tags, all or none."""
        entities = [RunTag(key, str(value)) for key, value in tags.items()]
        self._client.log_batch(self.run_id, tags=entities)

    def log_text(self, text: str, file: str) -> None:
        """Log a text as an artifact."""
        self._client.log_text(self.run_id, text, file)

    def log_json(self, value: object, file: str) -> None:
        """Log plain values as a JSON artifact."""
        self.log_text(json.dumps(value, ensure_ascii=False, indent=2), file)

    def log_figure(self, figure: "Figure", file: str) -> None:
        """Log a picture."""
        with warnings.catch_warnings():
            # The font may lack letters of a class name, and draws boxes for them.
            warnings.filterwarnings("ignore", "Glyph .* missing from")
            self._client.log_figure(self.run_id, figure, file)

    def log_table(self, table: "pd.DataFrame", file: str) -> None:
        """Log a table that the MLflow UI shows as one."""
        self._client.log_table(self.run_id, table, file)

    def log_folder(self, folder: Path, name: str) -> None:
        """Log a folder's files under a name; nothing where there is no folder."""
        if folder.is_dir():
            self._client.log_artifacts(self.run_id, str(folder), name)

    def log_model(
        self,
        classifier: "Classifier",
        group_keys: "Mapping[str, np.ndarray]",
        texts: Mapping[str, str],
    ) -> Any:
        """Log a classifier with this project's flavor; gives MLflow's `ModelInfo`."""
        from mlflow.models import Model

        from ecomclf.tracking import mlflow_flavor as flavor

        # Made here, since `Model.log` would put it in the process's active experiment.
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


@dataclass(frozen=True)
class Tracking:
    """The store and the experiment that new runs go to; picklable, so workers get it as it is.

    Where the experiment is "", no run can be begun.
    """

    uri: str
    experiment_id: str = ""

    @property
    def _client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri)

    def start_run(
        self, role: Role, name: str, *, parent: str | None = None, tags: Mapping[str, object]
    ) -> Run:
        """Begin a run; under `mlflow run` MLflow's own run is taken for one without a parent."""
        every = {ROLE: role, **{key: str(value) for key, value in tags.items()}}
        launched = os.environ.get("MLFLOW_RUN_ID")
        if parent is not None:
            every[PARENT] = parent
        elif launched:
            run = Run(self.uri, launched)
            run.tag(**every)
            return run
        else:
            every = resolve_tags(every)
        created = self._client.create_run(self.experiment_id, run_name=name, tags=every)
        return Run(self.uri, created.info.run_id)

    def reopen(self, run_id: str) -> Run:
        """Give a run that exists, to write to."""
        return Run(self.uri, run_id)

    def search(self, *roles: Role, study_id: str | None = None) -> Iterator[MlflowRun]:
        """Give this project's runs, a role's newest first, whatever experiment they are in."""
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
        """Give the run of each trial of a study."""
        return {int(run.data.tags[TRIAL]): run for run in self.search("trial", study_id=study_id)}

    def close_sweeps(self, study_id: str) -> None:
        """Let what only a parent process runs be KILLED, not RUNNING, once that is gone."""
        for run in self.search("sweep", "baseline", "repeat", study_id=study_id):
            if run.info.status == "RUNNING":
                self.reopen(run.info.run_id).finish("KILLED")

    def adopt(self, study_id: str, parent: Run) -> None:
        """Let a new parent run continue those of a study that did not finish.

        These are tagged with it, and their children move to it.
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
        """Fetch an artifact into a folder; gives its path there."""
        return Path(self._client.download_artifacts(run_id, artifact, str(folder)))

    def has_artifact(self, run_id: str, artifact: str) -> bool:
        """Say whether a run has kept an artifact."""
        return bool(self._client.list_artifacts(run_id, artifact))

    def delete_artifact(self, run_id: str, artifact: str) -> bool:
        """Remove an artifact, wherever it is stored; gives whether there is none any more."""
        if not self.has_artifact(run_id, artifact):
            return True
        run = self._client.get_run(run_id)
        repository: Any = get_artifact_repository(run.info.artifact_uri)
        try:
            repository.delete_artifacts(artifact)
        except Exception:
            # Not every store can, or lets everybody, and each says so in an error of its own.
            return False
        return True


def connect(experiment: str | None = None) -> Tracking:
    """Open the store that MLflow's variables name, or `sqlite:///mlflow.db`.

    Where runs are to be begun, the experiment is that of `MLFLOW_RUN_ID`, else the one that
    MLflow's variables name, else `experiment`, made if need be.

    Raises:
        RequestError: the store cannot be opened or a variable names what is not there.

    """
    uri = mlflow.get_tracking_uri()
    try:
        _make_database(uri)
        client = mlflow.MlflowClient(uri)
        if experiment is None:
            client.search_experiments(max_results=1)
            return Tracking(uri)
        return Tracking(uri, _experiment_id(client, experiment))
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise RequestError(
            f"cannot use the MLflow store {without_password(uri)}: {reason_of(error)}; correct "
            "MLFLOW_TRACKING_URI, or unset it"
        ) from error


def name_outage(error: Exception) -> JobError | None:
    """Say in one line what failed beneath a command: a store, the disk or the network, if any."""
    from optuna.exceptions import StorageInternalError

    if isinstance(error, MlflowException):
        failed = f"the MLflow store {without_password(mlflow.get_tracking_uri())}"
    elif isinstance(error, StorageInternalError):
        failed = "the study's storage"
    elif isinstance(error, OSError):
        failed = "the disk or the network"
    else:
        return None
    return JobError(
        f"{failed} failed: {reason_of(error)}; what was done is kept, mend that and run the same "
        "command again"
    )


def reason_of(error: Exception) -> str:
    """Give what a store's error says, in one line and without a password."""
    return _masked(" ".join(str(error).split())[:300])


def _masked(text: str) -> str:
    return re.sub(r"/[^/\s]*:[^/\s]*@", "/***@", text)


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Give all that a search finds, which takes the token of a page."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def without_password(address: str) -> str:
    """Give a store's address as it may be shown."""
    try:
        return make_url(address).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return _masked(address)


def _make_database(uri: str) -> None:
    """Let a new SQLite store appear with all its tables, or not at all.

    MLflow makes them one migration after the other, and cannot go on after one that was killed.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists() or not path.parent.is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        mlflow.MlflowClient(f"sqlite:///{made}").search_experiments()
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            shutil.copy(made, part)
            # Another process may have been faster; its store may hold runs by now.
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink(missing_ok=True)


def _experiment_id(client: mlflow.MlflowClient, name: str) -> str:
    launched = os.environ.get("MLFLOW_RUN_ID")
    if launched:
        return str(client.get_run(launched).info.experiment_id)
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        return str(client.get_experiment(chosen).experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or name
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage != "active":
        raise RequestError(
            f"the experiment {name!r} is deleted; restore it with `mlflow experiments restore "
            f"--experiment-id {found.experiment_id}`, or choose another tracking.experiment"
        )
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            # Another command may have been faster.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
