"""`classify_many`: shards by a registered version, in this process or on a Ray cluster."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ecomclf.data.file_format import FileOptions
from ecomclf.runtime.tensorflow_setup import count_cores, start_tensorflow
from ecomclf.serving.file_batch import Columns, Summary
from ecomclf.serving.shards import (
    Shard,
    ShardOptions,
    ShardResult,
    classify_shard,
    classify_shards,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from ecomclf.tracking.registry import Registry


def classify_many(
    registry: "Registry",
    version: "ModelVersion",
    shards: Sequence[Shard],
    columns: Columns,
    options: FileOptions,
    console: Console,
    *,
    on_ray: bool = False,
    address: str | None = None,
    force: bool = False,
) -> Summary:
    """Classify shards with a version of a registered model; see `classify_shards`.

    Args:
        registry: holds the version.
        version: the version.
        shards: inputs and outputs.
        columns: the text columns, and how the added ones are named.
        options: what is given of the inputs' format.
        console: where the result is printed.
        on_ray: classify on a Ray cluster, instead of in this process.
        address: the cluster's; see `connected`.
        force: classify all shards again.

    """
    request = {"model": registry.name, "version": str(version.version)} | {
        name: str(value) for name, value in (asdict(columns) | options._asdict()).items()
    }

    def classify_here(missing: Sequence[Shard]) -> Iterator[ShardResult]:
        if not missing:
            return
        threads = count_cores()
        start_tensorflow(threads)
        classifier = registry.load(version)
        for shard in missing:
            yield classify_shard(classifier, shard, ShardOptions(columns, options, threads))

    if not on_ray:
        return classify_shards(shards, classify_here, request, console, force=force)
    from ecomclf.runtime.ray_cluster import connected
    from ecomclf.serving.ray_shards import CPUS, classify_on_ray

    with connected(address) as cluster, tempfile.TemporaryDirectory() as folder:
        files = registry.download(version, Path(folder))
        every = ShardOptions(columns, options, CPUS)
        return classify_shards(
            shards,
            lambda missing: classify_on_ray(cluster, files, missing, every),
            request,
            console,
            force=force,
        )
