"""Read a `.keras` file that somebody else may have written: nothing in it is run."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from ecomclf.errors import RequestError

# Keras imports the module that the file names for each of its parts. In these, a part is built from
# numbers and names only.
_MODULES = ("keras", "keras.initializers", "keras.layers", "keras.models")
_PACKAGES = ("keras.src.layers.", "keras.src.models.", "keras.src.ops.")
# Except for layers that are made of code in the file, or beside it.
_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
# Values that Keras marks with a class of no module, such as a slice. `__lambda__` would be code.
_VALUES = ("__keras_tensor__", "__slice__", "__tuple__", "__ellipsis__", "__numpy__", "__tensor__")
# A file of so many bytes unpacked is none that this package has written.
_LARGEST = 8 * 2**30


def load_keras(path: Path) -> Any:
    """Return the model of a `.keras` file that consists of Keras' own layers.

    Raises:
        RequestError: it has a layer of another module, or one that runs code from the file, or
            cannot be read.

    """
    try:
        config = _read_config(path)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise RequestError(f"{path} is not a whole .keras file: {error}; fetch it again") from error
    for part in _parts(config):
        module, name = part.get("module"), part["class_name"]
        if not _is_harmless(module, name):
            raise RequestError(
                f"{path} has a part {name!r} of the module {module!r}, which could run code; load "
                "models that `ecomclf` has registered"
            )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types for a file that does not fit its own layers.
        reason = " ".join(str(error).split())[:200]
        raise RequestError(f"Keras cannot read {path}: {reason}; register it anew") from error


def _read_config(path: Path) -> Any:
    """Return a file's description of its layers; the weights are not read."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > _LARGEST:
            raise ValueError(f"it would have {size:,} bytes unpacked")
        return json.loads(archive.read("config.json"))


def _is_harmless(module: Any, name: Any) -> bool:
    if module is None:
        return name in _VALUES
    known = module in _MODULES or str(module).startswith(_PACKAGES)
    return known and name not in _CODE


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a description that names a class, however deep."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if "class_name" in each:
                yield each
            left += each.values()
        elif isinstance(each, list):
            left += each
