"""Check and deduplicate what a source holds; the data report and the fingerprint."""

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress

import numpy as np

from ecomclf.config.schema import DataConfig
from ecomclf.data.near_duplicates import group_near_duplicates, normalised_words, text_key
from ecomclf.data.sources import Table, read_table, read_test_table
from ecomclf.errors import DataError


@dataclass(frozen=True)
class DataReport:
    """What the loader found: every row read is either kept or counted under a reason.

    `word_percentiles` are of the kept texts' lengths in words, at 5, 25, 50, 75, 95 and 100 %.
    `rows_read == rows_kept + sum(dropped.values())`. All figures are of `source`; those of the file
    of test rows, where there is one, begin with `test_`.
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
    protocol: str = "groups"
    test_source: str | None = None
    test_sha256: str | None = None
    test_rows_read: int = 0
    test_rows_kept: int = 0

    def to_dict(self) -> dict[str, object]:
        """Give plain values for JSON; those of the test file only where there is one."""
        has_test = self.test_source is not None
        values = asdict(self).items()
        return {key: value for key, value in values if has_test or not key.startswith("test_")}

    def as_text(self) -> str:
        """Give the report as lines to print."""
        header = "none" if self.header is None else ", ".join(self.header)
        dropped = ", ".join(f"{count:,} {why}" for why, count in self.dropped.items() if count)
        words = ", ".join(f"{count:,} ({at})" for at, count in self.word_percentiles.items())
        among = f"in {self.groups:,} groups of like texts, the largest {self.largest_group:,}"
        if self.protocol == "random_rows":
            among = "with copies and contradicting labels among them"
        lines = [
            f"data         {self.source}",
            f"sha256       {self.sha256}",
            f"header       {header}",
            f"rows read    {self.rows_read:,}",
            f"dropped      {dropped or 'none'}",
            f"two labels   {self.texts_with_two_labels:,} texts",
            f"rows kept    {self.rows_kept:,} {among}",
            *self._test_lines(),
            f"words a text {words}",
            *(f"class        {name}: {count:,}" for name, count in self.rows_a_class.items()),
            f"fingerprint  {self.fingerprint}",
        ]
        return "\n".join(lines)

    def _test_lines(self) -> list[str]:
        if self.test_source is None:
            return []
        return [
            f"test file    {self.test_source}",
            f"test sha256  {self.test_sha256}",
            f"test rows    {self.test_rows_read:,} read, {self.test_rows_kept:,} kept",
        ]


@dataclass(frozen=True)
class Dataset:
    """Texts that differ, each with one label and the group it must not be parted from.

    `texts` [rows]; `labels` int32 [rows], indices into `classes`, which are sorted; `groups` int32
    [rows]; `text_columns` are the names of the columns the texts come from, where there are any;
    `fingerprint` is a sha256 over texts and labels in their order. The last `test_rows` rows are
    those of a test file, and in no group with the others; 0 without such a file. `fill_missing`
    stands for texts that were missing. With the protocol
    `random_rows` texts come as often as in the source, and each row is a group of its own.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    fingerprint: str
    text_columns: tuple[str, ...] = ()
    test_rows: int = 0
    protocol: str = "groups"
    fill_missing: str = ""


@dataclass(frozen=True)
class _Usable:
    """What is kept of a file: `texts`, `names` of their classes and normalised `words` [rows]."""

    texts: list[str]
    names: list[str]
    words: list[list[str]]
    dropped: dict[str, int]
    texts_with_two_labels: int


def load(config: DataConfig) -> tuple[Dataset, DataReport]:
    """Read the source, drop what cannot be used, keep each text once.

    A text with two labels takes the one that most of its rows have; with a tie it is dropped. With
    a test file, rows of the source that belong together with one of its texts are dropped. With
    `split: random_rows` every row with a text and a label is kept.

    Raises:
        DataError: the source or the test file cannot be read, or holds nothing that could be
            learned, or the test file has a class that no other row has.
        DownloadError: the public file is not there and could not be fetched.

    """
    table = read_table(config)
    test_table = read_test_table(config, header=table.header is not None)
    rows = _usable(table, config)
    if test_table is None:
        test = _Usable([], [], [], {}, 0)
        groups = _groups(rows.words, config.split)
    else:
        test = _usable(test_table, config)
        rows, groups = _apart(rows, test)
    classes = _classes(rows, table)
    if test_table is not None:
        _require_known(test, classes, table, test_table)
    texts, names = (*rows.texts, *test.texts), [*rows.names, *test.names]
    number = {name: at for at, name in enumerate(classes)}
    dataset = Dataset(
        texts=texts,
        labels=np.array([number[name] for name in names], np.int32),
        classes=classes,
        groups=groups,
        fingerprint=_fingerprint(texts, names, len(test.texts)),
        text_columns=table.text_columns,
        test_rows=len(test.texts),
        protocol=config.split,
        fill_missing=config.fill_missing,
    )
    report = _report(table, rows, dataset)
    if test_table is not None:
        report = replace(
            report,
            test_source=test_table.source,
            test_sha256=test_table.sha256,
            test_rows_read=len(test_table.texts),
            test_rows_kept=len(test.texts),
        )
    return dataset, report


def _usable(table: Table, config: DataConfig) -> _Usable:
    """Keep the rows with a text and a label; each text once, unless rows are dealt at random."""
    if not table.texts:
        raise DataError(f"{table.source} has no rows; it needs texts with labels")
    texts = [text or config.fill_missing for text in table.texts]
    rows = list(zip(texts, table.labels, strict=True))
    complete = [(text, label) for text, label in rows if text and label]
    if not complete:
        raise DataError(
            f"{table.source}: of {len(rows):,} rows none has both a text and a label; "
            "check data.text_columns and data.label_column"
        )
    labels = [label for _, label in complete]
    # A word is kept once, however many texts have it.
    words_of = {
        text: [*map(sys.intern, normalised_words(text))] for text in {text for text, _ in complete}
    }
    words = [words_of[text] for text, _ in complete]
    kept, two_labels, ties = _one_row_a_text(words, labels)
    if config.split == "random_rows":
        kept, ties = dict(enumerate(labels)), 0
    if not kept:
        raise DataError(f"{table.source} holds no text that most of its rows give one label")
    return _Usable(
        texts=[complete[row][0] for row in kept],
        names=list(kept.values()),
        words=[words[row] for row in kept],
        dropped={
            "without a text": sum(not text for text, _ in rows),
            "without a label": sum(bool(text) and not label for text, label in rows),
            "duplicates": len(complete) - len(kept) - ties,
            "with as many rows for one label as for another": ties,
        },
        texts_with_two_labels=two_labels,
    )


def _groups(words: Sequence[Sequence[str]], protocol: str) -> np.ndarray:
    """Give each text the number of its group; int32 [texts]."""
    if protocol == "random_rows":
        return np.arange(len(words), dtype=np.int32)
    return group_near_duplicates(words)


def _apart(rows: _Usable, test: _Usable) -> tuple[_Usable, np.ndarray]:
    """Drop the rows whose group also holds a test text.

    Returns:
        the rows that are left; the groups of these and of the test texts after them, int32.

    """
    groups = group_near_duplicates([*rows.words, *test.words])
    own, of_test = np.split(groups, [len(rows.texts)])
    # Groups part "girl s" from "girls", which in one file would be the same text.
    keys = {text_key(words) for words in test.words}
    twins = np.array([text_key(words) in keys for words in rows.words], bool)
    apart = ~np.isin(own, np.concatenate([of_test, own[twins]]))
    left = _Usable(
        texts=list(compress(rows.texts, apart)),
        names=list(compress(rows.names, apart)),
        words=list(compress(rows.words, apart)),
        dropped=rows.dropped | {"shared with the test file": int((~apart).sum())},
        texts_with_two_labels=rows.texts_with_two_labels,
    )
    _, numbers = np.unique(np.concatenate([own[apart], of_test]), return_inverse=True)
    return left, numbers.astype(np.int32)


def _classes(rows: _Usable, table: Table) -> tuple[str, ...]:
    """Give the names of the classes, sorted."""
    classes = tuple(sorted(set(rows.names)))
    if not classes:
        raise DataError(
            f"of {table.source} no row is left to train on: each belongs together with a text of "
            "data.test_source; name another file there"
        )
    if len(classes) < 2:
        raise DataError(
            f"{table.source} holds one class only, {classes[0]!r}; a classifier needs two"
        )
    return classes


def _require_known(
    test: _Usable, classes: tuple[str, ...], table: Table, test_table: Table
) -> None:
    """Refuse test rows of a class that cannot be learned."""
    unknown = sorted(set(test.names) - set(classes))
    if unknown:
        raise DataError(
            f"{test_table.source} has test rows of the class {unknown[0]!r}, and no row of "
            f"{table.source} is left to learn it from; add some, or drop the class"
        )


def _report(table: Table, rows: _Usable, dataset: Dataset) -> DataReport:
    """Count what was kept of the source and why the rest was not."""
    sizes = np.bincount(dataset.groups[: len(rows.texts)])
    return DataReport(
        source=table.source,
        sha256=table.sha256,
        header=table.header,
        rows_read=len(table.texts),
        rows_kept=len(rows.texts),
        dropped=rows.dropped,
        texts_with_two_labels=rows.texts_with_two_labels,
        rows_a_class=dict(Counter(rows.names).most_common()),
        word_percentiles=_word_percentiles([len(words) for words in rows.words]),
        groups=int(np.count_nonzero(sizes)),
        largest_group=int(sizes.max()),
        fingerprint=dataset.fingerprint,
        protocol=dataset.protocol,
    )


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
        if len(rows) == 1:
            kept[rows[0]] = labels[rows[0]]
            continue
        counts = Counter(labels[row] for row in rows).most_common(2)
        two_labels += len(counts) > 1
        if len(counts) > 1 and counts[0][1] == counts[1][1]:
            ties += len(rows)
        else:
            kept[rows[0]] = counts[0][0]
    return kept, two_labels, ties


def _fingerprint(texts: Sequence[str], labels: Sequence[str], test_rows: int) -> str:
    digest = hashlib.sha256()
    first_of_test = len(texts) - test_rows
    for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if row == first_of_test:
            digest.update(b"\x1d")
        digest.update(f"{label}\x1f{text}\x1e".encode())
    return digest.hexdigest()


def _word_percentiles(lengths: Sequence[int]) -> dict[str, int]:
    at = (5, 25, 50, 75, 95, 100)
    return {f"{p} %": int(n) for p, n in zip(at, np.percentile(lengths, at), strict=True)}
