"""Connect to a Ray cluster, and see what is in it."""

import contextlib
import importlib.util
import math
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecomclf.errors import RequestError
from ecomclf.runtime.tensorflow_setup import count_cores

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds to wait for an answer of the head node.
_PATIENCE = 5.0


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: its address, and what Ray may use of it."""

    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class RayCluster:
    """The nodes of a cluster when this process connected to it.

    Example:
        >>> nodes = (Node("10.0.0.1", cpus=4, gpus=0), Node("10.0.0.2", cpus=7, gpus=1))
        >>> RayCluster(nodes).room_for(cpus=2, gpus=0)
        5
        >>> RayCluster(nodes).room_for(cpus=1, gpus=0.2)
        5

    """

    nodes: tuple[Node, ...]

    @property
    def addresses(self) -> set[str]:
        """Return the addresses of the nodes; several nodes may be on one machine."""
        return {node.address for node in self.nodes}

    def room_for(self, *, cpus: float, gpus: float) -> int:
        """Return how many workers with these resources fit on the nodes."""
        fits = (min(_times(node.cpus, cpus), _times(node.gpus, gpus)) for node in self.nodes)
        return int(sum(fits))


def _times(whole: float, part: float) -> float:
    """Return how many times a part fits; 0.1 fits ten times into 1, whatever floats say."""
    return math.floor(whole / part + 1e-9) if part else math.inf


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[RayCluster]:
    """Connect to a cluster while the block runs.

    If this process is connected already, that connection is used and stays.

    Args:
        address: of the cluster's head node, such as `10.0.0.1:6379`. By default it is the one of
            the variable `RAY_ADDRESS`, else that of the cluster on this machine. Without one, or
            with `local`, a cluster of this machine's cores is started, which ends with the block.

    Raises:
        RequestError: Ray is not installed, or there is no such cluster.

    """
    if importlib.util.find_spec("ray") is None:
        raise RequestError(
            "the engine ray needs the package ray, which is not installed; install 'ecomclf[ray]', "
            "or use the engine local"
        )
    import ray

    if ray.is_initialized():
        yield _look()
        return
    wanted = address or os.environ.get("RAY_ADDRESS") or _cluster_here()
    _require_answer(wanted)
    try:
        with _signal_handlers_kept():
            _connect(wanted)
        yield _look()
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Put the signal handlers back that the block replaces; Ray installs one of its own.

    Only the main thread can set handlers, so in others there is nothing to do.
    """
    handlers = {each: signal.getsignal(each) for each in _SIGNALS}
    yield
    if threading.current_thread() is threading.main_thread():
        for each, handler in handlers.items():
            signal.signal(each, handler)


def _look() -> RayCluster:
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return RayCluster(
        tuple(
            Node(
                node["NodeManagerAddress"],
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
            )
            for node in alive
        )
    )


def _connect(address: str) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address != "local":
        ray.init(address=address, **quiet)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", num_cpus=count_cores(), include_dashboard=False, **quiet)


def _cluster_here() -> str:
    """Return the address of the cluster that `ray start` has started here, or `local`.

    Ray itself would find it with `auto`, and try for minutes to reach one that was killed.
    """
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    try:
        address = (Path(folder) / "ray" / "ray_current_cluster").read_text().strip()
        _require_answer(address)
    except (OSError, RequestError):
        return "local"
    return address


def _require_answer(address: str) -> None:
    """Check that something listens at an address; Ray itself tries for minutes.

    Raises:
        RequestError: nothing does, or the address is one of Ray Client.

    """
    if address == "local":
        return
    if address.startswith("ray://"):
        raise RequestError(
            f"the address {address!r} is one of Ray Client, which carries no messages of running "
            "trials; run this command on a node of the cluster, or with `ray job submit`"
        )
    host, _, port = address.rpartition(":")
    remedy = "start one there with `ray start --head`, correct the address, or leave it out"
    if not host or not port.isdecimal():
        raise RequestError(
            f"the address of a Ray cluster is HOST:PORT but got {address!r}; correct it, or leave "
            "it out"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise RequestError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); {remedy}"
        ) from error
