"""Options that several commands share.

MLproject passes every parameter; an empty one is unset.
"""

from pathlib import Path
from typing import Annotated

import typer

from ecomclf.errors import RequestError

ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file; `ecomclf init` writes one.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a config key; repeatable. Several at once: '{model.units: 96, seed: 1}'.",
    ),
]
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="Registered model.")]
Stage = Annotated[str, typer.Option(metavar="S", help="Staging or Production.")]
Version = Annotated[str, typer.Option(metavar="V", help="Number of a version.")]
TextColumns = Annotated[
    list[str] | None,
    typer.Option("--text-column", metavar="NAME", help="Text column; repeatable."),
]
LabelColumn = Annotated[str, typer.Option(metavar="NAME", help="Column of the class.")]
Address = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Ray's head node, if not found by itself.")
]
StudyName = Annotated[str, typer.Option("--study", metavar="NAME", help="Name of the study.")]


def parse_count(option: str, text: str) -> int | None:
    """Read a number of at least 1; "" is None."""
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise RequestError(f"{option} must be a whole number of at least 1 but got {text!r}")
    return int(text)


def parse_columns(names: list[str] | None) -> tuple[int | str, ...]:
    """Return columns as a config names them: digits are positions."""
    return tuple(int(name) if name.isdecimal() else name for name in names or () if name)
