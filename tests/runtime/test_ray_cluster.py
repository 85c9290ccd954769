import socket
from pathlib import Path

import pytest

from ecomclf.errors import RequestError
from ecomclf.runtime import ray_cluster
from ecomclf.runtime.ray_cluster import connected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://127.0.0.1:10001", "is one of Ray Client, which carries no messages"),
        ("somewhere", "the address of a Ray cluster is HOST:PORT but got 'somewhere'"),
        ("127.0.0.1:no", "the address of a Ray cluster is HOST:PORT but got '127.0.0.1:no'"),
    ],
)
def test_an_address_that_is_none_is_refused(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is given, or comes from Ray's variable."""
    with pytest.raises(RequestError, match=message), connected(address):
        pass
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(RequestError, match=message), connected():
        pass


def test_a_cluster_that_does_not_answer_is_named() -> None:
    """At once, with the remedy: Ray itself would try for minutes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        message = rf"no Ray cluster answers at {address} \(Connection refused\); start one there"
        with pytest.raises(RequestError, match=message), connected(address):
            pass


def test_a_cluster_that_was_killed_here_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address is left in Ray's folder; a new one is started instead, and ends afterwards."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        left = f"127.0.0.1:{free.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(left)
        assert ray_cluster._cluster_here() == "local"
        free.listen()
        assert ray_cluster._cluster_here() == left
    (tmp_path / "ray" / "ray_current_cluster").unlink()
    assert ray_cluster._cluster_here() == "local"
