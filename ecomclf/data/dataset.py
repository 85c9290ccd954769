"""Check and deduplicate the rows of a source; the data report and the fingerprint."""

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress, islice
from typing import TYPE_CHECKING

import numpy as np

from ecomclf.config.schema import DataConfig
from ecomclf.data.class_names import MOST_LISTED, list_names
from ecomclf.data.near_duplicates import group_near_duplicates, normalised_words, text_key
from ecomclf.data.sources import read_table, read_test_table
from ecomclf.data.tables import Table
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DataReport:
    """What the loader read, kept and dropped: `rows_read == rows_kept + sum(dropped.values())`.

    All values describe `source`, except those that begin with `test_`, which describe the file of
    test rows.

    Attributes:
        source: path of the file, or a name for the sample or a DataFrame.
        sha256: hash of the file, or of the CSV that the DataFrame would be written to.
        header: column names; None for a file without a header.
        rows_read: rows, without the header and blank lines.
        rows_kept: rows that are left to split.
        dropped: number of rows dropped for each reason.
        texts_with_two_labels: texts whose rows have more than one label.
        rows_a_class: rows kept for each class, the largest class first.
        word_percentiles: 5th to 100th percentile of the number of words in the kept texts.
        groups: number of near-duplicate groups.
        largest_group: rows in the largest of them.
        fingerprint: sha256 over the kept texts and labels, test rows included.
        protocol: `groups` or `random_rows`, see `DataConfig.split`.

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
        """Return the values as JSON types; those of the test file only if there is one."""
        has_test = self.test_source is not None
        values = asdict(self).items()
        return {key: value for key, value in values if has_test or not key.startswith("test_")}

    def as_text(self) -> str:
        """Return the report as lines to print; of many classes only the largest."""
        header = "none" if self.header is None else ", ".join(self.header)
        dropped = ", ".join(f"{count:,} {why}" for why, count in self.dropped.items() if count)
        words = ", ".join(f"{count:,} ({at})" for at, count in self.word_percentiles.items())
        among = f"in {self.groups:,} near-duplicate groups, the largest {self.largest_group:,}"
        if self.protocol == "random_rows":
            among = "including duplicates and conflicting labels"
        lines = [
            f"data         {self.source}",
            f"sha256       {self.sha256}",
            f"header       {header}",
            f"rows read    {self.rows_read:,}",
            f"dropped      {dropped or 'none'}",
            f"conflicts    {self.texts_with_two_labels:,} texts with more than one label",
            f"rows kept    {self.rows_kept:,} {among}",
            *self._test_lines(),
            f"words/text   {words}",
            *self._class_lines(),
            f"fingerprint  {self.fingerprint}",
        ]
        return "\n".join(lines)

    def _class_lines(self) -> list[str]:
        listed = islice(self.rows_a_class.items(), MOST_LISTED)
        lines = [f"class        {name}: {count:,}" for name, count in listed]
        left_out = len(self.rows_a_class) - len(lines)
        return [*lines, f"class        and {left_out:,} more classes"] if left_out else lines

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
    """Deduplicated texts with labels and near-duplicate groups.

    Attributes:
        texts: [rows].
        labels: int32 [rows], indices into `classes`.
        classes: class names, sorted.
        groups: int32 [rows]; rows of a group belong to the same subset of the split.
        fingerprint: sha256 over texts and labels in their order.
        text_columns: names of the columns the texts come from; empty without a header.
        test_rows: how many rows, the last ones, come from the file of test rows; they share no
            group with the others.
        protocol: with `random_rows` no text was deduplicated, and each row is a group of its own.
        fill_missing: the word that replaced missing texts; "" if those were dropped.

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
class _KeptRows:
    """Rows kept of a table: `texts`, class `names` and normalised `words`, each [rows]."""

    texts: list[str]
    names: list[str]
    words: list[list[str]]
    dropped: dict[str, int]
    texts_with_two_labels: int


def load(config: DataConfig, frame: "pd.DataFrame | None" = None) -> tuple[Dataset, DataReport]:
    """Read the source, drop unusable rows and deduplicate the texts.

    A text with several labels takes the most frequent one; with a tie it is dropped. If there is a
    file of test rows, near-duplicates of its texts are dropped from the source. With
    `split: random_rows`, every row with a text and a label is kept.

    Args:
        config: the source, its columns, and how its rows are split.
        frame: read instead of `config.source`, see `read_table`.

    Raises:
        DataError: the source or the file of test rows cannot be read or has too little to learn
            from, or the test rows have a class that no other row has.
        DownloadError: the public file is missing and the download failed.

    >>> import pandas as pd
    >>> titles = ["A novel", "A NOVEL!", "Toy car", None]
    >>> frame = pd.DataFrame({"kind": ["Books", "Books", "Toys", "Toys"], "title": titles})
    >>> dataset, report = load(DataConfig(), frame)
    >>> dataset.texts, dataset.classes, dataset.labels.tolist()
    (('A novel', 'Toy car'), ('Books', 'Toys'), [0, 1])
    >>> {reason: rows for reason, rows in report.dropped.items() if rows}
    {'without a text': 1, 'duplicates': 1}

    """
    table = read_table(config, frame)
    test_table = read_test_table(config, header=table.header is not None)
    rows = _keep_rows(table, config)
    if test_table is None:
        test = _KeptRows([], [], [], {}, 0)
        groups = _groups(rows.words, config.split)
    else:
        test = _keep_rows(test_table, config)
        rows, groups = _drop_test_near_duplicates(rows, test)
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


def _keep_rows(table: Table, config: DataConfig) -> _KeptRows:
    """Keep rows with a text and a label; each text once, unless the split is `random_rows`."""
    if not table.texts:
        raise DataError(f"{table.source} has no rows; it needs texts with labels")
    texts = [text or config.fill_missing for text in table.texts]
    rows = list(zip(texts, table.labels, strict=True))
    complete = [(text, label) for text, label in rows if text and label]
    if not complete:
        raise DataError(
            f"{table.source}: none of its {len(rows):,} rows has both a text and a label; "
            "check data.text_columns and data.label_column"
        )
    labels = [label for _, label in complete]
    # Interned, a word takes memory once, however many texts contain it.
    words_of = {
        text: [*map(sys.intern, normalised_words(text))] for text in {text for text, _ in complete}
    }
    words = [words_of[text] for text, _ in complete]
    kept, two_labels, ties = _deduplicate(words, labels)
    if config.split == "random_rows":
        kept, ties = dict(enumerate(labels)), 0
    if not kept:
        raise DataError(
            f"{table.source}: every text has as many rows for one label as for another; correct "
            "the labels"
        )
    return _KeptRows(
        texts=[complete[row][0] for row in kept],
        names=list(kept.values()),
        words=[words[row] for row in kept],
        dropped={
            "without a text": sum(not text for text, _ in rows),
            "without a label": sum(bool(text) and not label for text, label in rows),
            "duplicates": len(complete) - len(kept) - ties,
            "with tied labels": ties,
        },
        texts_with_two_labels=two_labels,
    )


def _groups(words: Sequence[Sequence[str]], protocol: str) -> np.ndarray:
    """Return the group of each text; int32 [texts]."""
    if protocol == "random_rows":
        return np.arange(len(words), dtype=np.int32)
    return group_near_duplicates(words)


def _drop_test_near_duplicates(rows: _KeptRows, test: _KeptRows) -> tuple[_KeptRows, np.ndarray]:
    """Drop the rows that are near-duplicates of a test text.

    Returns:
        the rows left; the groups of these and then of the test texts, int32 [rows + test rows].

    """
    groups = group_near_duplicates([*rows.words, *test.words])
    own, of_test = np.split(groups, [len(rows.texts)])
    # Groups separate "girl s" from "girls", which within one file would be duplicates.
    keys = {text_key(words) for words in test.words}
    duplicates = np.array([text_key(words) in keys for words in rows.words], bool)
    is_left = ~np.isin(own, np.concatenate([of_test, own[duplicates]]))
    left = _KeptRows(
        texts=list(compress(rows.texts, is_left)),
        names=list(compress(rows.names, is_left)),
        words=list(compress(rows.words, is_left)),
        dropped=rows.dropped | {"shared with the test file": int((~is_left).sum())},
        texts_with_two_labels=rows.texts_with_two_labels,
    )
    _, numbers = np.unique(np.concatenate([own[is_left], of_test]), return_inverse=True)
    return left, numbers.astype(np.int32)


def _classes(rows: _KeptRows, table: Table) -> tuple[str, ...]:
    """Return the class names, sorted."""
    classes = tuple(sorted(set(rows.names)))
    if not classes:
        raise DataError(
            f"{table.source} has no row left to train on: each is a near-duplicate of a text in "
            "data.test_source; set that to another file"
        )
    if len(classes) < 2:
        raise DataError(
            f"{table.source} has only one class, {classes[0]!r}; a classifier needs two or more"
        )
    return classes


def _require_known(
    test: _KeptRows, classes: tuple[str, ...], table: Table, test_table: Table
) -> None:
    """Raise DataError if test rows have a class that no other row has."""
    unknown = sorted(set(test.names) - set(classes))
    if unknown:
        kind = "class" if len(unknown) == 1 else "classes"
        raise DataError(
            f"{test_table.source} has test rows of the {kind} {list_names(map(repr, unknown))}, "
            f"but {table.source} has no row left to learn from; add rows, or drop the {kind}"
        )


def _report(table: Table, rows: _KeptRows, dataset: Dataset) -> DataReport:
    """Count the rows kept and the rows dropped for each reason."""
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


def _deduplicate(
    words: Sequence[Sequence[str]], labels: Sequence[str]
) -> tuple[dict[int, str], int, int]:
    """Keep the first row of each normalised text, with its most frequent label.

    Returns:
        the label of each row kept; the number of texts with several labels; the number of rows
        dropped because their labels are tied.

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
