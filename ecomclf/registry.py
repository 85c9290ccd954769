"""Versions of the registered model."""

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from ecomclf.tracking import STUDY, TRIAL, Run


def find_version(uri: str, name: str, *, study: str, trial: int) -> ModelVersion | None:
    """Give the version that was registered for a trial of a study, if any."""
    client = mlflow.MlflowClient(uri)
    wanted = {STUDY: study, TRIAL: str(trial)}
    for version in client.search_model_versions(f"name = '{name}'"):
        if wanted.items() <= version.tags.items():
            return version
    return None


def register(run: Run, model_info: ModelInfo, name: str, *, study: str, trial: int) -> ModelVersion:
    """Make a logged model a new version, tagged at once with the trial it comes from."""
    client = mlflow.MlflowClient(run.uri)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        name,
        source=model_info.model_uri,
        run_id=run.run_id,
        tags={STUDY: study, TRIAL: str(trial)},
        model_id=model_info.model_id,
    )
