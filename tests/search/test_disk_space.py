import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from ecomclf.config.loading import Config, load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import Split, split_dataset
from ecomclf.errors import RequestError
from ecomclf.search.disk_space import require_space

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def config(tiny: Path) -> Config:
    """The tiny config, in a folder of its own."""
    return load_config(tiny)


@pytest.fixture
def split(config: Config) -> Split:
    """Its rows."""
    return split_dataset(load(config.data)[0], config.data)


def test_too_little_space_is_a_wrong_request(
    config: Config, split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message has both figures; where the folder does not exist yet, its parent counts."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 6_000_000))
    for place in (str(tmp_path), f"file://{tmp_path}/a%20b", f"{tmp_path}/mlruns/1"):
        with pytest.raises(RequestError, match=r"has 6 MB free, and 3 trials need at least 2\d MB"):
            require_space(config, split, place, 3)
    # A thousand trials need more than what the sweep itself does.
    with pytest.raises(RequestError, match=r"1000 trials need at least (\d{3}) MB"):
        require_space(config, split, str(tmp_path), 1000)


def test_what_is_not_known_passes(
    config: Config, split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server's disk is not this machine's; without missing trials nothing is needed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 0))
    for place in ("mlflow-artifacts:/1", "s3://bucket/1", "file://elsewhere/1"):
        require_space(config, split, place, 3)
    require_space(config, split, str(tmp_path), 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 10**9))
    require_space(config, split, str(tmp_path), 3)
