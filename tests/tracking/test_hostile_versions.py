"""Versions that somebody has tampered with: loading them runs no code from them."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from ecomclf import api
from ecomclf.errors import RequestError

EVIL = 'from pathlib import Path\nPath("been-here").touch()\n'


@pytest.fixture
def artifact(shop: Any, workplace: Path) -> Path:
    """The folder of version 1 of `shop`, with a module in it that leaves a trace."""
    version = mlflow.MlflowClient().get_model_version("shop", "1")
    folder = Path(mlflow.artifacts.download_artifacts(version.source).removeprefix("file://"))
    (place,) = Path("mlruns").rglob("MLmodel")
    assert place.read_bytes() == (folder / "MLmodel").read_bytes()
    (place.parent / "code").mkdir(exist_ok=True)
    (place.parent / "code" / "evil.py").write_text(EVIL)
    return place.parent.absolute()


def test_code_that_the_model_file_names_is_not_run(artifact: Path) -> None:
    """`mlflow.pyfunc` imports the loader module that it names; our commands read no such thing."""
    about = yaml.safe_load((artifact / "MLmodel").read_text())
    about["flavors"]["python_function"] |= {"loader_module": "evil", "code": "code"}
    (artifact / "MLmodel").write_text(yaml.safe_dump(about))
    assert len(api.load("models:/shop/1").predict(["phone"])) == 1
    assert next(iter(api.predict([["phone"]], model="shop")))
    assert "evil" not in sys.modules
    assert not Path("been-here").exists()


def test_code_that_the_network_names_is_not_run(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the network can also change its checksum beside it."""
    monkeypatch.syspath_prepend(artifact / "code")
    (network,) = artifact.rglob("*.keras")
    with zipfile.ZipFile(network) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][-1] |= {"module": "evil", "class_name": "Evil"}
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(network, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    for about in artifact.rglob("*.json"):
        found = json.loads(about.read_text())
        if isinstance(found, dict) and "model_sha256" in found:
            found["model_sha256"] = hashlib.sha256(network.read_bytes()).hexdigest()
            about.write_text(json.dumps(found))
    with pytest.raises(RequestError, match="'Evil' of the module 'evil', which could run code"):
        api.load("models:/shop/1")
    assert "evil" not in sys.modules
    assert not Path("been-here").exists()


@pytest.mark.parametrize(
    "source",
    [
        "models:/../shop/1",
        "models:/a b/1",
        "runs:/../../etc/passwd",
        "runs:/0123456789abcdef0123456789abcdef/../../../etc",
    ],
)
def test_a_name_is_no_way_to_other_files(store: Path, source: str) -> None:
    """What is no name of a model or of a run's artifact is refused in one line."""
    with pytest.raises(RequestError):
        api.load(source)
