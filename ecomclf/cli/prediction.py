"""Commands that predict: `classify`, `predict`, `export`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ecomclf.cli.application import app
from ecomclf.cli.options import Address, ModelName, Stage, TextColumns, Version
from ecomclf.runtime.signals import install_signal_handlers


@app.command()
def classify(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Rows to classify; a pattern names several files.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The rows with their labels; its ending is the format. For several: a folder.",
        ),
    ],
    stage: Stage = "",
    version: Version = "",
    text_column: TextColumns = None,
    header: Annotated[bool, typer.Option(help="The first row names the columns.")] = True,
    prefix: Annotated[str, typer.Option(metavar="P", help="Prefix of the added columns.")] = "",
    file_format: Annotated[
        str, typer.Option("--format", metavar="F", help="Of the input, if not detected.")
    ] = "",
    encoding: Annotated[
        str, typer.Option(metavar="E", help="Of the input, such as cp1252, if not detected.")
    ] = "",
    separator: Annotated[
        str, typer.Option(metavar="C", help="Of the cells, or tab, if not detected.")
    ] = "",
    quote: Annotated[str, typer.Option(metavar="C", help="Of the cells, if not detected.")] = "",
    rejects: Annotated[
        str, typer.Option(metavar="FILE", help="Write broken rows here instead of stopping.")
    ] = "",
    engine: Annotated[
        str, typer.Option(metavar="E", help="local, or ray for several files on a cluster.")
    ] = "",
    address: Address = "",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Classify a file: its columns, then `label`, `confidence`, `needs_review`.

    It may be CSV of any dialect and encoding, JSON lines, Parquet or Excel, also gzipped or zipped.
    """
    install_signal_handlers()
    from ecomclf import api
    from ecomclf.config.data_section import DataConfig
    from ecomclf.data.file_format import FileOptions
    from ecomclf.serving.file_batch import Columns

    names = tuple(name for name in text_column or () if name)
    given = {"format": file_format, "encoding": encoding, "separator": separator, "quote": quote}
    data = DataConfig.model_validate({key: value for key, value in given.items() if value})
    api.classify(
        source,
        target,
        model=model,
        stage=stage,
        version=version,
        columns=Columns(text=names, header=header, prefix=prefix),
        options=FileOptions.of(data),
        rejects=Path(rejects) if rejects else None,
        engine=engine or None,
        address=address or None,
        force=force,
    )


@app.command()
def predict(
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT…", help="Without any: lines of stdin.")
    ] = None,
    stage: Stage = "",
    version: Version = "",
    model: ModelName = "ecomclf",
) -> None:
    """Classify texts; print one line of JSON per text."""
    from ecomclf import api
    from ecomclf.serving.json_lines import lines_as_they_come

    if not texts and sys.stdin.isatty():
        print("one text per line; Ctrl-D ends", file=sys.stderr)
    chunks: Iterator[list[str]] = iter([texts]) if texts else lines_as_they_come(sys.stdin.fileno())
    for line in api.predict(chunks, model=model, stage=stage, version=version):
        print(line, flush=True)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    stage: Stage = "",
    version: Version = "",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    model: ModelName = "ecomclf",
) -> None:
    """Write a version as plain files: Keras model, weights, tokenizer, label encoder, report."""
    from ecomclf import api

    for path in api.export(folder, model=model, stage=stage, version=version, force=force):
        print(path)
