"""Where the trials of a sweep run: in processes on this machine, or on a Ray cluster."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ecomclf.config.schema import SweepConfig
from ecomclf.errors import RequestError
from ecomclf.runtime.ray_cluster import RayCluster, connected
from ecomclf.runtime.tensorflow_setup import count_cores, warm_up, worker_environment
from ecomclf.search.process_pool import LocalWorkers

if TYPE_CHECKING:
    from ecomclf.search.scheduler import Workers
    from ecomclf.search.worker import TrialTask, WorkerContext

# Imported by each worker before its first trial.
_WORKER_MODULES = ("ecomclf.search.training_run", "ecomclf.search.worker")
# Addresses that mean another machine wherever they are used.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@contextlib.contextmanager
def open_workers(
    config: SweepConfig,
    *,
    trials: int,
    workers: int | None,
    backend: str,
    address: str | None = None,
    storage: str | None = None,
) -> "Iterator[Workers]":
    """Start the workers of a sweep; leaving the block ends them.

    Args:
        config: engine, number of workers, and the resources of each.
        trials: number of trials; more workers than that are not started.
        workers: number of workers, instead of the config's.
        backend: Keras' backend for training.
        address: address of the Ray cluster; see `connected`.
        storage: address of the study's database.

    Raises:
        RequestError: there is no such cluster, it has no room for a worker, or other machines could
            not reach the study or the runs.

    """
    wanted = workers or config.workers
    if config.engine == "local":
        cores = count_cores()
        count = min(wanted or max(1, cores // (config.cpus or 1)), trials)
        threads = config.cpus or max(1, cores // count)
        local: LocalWorkers[WorkerContext, TrialTask] = LocalWorkers(
            functools.partial(warm_up, backend, threads, _WORKER_MODULES),
            count=count,
            tasks_per_worker=config.trials_per_worker,
            environment=worker_environment(),
        )
        with local:
            yield local
        return
    with connected(address) as cluster:
        import mlflow

        _require_reachable(cluster, storage, mlflow.get_tracking_uri())
        cpus = config.cpus or 1
        from ecomclf.search.ray_pool import RayWorkers

        remote: RayWorkers[WorkerContext, TrialTask] = RayWorkers(
            functools.partial(warm_up, backend, cpus, _WORKER_MODULES),
            count=min(wanted or _room(cluster, cpus, config.gpus), trials),
            tasks_per_worker=config.trials_per_worker,
            cpus=cpus,
            gpus=config.gpus,
            folder=Path.cwd() if len(cluster.nodes) == 1 else None,
            environment=worker_environment(),
            variables={key: text for key, text in os.environ.items() if key.startswith("MLFLOW_")},
        )
        with remote:
            yield remote


def _room(cluster: RayCluster, cpus: int, gpus: float) -> int:
    """Return how many workers the cluster has room for; an error if it has none."""
    room = cluster.room_for(cpus=cpus, gpus=gpus)
    if not room:
        nodes = ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in cluster.nodes)
        raise RequestError(
            f"a worker needs sweep.cpus: {cpus} and sweep.gpus: {gpus:g}, which no node of the Ray "
            f"cluster has ({nodes}); ask for less, or say with --workers how many are to wait for "
            "nodes that come later"
        )
    return room


def _require_reachable(cluster: RayCluster, storage: str | None, tracking: str) -> None:
    """Check that every node can write to the study and to the runs.

    Raises:
        RequestError: one of them is a file or a database on this machine, and there are others.

    """
    if len(cluster.nodes) == 1:
        return
    many = f"the Ray cluster has {len(cluster.nodes)} nodes, and"
    from ecomclf.search.storage import is_postgresql
    from ecomclf.tracking.connection import without_password

    if not is_postgresql(storage):
        shown = without_password(storage) if storage else "a file below mlruns/"
        raise RequestError(
            f"{many} the study is in {shown}, which they do not share; name a PostgreSQL that all "
            "can reach with --storage postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        )
    if urlsplit(tracking).scheme not in ("http", "https", "databricks"):
        raise RequestError(
            f"{many} the MLflow runs are in {without_password(tracking)}, which they do not share; "
            "start `mlflow server` where all can reach it, and set MLFLOW_TRACKING_URI=http://"
            "HOST:PORT"
        )
    assert storage is not None
    if len(cluster.addresses) > 1:
        for name, value in (("--storage", storage), ("MLFLOW_TRACKING_URI", tracking)):
            if _is_here_only(value):
                raise RequestError(
                    f"{many} {name} is {without_password(value)}, an address of this machine only; "
                    "name the host as the other nodes reach it"
                )


def _is_here_only(address: str) -> bool:
    """Return whether an address means this machine: a loopback address, or the file of a socket."""
    parts = urlsplit(address)
    return parts.hostname in _LOOPBACK or (
        not parts.hostname and parts.scheme.startswith("postgresql")
    )
