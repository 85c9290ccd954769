"""Tables in the terminal."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 200


def print_table(console: Console, title: str, table: pd.DataFrame) -> None:
    """Print a table with a title: floats with four significant digits, missing values empty."""
    view = Table(title=title, title_justify="left")
    for column in table.columns:
        view.add_column(str(column), overflow="fold")
    for row in table.itertuples(index=False):
        view.add_row(*("" if pd.isna(value) else short_text(value) for value in row))
    # A file or a pipe has no width, and rich would assume 80 columns.
    if not console.is_terminal:
        console = Console(file=console.file, width=_FILE_WIDTH, quiet=console.quiet)
    console.print(view)


def short_text(value: Any) -> str:
    """Return a value as text, floats with four significant digits.

    >>> short_text(0.123456), short_text(3), short_text("lstm")
    ('0.1235', '3', 'lstm')

    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
