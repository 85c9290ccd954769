"""Token ids of many texts in two flat arrays."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

PADDING_ID = 0
UNKNOWN_ID = 1

# Half an emoji, left by programs that cut texts, cannot be written as UTF-8 otherwise.
_SURROGATES = "surrogatepass"


@dataclass(frozen=True)
class UnknownWords:
    """The words of texts that are not in a vocabulary, where `TokenIds` has `UNKNOWN_ID`.

    Attributes:
        words: distinct words.
        positions: int64 [n], positions in `TokenIds.values`, ascending.
        which: int64 [n], the word at each position, an index into `words`.

    """

    words: tuple[str, ...]
    positions: np.ndarray
    which: np.ndarray

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>_unknown.json` and `<name>_unknown.npy` to a folder."""
        words = json.dumps(self.words, ensure_ascii=False)
        (folder / f"{name}_unknown.json").write_text(words, encoding="utf-8", errors=_SURROGATES)
        np.save(folder / f"{name}_unknown.npy", np.stack([self.positions, self.which]))

    @classmethod
    def load(cls, folder: Path, name: str) -> Self | None:
        """Read what `save` wrote; None if there is nothing."""
        path = folder / f"{name}_unknown.json"
        if not path.exists():
            return None
        words = json.loads(path.read_text(encoding="utf-8", errors=_SURROGATES))
        positions, which = np.load(folder / f"{name}_unknown.npy", allow_pickle=False)
        return cls(tuple(words), positions, which)


@dataclass(frozen=True)
class TokenIds:
    """Token ids of texts of different lengths, concatenated without padding.

    Attributes:
        values: int32 [tokens].
        offsets: int64 [texts + 1]; text `i` is `values[offsets[i] : offsets[i + 1]]`.
        unknown: the words behind the unknown tokens; None if they were not kept.

    Example:
        >>> ids = TokenIds(np.array([4, 5, 6, 7], np.int32), np.array([0, 3, 3, 4]))
        >>> len(ids)
        3
        >>> ids.lengths.tolist()
        [3, 0, 1]
        >>> ids.padded(np.array([2, 0])).tolist()
        [[7, 0, 0], [4, 5, 6]]

    """

    values: np.ndarray
    offsets: np.ndarray
    unknown: UnknownWords | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>_values.npy`, `<name>_offsets.npy` and unknown words to a folder."""
        np.save(folder / f"{name}_values.npy", self.values)
        np.save(folder / f"{name}_offsets.npy", self.offsets)
        if self.unknown is not None:
            self.unknown.save(folder, name)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Read what `save` wrote; the values are memory-mapped, so processes share their pages."""
        values = np.load(folder / f"{name}_values.npy", mmap_mode="r", allow_pickle=False)
        # Slicing a plain array is faster than slicing its subclass `np.memmap`.
        offsets = np.load(folder / f"{name}_offsets.npy", allow_pickle=False)
        return cls(np.asarray(values), offsets, UnknownWords.load(folder, name))

    def numbered_unknown(self, first: int) -> "TokenIds":
        """Return a copy in which each unknown word has its own number, from `first` on."""
        values = np.array(self.values)
        if self.unknown is not None:
            values[self.unknown.positions] = first + self.unknown.which
        return TokenIds(values, self.offsets)

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of tokens of each text; int64 [texts]."""
        return np.diff(self.offsets)

    @property
    def has_known(self) -> np.ndarray:
        """Return whether each text has a word of the vocabulary; bool [texts]."""
        known = np.concatenate([[0], np.cumsum(self.values > UNKNOWN_ID)])
        return np.asarray(np.diff(known[self.offsets]) > 0)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of tokens of the texts at `rows`; int64 [rows]."""
        return np.asarray(self.offsets[rows + 1] - self.offsets[rows])

    def take(self, rows: np.ndarray) -> "TokenIds":
        """Return a copy of the texts at `rows`, in that order; rows may repeat.

        The unknown words are not copied.
        """
        texts = [self.values[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        values = np.concatenate(texts) if texts else self.values[:0]
        return TokenIds(values, np.concatenate([[0], np.cumsum(self.lengths_of(rows))]))

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Return the texts at `rows` as one array, padded with `PADDING_ID` to the longest.

        The array is at least one position wide, since a recurrent layer rejects empty sequences.

        Returns:
            int32 [rows, length].

        """
        lengths = self.lengths_of(rows)
        array = np.full((len(rows), max(1, int(lengths.max(initial=0)))), PADDING_ID, np.int32)
        for line, row in enumerate(rows):
            array[line, : lengths[line]] = self.values[self.offsets[row] : self.offsets[row + 1]]
        return array
