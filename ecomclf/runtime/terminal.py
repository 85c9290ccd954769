"""Lines and tables for people: never broken within a word in a terminal, never wrapped elsewhere.

Nothing here has a style: it is all said in words, and no escape sequence is written.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# A longer text is wrapped between its words, but not into a narrower column than this.
_NARROWEST_TEXT = 30
# Wider than any table.
_UNBOUNDED = 100_000


def has_live_view(console: Console) -> bool:
    """Return whether a view may be redrawn, which takes escape sequences.

    It may not in a file or a pipe, with `NO_COLOR` or with `TERM=dumb`.
    """
    return console.is_interactive and not console.no_color


def print_line(console: Console, line: str) -> None:
    """Print a line: wrapped between words in a terminal, as one line in a file or a pipe."""
    lines = [line]
    if console.is_terminal:
        # rich would break a path that is too long; left to the terminal, it is copied in one piece.
        lines = [row for part in line.splitlines() for row in pack([part], console.width)]
    console.print(Text("\n".join(lines)), soft_wrap=True)


def print_table(console: Console, title: str, table: pd.DataFrame) -> None:
    """Print a table with a title: floats with four significant digits, missing values empty.

    In a terminal that is too narrow for it, columns get short names. Where that does not suffice,
    each row becomes a paragraph of names and values. A file or a pipe always gets the whole table.
    """
    names = [str(column) for column in table.columns]
    rows = [
        ["" if pd.isna(value) else short_text(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    print_line(console, title)
    for heads in (names, list(short_names(names).values())):
        view = _draw(heads, rows)
        fits = Measurement.get(console, console.options.update(width=_UNBOUNDED), view)
        if not console.is_terminal:
            # A file or a pipe has no width, and rich would assume 80 columns.
            # Left to itself, rich would write into a notebook instead of the given file.
            wide = Console(
                file=console.file, width=fits.maximum, quiet=console.quiet, force_jupyter=False
            )
            wide.print(view)
            return
        if fits.minimum <= console.width:
            console.print(view)
            return
    for row in rows:
        cells = (f"{name}: {text}" for name, text in zip(names, row, strict=True) if text)
        for line in pack(cells, console.width, between="  ", indent="  "):
            print_line(console, line)


def pack(items: Iterable[str], width: int, *, between: str = "", indent: str = "") -> list[str]:
    """Return as few lines as hold the items in their order, an item longer than a line wrapped.

    Args:
        items: texts, each of which is kept on one line if it fits there.
        width: columns of a line.
        between: separates items on a line.
        indent: begins each line but the first.

    Example:
        >>> pack(["one 1", "two 2", "three 3"], 14, between=", ", indent="  ")
        ['one 1, two 2', '  three 3']

    """
    lines: list[str] = []
    for item in items:
        if lines and cell_len(lines[-1] + between + item) <= width:
            lines[-1] += between + item
        else:
            first = indent if lines else ""
            lines += textwrap.wrap(
                item,
                width,
                initial_indent=first,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return each name's last part, without `val_`; where two names would be the same, all of it.

    >>> short_names(["val_accuracy", "model.units", "model.seed", "train.seed"])
    {'val_accuracy': 'accuracy', 'model.units': 'units', 'model.seed': 'model.seed', \
'train.seed': 'train.seed'}

    """
    short = {name: name.rpartition(".")[2].removeprefix("val_") for name in names}
    count = Counter(short.values())
    return {name: last if count[last] == 1 else name for name, last in short.items()}


def short_text(value: Any) -> str:
    """Return a value as text, floats with four significant digits.

    >>> short_text(0.123456), short_text(3), short_text("lstm")
    ('0.1235', '3', 'lstm')

    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _draw(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of which only columns of long texts can be made narrower."""
    view = Table(header_style="")
    for number, head in enumerate(heads):
        cells = [row[number] for row in rows]
        longest = max(map(cell_len, cells), default=0)
        text = longest > _NARROWEST_TEXT and any(" " in cell for cell in cells)
        view.add_column(
            head,
            overflow="fold",
            no_wrap=not text,
            min_width=_NARROWEST_TEXT if text else None,
        )
    for row in rows:
        view.add_row(*map(Text, row))
    return view
