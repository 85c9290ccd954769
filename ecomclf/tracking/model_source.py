"""Find a registered version, or a run's classifier, by the name that a user gives."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.errors import RequestError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from ecomclf.models.classifier import Classifier
    from ecomclf.tracking.registry import Registry


def parse_source(source: str, model: str) -> tuple[str, str | None, str | None]:
    """Return the model's name, and the stage or the version, that a source names."""
    if source.startswith("models:/"):
        rest = source.removeprefix("models:/")
        at = max(rest.find("/"), rest.find("@"))
        if at < 1 or at == len(rest) - 1:
            raise RequestError(
                "a model address must be models:/NAME/STAGE, models:/NAME/VERSION or "
                f"models:/NAME@ALIAS but got {source!r}"
            )
        model, source = rest[:at], rest[at:].lstrip("/")
    if source.isdecimal():
        return model, None, source
    if "/" in source or os.sep in source:
        raise RequestError(f"no folder at {source}; name one that `ecomclf export` wrote")
    return model, source.removeprefix("@"), None


def load_from_run(source: str) -> "Classifier":
    """Load the classifier of a run, such as `runs:/RUN_ID/classifier`.

    Raises:
        RequestError: there is none, or it cannot be read.

    """
    import tempfile

    from mlflow.exceptions import MlflowException

    from ecomclf.runtime.tensorflow_setup import start_tensorflow
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.runs import CLASSIFIER_FOLDER

    run_id, _, artifact = source.removeprefix("runs:/").partition("/")
    tracking = connect()
    start_tensorflow()
    from ecomclf.models.classifier import Classifier

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = tracking.download(run_id, artifact or CLASSIFIER_FOLDER, Path(folder))
        except (MlflowException, OSError) as error:
            raise RequestError(
                f"no classifier at {source!r}: {' '.join(str(error).split())}; models of trials "
                "other than the best are deleted at the end of a sweep"
            ) from error
        return Classifier.load(path)


def find_version(
    model: str, stage: str | None = None, version: str | None = None
) -> "tuple[Registry, ModelVersion]":
    """Return a version of a registered model, and the registry that holds it.

    Without stage and version it is Production's, else Staging's; stderr says which.
    """
    if stage and version:
        raise RequestError(f"name a stage or a version, not both: {stage!r} and {version!r}")
    registry = open_registry(model)
    found = registry.resolve(stage=stage or None, version=version or None)
    if not stage and not version:
        held = {number: name for name, number in registry.holders().items()}
        stage = held.get(str(found.version), found.current_stage)
        print(f"{model} version {found.version}, {stage}", file=sys.stderr)
    return registry, found


def open_registry(model: str) -> "Registry":
    """Return the versions of a registered model in the store that MLflow's variables name."""
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.registry import Registry

    quiet_mlflow()
    return Registry(connect().uri, model)
