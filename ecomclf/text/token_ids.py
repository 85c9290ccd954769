"""Token ids of texts, stored one after the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

PADDING_ID = 0
UNKNOWN_ID = 1


@dataclass(frozen=True)
class TokenIds:
    """Token ids of texts, one after the other, without padding.

    `values` int32 [tokens]; `offsets` int64 [texts + 1], where each text begins and the last ends.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def save(self, folder: Path, name: str) -> None:
        """Write them to two files of a folder."""
        np.save(folder / f"{name}_values.npy", self.values)
        np.save(folder / f"{name}_offsets.npy", self.offsets)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Read what `save` wrote; the values are mapped from disk, for all processes once."""
        values = np.load(folder / f"{name}_values.npy", mmap_mode="r", allow_pickle=False)
        # Each text is a slice, which takes an array less time than its subclass.
        return cls(np.asarray(values), np.load(folder / f"{name}_offsets.npy", allow_pickle=False))

    @property
    def lengths(self) -> np.ndarray:
        """Give the number of tokens of each text; int64 [texts]."""
        return np.diff(self.offsets)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Give the number of tokens of some texts; int64 [rows]."""
        return np.asarray(self.offsets[rows + 1] - self.offsets[rows])

    def take(self, rows: np.ndarray) -> "TokenIds":
        """Give some texts, in the order of `rows`."""
        texts = [self.values[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        values = np.concatenate(texts) if texts else self.values[:0]
        return TokenIds(values, np.concatenate([[0], np.cumsum(self.lengths_of(rows))]))

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Give some texts as one array, padded with 0 to the longest of them.

        At least one position wide, since a recurrent layer takes no empty sequence.

        Returns:
            int32 [rows, length].

        """
        lengths = self.lengths_of(rows)
        array = np.full((len(rows), max(1, int(lengths.max(initial=0)))), PADDING_ID, np.int32)
        for line, row in enumerate(rows):
            array[line, : lengths[line]] = self.values[self.offsets[row] : self.offsets[row + 1]]
        return array
