import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from ecomclf.errors import RequestError
from ecomclf.models.keras_file import load_keras

EVIL = 'from pathlib import Path\nPath("been-here").touch()\nclass Evil:\n    pass\n'


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that leaves a trace when it is imported."""
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, layer: dict[str, Any]) -> None:
    """Write a file of one input and one layer, as Keras writes it."""
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, name="last")])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][-1] = layer
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "evil", "class_name": "Evil", "config": {}, "registered_name": "Evil"},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "evil"}},
        {"module": "builtins", "class_name": "function", "config": "exec"},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "file:///x"}},
        {
            "module": "keras.layers",
            "class_name": "Dense",
            "config": {
                "units": 1,
                "activation": {"class_name": "__lambda__", "config": {"value": "eA=="}},
            },
        },
    ],
    ids=lambda layer: layer["class_name"],
)
def test_a_file_that_names_code_is_refused(evil: Path, layer: dict[str, Any]) -> None:
    """And nothing that it names is imported."""
    write(evil / "model.keras", layer)
    with pytest.raises(RequestError, match="which could run code; load models that"):
        load_keras(evil / "model.keras")
    assert "evil" not in sys.modules
    assert not (evil / "been-here").exists()


def test_a_file_of_keras_layers_is_read(tmp_path: Path) -> None:
    """The same file with the layer that Keras wrote."""
    dense = keras.layers.Dense(1, name="last")
    write(tmp_path / "model.keras", keras.saving.serialize_keras_object(dense))
    assert load_keras(tmp_path / "model.keras").get_layer("last").units == 1


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    """No zip file; none with a description; one whose layers do not fit together."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"PK no")
    with pytest.raises(RequestError, match=r"model\.keras is not a whole \.keras file"):
        load_keras(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "")
    with pytest.raises(RequestError, match=r"model\.keras is not a whole \.keras file"):
        load_keras(path)
    write(path, {"module": "keras.layers", "class_name": "Dense", "config": {"no": 1}})
    with pytest.raises(RequestError, match=r"Keras cannot read .*model\.keras"):
        load_keras(path)


def test_a_file_that_unpacks_to_no_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything of it is unpacked."""
    write(tmp_path / "m.keras", keras.saving.serialize_keras_object(keras.layers.Dense(1)))
    monkeypatch.setattr("ecomclf.models.keras_file._LARGEST", 1_000)
    with pytest.raises(RequestError, match=r"it would have [\d,]+ bytes unpacked"):
        load_keras(tmp_path / "m.keras")
