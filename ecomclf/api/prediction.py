"""Predictions: a classifier in Python, files, texts, and plain files for other programs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.api.engine_choice import check_engine
from ecomclf.config.schema import DEFAULT_MODEL
from ecomclf.errors import RequestError
from ecomclf.tracking.model_source import find_version, load_from_run, parse_source

if TYPE_CHECKING:
    from ecomclf.data.file_format import FileOptions
    from ecomclf.models.classifier import Classifier
    from ecomclf.serving.file_batch import Columns, Summary


def load(source: str | Path, *, model: str = DEFAULT_MODEL) -> "Classifier":
    """Load a classifier. No code from the artifact is run.

    Args:
        source: one of

            - `models:/NAME/STAGE`, `models:/NAME@ALIAS` or `models:/NAME/VERSION`;
            - a stage (`Production`), an alias (`@production`) or a version's number, of `model`;
            - `runs:/RUN_ID/classifier`, of a trial or of `train`;
            - the path of a folder that `ecomclf export` wrote.
        model: name of the registered model, where `source` does not say it.

    Raises:
        RequestError: there is no such version, run or folder, or it cannot be read.

    Example:
        import ecomclf
        classifier = ecomclf.load("models:/ecomclf/Production")
        classifier.predict(["steel mug, 300 ml"])

    """
    from ecomclf.runtime.tensorflow_setup import quiet_mlflow, start_tensorflow

    quiet_mlflow()
    text = str(source)
    if text.startswith("runs:/"):
        return load_from_run(text)
    if os.path.isdir(source):
        start_tensorflow()
        from ecomclf.models.classifier import Classifier

        return Classifier.load(Path(source))
    registry, version = find_version(*parse_source(text, model))
    start_tensorflow()
    return registry.load(version)


def classify(
    source: str | Path,
    target: Path,
    *,
    model: str = DEFAULT_MODEL,
    stage: str | None = None,
    version: str | None = None,
    columns: "Columns | None" = None,
    options: "FileOptions | None" = None,
    rejects: Path | None = None,
    engine: str | None = None,
    address: str | None = None,
    force: bool = False,
) -> "Summary":
    """Classify the rows of a file, or of all files that a pattern names.

    See `ecomclf.serving.file_batch.classify_file`, and `ecomclf.serving.shards.classify_shards` for
    several files: `target` and `rejects` are folders then, and the same call again classifies what
    is missing.

    Args:
        source: a file, a folder of files, or a pattern such as `shards/*.parquet`.
        target: where the rows go with their predictions.
        model: name of the registered model.
        stage: stage of the version; by default Production, else Staging.
        version: number of the version.
        columns: the text columns, and how the added ones are named.
        options: what is given of the input's format.
        rejects: where malformed rows go; without it they are an error.
        engine: `local`, the default, or `ray`, for several files.
        address: head node of the Ray cluster; see `sweep`.
        force: replace existing outputs.

    """
    from rich.console import Console

    from ecomclf.data.file_format import DETECTED
    from ecomclf.runtime.tensorflow_setup import count_cores, start_tensorflow
    from ecomclf.serving.file_batch import Columns, check_request, classify_file
    from ecomclf.serving.many_files import classify_many
    from ecomclf.serving.shards import find_shards, is_many

    check_engine(engine, address)
    many = is_many(str(source))
    if engine == "ray" and not many:
        raise RequestError(
            f"the engine ray classifies several files, and {str(source)!r} names one; name a "
            "pattern such as 'shards/*.parquet', and a folder for the outputs"
        )
    console = Console(stderr=True)
    if many:
        shards = find_shards(str(source), target, rejects)
        registry, found = find_version(model, stage, version)
        return classify_many(
            registry,
            found,
            shards,
            columns or Columns(),
            options or DETECTED,
            console,
            on_ray=engine == "ray",
            address=address,
            force=force,
        )
    check_request(Path(source), target, rejects, force=force)
    registry, found = find_version(model, stage, version)
    threads = count_cores()
    start_tensorflow(threads)
    return classify_file(
        registry.load(found),
        Path(source),
        target,
        columns or Columns(),
        options=options or DETECTED,
        rejects=rejects,
        console=console,
        threads=threads,
    )


def predict(
    chunks: Iterable[Sequence[str]],
    *,
    model: str = DEFAULT_MODEL,
    stage: str | None = None,
    version: str | None = None,
) -> Iterator[str]:
    """Classify chunks of texts; yield one line of JSON per text."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow
    from ecomclf.serving.json_lines import json_lines

    registry, found = find_version(model, stage, version)
    start_tensorflow()
    return json_lines(registry.load(found), chunks)


def export(
    folder: Path,
    *,
    model: str = DEFAULT_MODEL,
    stage: str | None = None,
    version: str | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a version as plain files into a folder; return their paths."""
    from ecomclf.runtime.tensorflow_setup import start_tensorflow

    registry, found = find_version(model, stage, version)
    start_tensorflow()
    from ecomclf.serving.plain_files import export_version

    return export_version(registry, found, folder, force=force)
