"""Save a `Classifier` as an MLflow model: keras flavor, and a pyfunc that takes raw texts.

The keras flavor is the network for cleaned texts; `mlflow.keras.load_model` reads it without this
package. The artifact also contains the rest of the classifier and a copy of this package, so that
the pyfunc can be loaded where the package is not installed. `Model.log(flavor=…)` calls this
module's `save_model`; MLflow finds `_load_pyfunc` by its name.
"""

import importlib.metadata
import json
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

from ecomclf.data.class_names import list_names
from ecomclf.errors import RequestError
from ecomclf.models.classifier import PROBABILITY, Classifier
from ecomclf.tracking.version_files import SAMPLES_FILE

_PACKAGE = Path(__file__).parents[1]
# What the copied code imports; each is pinned to the installed version.
_REQUIREMENTS = ("mlflow", "tensorflow", "keras", "pandas", "numpy", "scikit-learn", "nltk")
GROUP_KEYS_FILE = "group_keys.npz"
_DATA = "data"
_CODE = "code"
_EXAMPLES = 2


def save_model(
    classifier: Classifier,
    path: str,
    mlflow_model: Model,
    group_keys: Mapping[str, Any],
    texts: Mapping[str, str],
    **_: Any,
) -> None:
    """Save a classifier as an MLflow model; called by `Model.log`.

    Args:
        classifier: the classifier.
        path: folder to create.
        mlflow_model: MLflow's description of the model; flavors and signature are set here.
        group_keys: uint64, the near-duplicate group keys of each side of the split, by its name.
        texts: contents of further text files to keep with it, by file name.

    """
    requirements = [f"{name}=={importlib.metadata.version(name)}" for name in _REQUIREMENTS]
    # MLflow warns of a missing signature, but rejects one for strings; it is set below.
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
    _save_example(mlflow_model, folder, texts)
    mlflow_model.save(str(folder / MLMODEL_FILE_NAME))


def _save_example(model: Model, folder: Path, texts: Mapping[str, str]) -> None:
    """Save an input that the model takes, which MLflow's UI and `load_input_example` show.

    MLflow's own `input_example` would pass it to `mlflow.keras`, which rejects strings.
    """
    samples = json.loads(texts.get(SAMPLES_FILE, "[]"))[:_EXAMPLES] or ["steel mug, 300 ml"]
    table = {"columns": ["text"], "data": [[text] for text in samples]}
    name, served = "input_example.json", "serving_input_example.json"
    (folder / name).write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    request = json.dumps({"dataframe_split": table}, ensure_ascii=False)
    (folder / served).write_text(request, encoding="utf-8")
    model.saved_input_example_info = {
        "artifact_path": name,
        "serving_input_path": served,
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _signature(classifier: Classifier) -> ModelSignature:
    """Return the schema of the predictions.

    There is none for the inputs, which `predict` checks: with a schema for a column `text`, MLflow
    rejects a list of strings before it calls the model.
    """
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "label"),
        ColSpec(DataType.float, "confidence"),
        ColSpec(DataType.boolean, "needs_review"),
        *(ColSpec(DataType.float, f"{PROBABILITY}{name}") for name in classifier.classes_),
    ]
    return ModelSignature(outputs=Schema(columns))


def _load_pyfunc(path: str) -> "_TextModel":
    return _TextModel(Classifier.load(Path(path)))


class _TextModel:
    """The object that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Predict the classes of strings, or of the column `text` of a table.

        Returns:
            A row per text, in the order and with the index of the input: `label`, `confidence`,
            `needs_review`, `probability.<class>`.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE, which MLflow's server answers with 400.

        """
        try:
            return self._classifier.predict(_texts(data), with_probabilities=True)
        except RequestError as error:
            raise MlflowException.invalid_parameter_value(
                f"the input must be strings or a table with a column 'text': {error}"
            ) from error


def _texts(data: Any) -> Any:
    """Return the texts of an input as a caller or MLflow's server passes it."""
    if not isinstance(data, dict | pd.DataFrame):
        # MLflow's server passes the JSON value of "inputs" as an array; a string has no axes.
        return data.item() if isinstance(data, np.ndarray) and data.ndim == 0 else data
    names = list(data)
    if names.count("text") != 1:
        problem = "no" if "text" not in names else "more than one"
        found = list_names(map(repr, names)) or "none"
        raise RequestError(f"there is {problem} column 'text' among its columns {found}")
    texts = data["text"]
    if isinstance(texts, str):
        raise RequestError(f"the column 'text' must be a list of strings but is {texts!r}")
    if isinstance(data, pd.DataFrame):
        # pandas may have read some texts of a column as numbers.
        return texts.map(lambda text: str(text) if _is_number(text) else text)
    return texts


def _is_number(value: Any) -> bool:
    """Return whether a value is a number other than NaN, which is a missing text."""
    return isinstance(value, int | float | np.number) and value == value
