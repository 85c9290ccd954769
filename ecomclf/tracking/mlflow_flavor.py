"""A `Classifier` as an MLflow model: keras flavor, and a pyfunc that takes strings.

`mlflow.keras.save_model` writes the model of cleaned texts, which `mlflow.keras.load_model` reads
without this package. Beside it lie the classifier's description and a copy of this package, from
which the pyfunc is loaded wherever the package is not installed. `Model.log(flavor=…)` takes this
module for its `save_model`, and MLflow finds `_load_pyfunc` in it by name.
"""

import importlib.metadata
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from ecomclf.models.classifier import Classifier

_PACKAGE = Path(__file__).parents[1]
# What the copied code imports; pinned to what the model was made with.
_REQUIREMENTS = ("mlflow", "tensorflow", "keras", "pandas", "numpy", "scikit-learn", "nltk")
GROUP_KEYS_FILE = "group_keys.npz"
_DATA = "data"
_CODE = "code"


def save_model(
    classifier: Classifier,
    path: str,
    mlflow_model: Model,
    group_keys: Mapping[str, Any],
    texts: Mapping[str, str],
    **_: Any,
) -> None:
    """Write a classifier as an MLflow model; called by `Model.log`.

    Args:
        classifier: what to write.
        path: folder to make.
        mlflow_model: MLflow's description of it, completed here.
        group_keys: arrays of uint64, a side of the split each: which texts it was made with.
        texts: contents of further files by their names, kept beside the model.

    """
    requirements = [f"{name}=={importlib.metadata.version(name)}" for name in _REQUIREMENTS]
    # MLflow warns of the missing signature, which it would refuse for strings; it is set below.
    logging.getLogger("mlflow.keras.save").setLevel(logging.ERROR)
    mlflow.keras.save_model(
        classifier.string_model(),
        path,
        mlflow_model=mlflow_model,
        pip_requirements=requirements,
    )
    folder = Path(path)
    classifier.save_about(folder / _DATA)
    for name, text in texts.items():
        (folder / _DATA / name).write_text(text, encoding="utf-8")
    np.savez_compressed(folder / _DATA / GROUP_KEYS_FILE, **group_keys)
    shutil.copytree(
        _PACKAGE, folder / _CODE / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    mlflow_model.flavors["python_function"] |= {
        "loader_module": __name__,
        "data": _DATA,
        "code": _CODE,
    }
    mlflow_model.signature = _signature(classifier)
    mlflow_model.save(str(folder / MLMODEL_FILE_NAME))


def _signature(classifier: Classifier) -> ModelSignature:
    """Describe the answers.

    The inputs are left open and checked in `predict`: with a schema for a column `text`, MLflow
    refuses a list of strings before the model sees it.
    """
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "label"),
        ColSpec(DataType.float, "confidence"),
        ColSpec(DataType.boolean, "needs_review"),
        *(ColSpec(DataType.float, f"probability.{name}") for name in classifier.classes),
    ]
    return ModelSignature(outputs=Schema(columns))


def _load_pyfunc(path: str) -> "_TextModel":
    return _TextModel(Classifier.load(Path(path)))


class _TextModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Classify the column `text`, or strings; rows keep their number, order and index."""
        texts = _texts(data)
        probabilities = self._classifier.predict_proba(
            ["" if pd.isna(text) else str(text) for text in texts]
        )
        classes = self._classifier.classes
        confidence = probabilities.max(axis=1)
        columns: dict[str, Any] = {
            "label": np.array(classes, dtype=object)[probabilities.argmax(axis=1)],
            "confidence": confidence,
            "needs_review": confidence < self._classifier.threshold,
        }
        columns |= {f"probability.{name}": probabilities[:, at] for at, name in enumerate(classes)}
        return pd.DataFrame(columns, index=texts.index)


def _texts(data: Any) -> "pd.Series[Any]":
    """Find the texts in what a caller or MLflow's server may pass.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE, which the server answers with 400.

    """
    asked = "the input must be strings or a table with a column 'text'"
    is_table = isinstance(data, dict | pd.DataFrame)
    given: Any = [data] if isinstance(data, str) else data
    try:
        given = pd.DataFrame(given) if is_table else pd.Series(given, dtype=object)
    except ValueError as error:
        raise MlflowException.invalid_parameter_value(f"{asked}: {error}") from error
    if is_table:
        names = list(given.columns)
        if names.count("text") != 1:
            problem = "no" if "text" not in names else "more than one"
            found = ", ".join(map(repr, names)) or "none"
            raise MlflowException.invalid_parameter_value(
                f"the input has {problem} column 'text'; it has {found}"
            )
    texts: pd.Series[Any] = given["text"] if is_table else given
    for text in texts:
        # A column may hold numbers among its texts, as pandas reads them from a file.
        if not (
            pd.api.types.is_scalar(text) and (is_table or isinstance(text, str) or pd.isna(text))
        ):
            raise MlflowException.invalid_parameter_value(f"{asked} but holds {text!r}")
    return texts
