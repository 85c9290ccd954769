"""`Row`: one row of a file of any format."""

from collections.abc import Sequence
from typing import NamedTuple

# Characters. A quote that is never closed turns the rest of a CSV file into one row, and the csv
# module takes four bytes for each; a packed file may hold a line of gigabytes.
LARGEST_ROW = 16 * 2**20


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        line: number of its first line or row, from 1.
        raw: its text, line end included; "" in a format that is not text.
        cells: its cells as text; empty for a blank line and for a malformed row.
        wrong: why the row is malformed; "" for a well-formed row.
        remedy: how to fix a malformed row.

    """

    line: int
    raw: str
    cells: Sequence[str]
    wrong: str = ""
    remedy: str = ""
