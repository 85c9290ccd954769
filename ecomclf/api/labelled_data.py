"""Labelled texts: what the loader makes of them, and a config for them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.config.loading import Config
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ecomclf.data.data_report import DataReport
    from ecomclf.data.splitting import Split
    from ecomclf.search.suggestion import Suggestion


def suggest_config(
    data: "pd.DataFrame | str | Path",
    *,
    text_columns: Sequence[int | str] = (),
    label_column: int | str | None = None,
) -> Config:
    """Suggest a config for a sweep over labelled texts; what `ecomclf init` writes.

    The columns are guessed by their contents and names, the rest follows from the number of rows,
    the length of the texts and the balance of the classes.

    Args:
        data: path of a CSV, JSON, Parquet or Excel file, or a DataFrame.
        text_columns: names or positions of the text columns; by default guessed.
        label_column: name or position of the label column; by default guessed.

    Raises:
        DataError: the file is no table, has no column of texts or of labels, or several that could
            be the label.

    Example:
        import ecomclf
        config = ecomclf.suggest_config("reviews.csv")
        result = ecomclf.sweep(config, trials=6)

    """
    return _suggest(data, text_columns, label_column).config


def init(
    file: str,
    output: Path | None = None,
    *,
    text_columns: Sequence[int | str] = (),
    label_column: int | str | None = None,
    force: bool = False,
) -> "tuple[Path, Suggestion]":
    """Write a suggested config for a file, with a comment for each guess.

    Args:
        file: path of the data.
        output: path of the config; by default the name of the data with `.yaml`, in the working
            directory.
        text_columns: see `suggest_config`.
        label_column: see `suggest_config`.
        force: replace an existing file.

    Returns:
        The path that was written, and the suggestion.

    Raises:
        DataError: see `suggest_config`.
        RequestError: the output exists already, or cannot be written.

    """
    from ecomclf.search.suggestion import write_suggestion

    suggestion = _suggest(file, text_columns, label_column)
    path = output or Path(f"{suggestion.config.name}.yaml")
    write_suggestion(suggestion, path, force=force)
    return path, suggestion


def check_data(files: Sequence[str], config: Config) -> list[DataError]:
    """Print the data report of each file; return the errors of those that cannot be used.

    Columns that the config does not name are guessed, as `suggest_config` does.
    """
    console = open_console(verbose=True)
    errors = []
    for file in files:
        values = {"data.source": file, "data.test_source": None}
        try:
            load_data(_with_columns(config.with_values(values), file), None, console)
        except DataError as error:
            errors.append(error)
            print(f"ecomclf: {error}", file=sys.stderr, flush=True)
    return errors


def load_data(
    config: Config, frame: "pd.DataFrame | None", console: "Console"
) -> "tuple[Split, DataReport]":
    """Read the rows, print the data report, and split them."""
    from ecomclf.data.dataset import load
    from ecomclf.data.resampling import require_classes
    from ecomclf.data.splitting import shared_test_texts, split_dataset
    from ecomclf.runtime.terminal import print_line
    from ecomclf.text.language_fit import describe_misfit

    def show(lines: str) -> None:
        for line in lines.splitlines():
            print_line(console, line)

    dataset, report = load(config.data, frame)
    show(report.as_text())
    for wanted in config.possible_values("train.resample"):
        require_classes(dataset.classes, wanted, "resample")
    for weights in config.possible_values("train.class_weight"):
        if isinstance(weights, dict):
            require_classes(dataset.classes, weights, "train.class_weight")
    split = split_dataset(dataset, config.data)
    sides = ("train", "validation", "test")
    show("split        " + ", ".join(f"{len(getattr(split, side)):,} {side}" for side in sides))
    misfit = describe_misfit(split.train.texts, config.text)
    if misfit:
        show(f"language     {misfit}")
    if split.protocol == "random_rows":
        show(
            f"split        random rows: {shared_test_texts(split):,} of {len(split.test):,} test "
            "rows have their text in training; the metrics are inflated"
        )
    return split, report


def open_console(*, verbose: bool) -> "Console":
    """Return what progress and results are printed to; with `verbose=False` nothing is."""
    from rich.console import Console

    console = Console(quiet=not verbose)
    if console.is_jupyter:
        # There rich makes each line an output of its own, with space around it. As a plain stream
        # they are one text; the kernel's claims to be a terminal, but shows no live view.
        console = Console(quiet=not verbose, force_jupyter=False, force_terminal=False)
    return console


def _with_columns(config: Config, file: str) -> Config:
    """Return the config with the columns of a file, guessed and printed if it names none."""
    from ecomclf.data.file_format import FileOptions
    from ecomclf.data.guessed_columns import guess_columns

    data = config.data
    if data.text_columns is not None and data.label_column is not None:
        return config
    options = FileOptions.of(data)
    columns = guess_columns(
        file, options=options, text=data.text_columns or (), label=data.label_column
    )
    print(f"columns      {columns}", flush=True)
    values = {"data.text_columns": list(columns.text), "data.label_column": columns.label}
    return config.with_values(values | ({} if columns.named else {"data.header": False}))


def _suggest(
    data: "pd.DataFrame | str | Path",
    text_columns: Sequence[int | str],
    label_column: int | str | None,
) -> "Suggestion":
    from ecomclf.search.suggestion import suggest

    frame = None if isinstance(data, str | Path) else data
    source = str(data) if isinstance(data, str | Path) else "DataFrame"
    return suggest(source, frame, text_columns=text_columns, label_column=label_column)
