"""Tables in the terminal."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

_WIDTH_OF_FILES = 200


def print_table(console: Console, title: str, table: pd.DataFrame) -> None:
    """Print a table with a title; numbers in four digits."""
    view = Table(title=title, title_justify="left")
    for column in table.columns:
        view.add_column(str(column), overflow="fold")
    for row in table.itertuples(index=False):
        view.add_row(*("" if pd.isna(value) else short_text(value) for value in row))
    # In a file or a pipe there is no width to keep to.
    if not console.is_terminal:
        console = Console(file=console.file, width=_WIDTH_OF_FILES)
    console.print(view)


def short_text(value: Any) -> str:
    """Return a value as text, floats with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
