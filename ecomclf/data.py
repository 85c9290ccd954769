"""Check and deduplicate what a source holds; the data report and the fingerprint."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ecomclf.config import DataConfig
from ecomclf.errors import DataError
from ecomclf.groups import group_texts, normalised_words, text_key
from ecomclf.source import read_table


@dataclass(frozen=True)
class DataReport:
    """What the loader found: every row read is either kept or counted under a reason.

    `word_percentiles` are of the kept texts' lengths in words, at 5, 25, 50, 75, 95 and 100 %.
    `rows_read == rows_kept + sum(dropped.values())`.
    """

    source: str
    sha256: str
    header: tuple[str, ...] | None
    rows_read: int
    rows_kept: int
    dropped: dict[str, int]
    texts_with_two_labels: int
    rows_a_class: dict[str, int]
    word_percentiles: dict[str, int]
    groups: int
    largest_group: int
    fingerprint: str

    def to_dict(self) -> dict[str, object]:
        """Give plain values for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """Give the report as lines to print."""
        header = "none" if self.header is None else ", ".join(self.header)
        dropped = ", ".join(f"{count:,} {why}" for why, count in self.dropped.items() if count)
        words = ", ".join(f"{count:,} ({at})" for at, count in self.word_percentiles.items())
        lines = [
            f"data         {self.source}",
            f"sha256       {self.sha256}",
            f"header       {header}",
            f"rows read    {self.rows_read:,}",
            f"dropped      {dropped or 'none'}",
            f"two labels   {self.texts_with_two_labels:,} texts",
            f"rows kept    {self.rows_kept:,} in {self.groups:,} groups of like texts, "
            f"the largest {self.largest_group:,}",
            f"words a text {words}",
            *(f"class        {name}: {count:,}" for name, count in self.rows_a_class.items()),
            f"fingerprint  {self.fingerprint}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Dataset:
    """Texts that differ, each with one label and the group it must not be parted from.

    `texts` [rows]; `labels` int32 [rows], indices into `classes`, which are sorted; `groups` int32
    [rows]; `text_columns` are the names of the columns the texts come from, where there are any;
    `fingerprint` is a sha256 over texts and labels in their order.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    fingerprint: str
    text_columns: tuple[str, ...] = ()


def load(config: DataConfig) -> tuple[Dataset, DataReport]:
    """Read the source, drop what cannot be used, keep each text once.

    A text with two labels takes the one that most of its rows have; with a tie it is dropped.

    Raises:
        DataError: the source cannot be read, or holds nothing that could be learned.
        DownloadError: the public file is not there and could not be fetched.

    """
    table = read_table(config)
    if not table.texts:
        raise DataError(f"{table.source} has no rows; it needs texts with labels")
    rows = [(text, label) for text, label in zip(table.texts, table.labels, strict=True)]
    complete = [(text, label) for text, label in rows if text and label]
    if not complete:
        raise DataError(
            f"{table.source}: of {len(rows):,} rows none has both a text and a label; "
            "check data.text_columns and data.label_column"
        )
    words = [normalised_words(text) for text, _ in complete]
    kept, two_labels, ties = _one_row_a_text(words, [label for _, label in complete])
    texts = tuple(complete[row][0] for row in kept)
    names = list(kept.values())
    classes = tuple(sorted(set(names)))
    if len(classes) < 2:
        raise DataError(
            f"{table.source} holds one class only, {classes[0]!r}; a classifier needs two"
            if classes
            else f"{table.source} holds no text that most of its rows give one label"
        )
    groups = group_texts([words[row] for row in kept])
    dataset = Dataset(
        texts=texts,
        labels=np.array([classes.index(name) for name in names], np.int32),
        classes=classes,
        groups=groups,
        text_columns=table.text_columns,
        fingerprint=_fingerprint(texts, names),
    )
    report = DataReport(
        source=table.source,
        sha256=table.sha256,
        header=table.header,
        rows_read=len(rows),
        rows_kept=len(texts),
        dropped={
            "without a text": sum(not text for text, _ in rows),
            "without a label": sum(bool(text) and not label for text, label in rows),
            "duplicates": len(complete) - len(texts) - ties,
            "with as many rows for one label as for another": ties,
        },
        texts_with_two_labels=two_labels,
        rows_a_class=dict(Counter(names).most_common()),
        word_percentiles=_word_percentiles([len(words[row]) for row in kept]),
        groups=int(groups.max()) + 1,
        largest_group=int(np.bincount(groups).max()),
        fingerprint=dataset.fingerprint,
    )
    return dataset, report


def _one_row_a_text(
    words: Sequence[Sequence[str]], labels: Sequence[str]
) -> tuple[dict[int, str], int, int]:
    """Keep the first row of each normalised text, with the label that most of its rows have.

    Returns:
        kept rows and their labels; the number of texts with two labels; rows dropped in ties.

    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(words):
        rows_of[text_key(text)].append(row)
    kept: dict[int, str] = {}
    two_labels = ties = 0
    for rows in rows_of.values():
        counts = Counter(labels[row] for row in rows).most_common(2)
        two_labels += len(counts) > 1
        if len(counts) > 1 and counts[0][1] == counts[1][1]:
            ties += len(rows)
        else:
            kept[rows[0]] = counts[0][0]
    return kept, two_labels, ties


def _fingerprint(texts: Sequence[str], labels: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text, label in zip(texts, labels, strict=True):
        digest.update(f"{label}\x1f{text}\x1e".encode())
    return digest.hexdigest()


def _word_percentiles(lengths: Sequence[int]) -> dict[str, int]:
    at = (5, 25, 50, 75, 95, 100)
    return {f"{p} %": int(n) for p, n in zip(at, np.percentile(lengths, at), strict=True)}
