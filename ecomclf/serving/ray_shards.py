"""Classify shards on a Ray cluster, with Ray Data; each of its actors loads the model once."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomclf.errors import RequestError
from ecomclf.runtime.ray_cluster import RayCluster
from ecomclf.runtime.tensorflow_setup import start_tensorflow, worker_environment
from ecomclf.serving.shards import Shard, ShardOptions, ShardResult, classify_shard

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

# A worker computes on so many threads, so Ray reserves as many CPUs.
CPUS = 1


def classify_on_ray(
    cluster: RayCluster, files: Path, shards: Sequence[Shard], options: ShardOptions
) -> Iterator[ShardResult]:
    """Classify shards on the cluster that this process is connected to.

    Results come as they are ready. A worker that is lost is replaced, and its shard classified
    again; its output is written anew, so nothing is doubled.

    Args:
        cluster: what there is room for.
        files: folder of the classifier's files; its contents travel to each node once.
        shards: inputs and outputs, on a disk that all nodes share.
        options: columns and formats.

    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    if not shards:
        return
    room = cluster.room_for(cpus=CPUS, gpus=0)
    if not room:
        raise RequestError("the Ray cluster has no CPU; add a node with `ray start`")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    model = ray.put(
        {
            str(path.relative_to(files)): path.read_bytes()
            for path in files.rglob("*")
            if path.is_file()
        }
    )
    # Workers have other working directories.
    rows = [
        {key: path and str(Path(path).absolute()) for key, path in asdict(shard).items()}
        | {"name": shard.source}
        for shard in shards
    ]
    # A block for each shard, so that each result is there as soon as the shard is finished.
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        _Worker,  # type: ignore[arg-type]  # a class makes actors
        fn_constructor_args=([model], options),
        compute=ActorPoolStrategy(size=min(room, len(rows))),
        num_cpus=CPUS,
        runtime_env={"env_vars": worker_environment()},
    )
    for row in results.iter_rows():
        yield ShardResult(**row)


class _Worker:
    """An actor: loads the classifier, then classifies shards."""

    def __init__(self, model: list[Any], options: ShardOptions) -> None:
        start_tensorflow(options.threads)
        self._options = options
        self._classifier = _load(model[0])

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        name = row.pop("name")
        result = classify_shard(self._classifier, Shard(**row), self._options)
        return asdict(result) | {"source": name}


def _load(files: Any) -> "Classifier":
    """Load a classifier from a reference to the contents of its files, by name."""
    import ray

    from ecomclf.models.classifier import Classifier

    with tempfile.TemporaryDirectory() as name:
        for file, content in ray.get(files).items():
            path = Path(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return Classifier.load(Path(name))
