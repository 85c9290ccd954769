import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomclf.config.loading import Config
from ecomclf.config.schema import SweepConfig
from ecomclf.errors import RequestError
from ecomclf.runtime.ray_cluster import Node, RayCluster
from ecomclf.search import engine
from ecomclf.text.encoded_texts import portable_texts
from tests.text.test_encoded_texts import SPLIT

DATABASE = "postgresql+psycopg://me:secret@10.0.0.1/studies"
SERVER = "http://10.0.0.1:5000"


def cluster(*addresses: str, cpus: float = 2, gpus: float = 0) -> RayCluster:
    """Return a cluster of a node at each address."""
    return RayCluster(tuple(Node(address, cpus, gpus) for address in addresses))


@pytest.mark.parametrize(
    ("addresses", "storage", "tracking"),
    [
        # On one node, files do.
        (["10.0.0.1"], None, "sqlite:///mlflow.db"),
        (["10.0.0.1", "10.0.0.2"], DATABASE, SERVER),
        (["10.0.0.1", "10.0.0.2"], DATABASE, "https://someone:secret@tracking.example"),
        # Several nodes on one machine reach what is on it.
        (["10.0.0.1"] * 2, DATABASE.replace("10.0.0.1", "localhost"), "http://127.0.0.1:5000"),
        (["10.0.0.1"] * 2, "postgresql+psycopg://postgres:@/x?host=/tmp/here", SERVER),
    ],
)
def test_what_all_nodes_reach_passes(
    addresses: list[str], storage: str | None, tracking: str
) -> None:
    """Where there is one node, that is everything."""
    engine._require_reachable(cluster(*addresses), storage, tracking)


@pytest.mark.parametrize(
    ("addresses", "storage", "tracking", "message"),
    [
        (["a", "b"], None, SERVER, "2 nodes, and the study is in a file below mlruns/, which"),
        (["a", "a"], "sqlite:///x.db", SERVER, r"the study is in sqlite:///x\.db, which they do"),
        (["a", "b"], "mysql://me:secret@h/x", SERVER, r"the study is in mysql://me:\*\*\*@h/x"),
        (["a", "b"], DATABASE, "sqlite:///mlflow.db", r"the MLflow runs are in sqlite:///mlflow\."),
        (["a", "b"], DATABASE, "/srv/mlruns", "start `mlflow server` where all can reach it"),
        (["a", "b"], DATABASE, "http://127.0.0.1:5000", "an address of this machine only"),
        (["a", "b"], "postgresql+psycopg://me@localhost/x", SERVER, "--storage is postgresql"),
        (["a", "b"], "postgresql+psycopg://me@/x?host=/tmp/here", SERVER, "--storage is postgres"),
    ],
)
def test_what_other_nodes_cannot_reach_is_refused(
    addresses: list[str], storage: str | None, tracking: str, message: str
) -> None:
    """With the remedy, and without the password."""
    with pytest.raises(RequestError, match=message) as caught:
        engine._require_reachable(cluster(*addresses), storage, tracking)
    assert "secret" not in str(caught.value)


def test_a_node_must_have_room_for_a_worker() -> None:
    """What a worker needs is on one node, not spread over several."""
    assert engine._room(cluster("a", "b", cpus=5, gpus=1), 2, 0.0) == 4
    assert engine._room(cluster("a", "b", cpus=5, gpus=1), 2, 0.5) == 4
    assert engine._room(cluster("a", "b", cpus=5, gpus=1), 1, 1.0) == 2
    message = r"needs sweep\.cpus: 8 and sweep\.gpus: 0, which no node .* \(5 CPUs and 0 GPUs, 5 C"
    with pytest.raises(RequestError, match=message):
        engine._room(cluster("a", "b", cpus=5), 8, 0.0)


class Pool:
    """Notes with what a pool of processes was made."""

    made: dict[str, Any]

    def __init__(self, warm_up: Any, **options: Any) -> None:
        Pool.made = {**options, "threads": warm_up.args[1]}
        self.count = options["count"]

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("config", "workers", "trials", "count", "threads"),
    [
        ({}, None, 9, 8, 1),
        ({}, None, 2, 2, 4),
        ({"workers": 3}, None, 9, 3, 2),
        ({"workers": 3}, 16, 20, 16, 1),
        ({"cpus": 4}, None, 9, 2, 4),
        ({"cpus": 12}, None, 9, 1, 12),
    ],
)
def test_the_cores_of_this_machine_are_shared(
    config: dict[str, int],
    workers: int | None,
    trials: int,
    count: int,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight cores: as many workers as fit, but not more than trials; the rest are threads."""
    monkeypatch.setattr(engine, "count_cores", lambda: 8)
    monkeypatch.setattr(engine, "LocalWorkers", Pool)
    asked = SweepConfig.model_validate(config)
    with engine.open_workers(asked, trials=trials, workers=workers, backend="tensorflow"):
        assert (Pool.made["count"], Pool.made["threads"]) == (count, threads)


def test_portable_texts_need_no_disk_elsewhere(workplace: Path) -> None:
    """Pickled here and read in an empty folder, they give the same ids and vectors."""
    space = {"model.embedding_dim": {"type": "choice", "values": [4, 8]}}
    config = Config.model_validate({"name": "c", "sweep": {"space": space}})
    ((key, texts),) = portable_texts(SPLIT, config).items()
    assert key == config.text.model_dump_json()
    sent = pickle.loads(pickle.dumps(texts))
    expected, _ = texts.initial_embeddings(config.with_values({"model.embedding_dim": 8}).model)
    shutil.rmtree("data")
    found, _ = sent.initial_embeddings(config.with_values({"model.embedding_dim": 8}).model)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(sent.train.values, texts.train.values)
    assert sent.cleaner("RED  Hat!") == texts.cleaner("RED  Hat!")
    assert not Path("data").exists()
    searched = {"text.max_length": {"type": "choice", "values": [5, 9]}}
    assert not portable_texts(
        SPLIT, Config.model_validate({"name": "c", "sweep": {"space": searched}})
    )
