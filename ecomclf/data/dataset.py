"""Check and deduplicate the rows of a source; the data report and the fingerprint."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ecomclf.config.data_section import DataConfig
from ecomclf.data.class_names import list_names, shorten_name
from ecomclf.data.data_report import DataReport
from ecomclf.data.kept_rows import (
    KeptRows,
    drop_rare_labels,
    drop_test_near_duplicates,
    group_rows,
    keep_rows,
)
from ecomclf.data.label_cleanup import plan_labels, require_numbers
from ecomclf.data.label_column import require_recurring_labels
from ecomclf.data.scripts import find_scripts
from ecomclf.data.similar_labels import (
    find_missing_labels,
    find_similar_labels,
)
from ecomclf.data.sources import read_table, read_test_table
from ecomclf.data.tables import Table
from ecomclf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


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
        ordered: the class names are numbers, and the distance between them counts.

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
    ordered: bool = False


def load(config: DataConfig, frame: "pd.DataFrame | None" = None) -> tuple[Dataset, DataReport]:
    """Read the source, drop unusable rows and deduplicate the texts.

    A text with several labels takes the most frequent one; with a tie it is dropped. If there is a
    file of test rows, near-duplicates of its texts are dropped from the source. With
    `split: random_rows`, every row with a text and a label is kept. Before that, labels are cleaned
    as `plan_labels` says; after it, classes with fewer than `config.min_rows_a_label` rows are
    dropped.

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
    rows, test, groups = _select_rows(config, table, test_table)
    classes = _classes(rows, table)
    if config.ordered_labels:
        require_numbers(classes, table.source)
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
        ordered=config.ordered_labels,
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


def _select_rows(
    config: DataConfig, table: Table, test_table: Table | None
) -> tuple[KeptRows, KeptRows, np.ndarray]:
    """Return the rows kept of the source and of the test file, and the groups of both."""
    require_recurring_labels(table, config)
    files = [table] if test_table is None else [table, test_table]
    names = chain.from_iterable(each.labels for each in files)
    plan = plan_labels(config, names, " and ".join(each.source for each in files))
    rows = keep_rows(table, config, plan)
    if test_table is None:
        test = KeptRows([], [], [], {}, 0)
        groups = group_rows(rows.words, config.split)
    else:
        test = keep_rows(test_table, config, plan)
        rows, groups = drop_test_near_duplicates(rows, test)
    return drop_rare_labels(rows, test, groups, fewest=config.min_rows_a_label, source=table.source)


def _classes(rows: KeptRows, table: Table) -> tuple[str, ...]:
    """Return the class names, sorted."""
    classes = tuple(sorted(set(rows.names)))
    if not classes:
        raise DataError(
            f"{table.source} has no row left to train on: each is a near-duplicate of a text in "
            "data.test_source; set that to another file"
        )
    if len(classes) < 2:
        dropped = sum(rows.dropped.get(why, 0) for why in ("with dropped labels", "of rare labels"))
        why = f" after {dropped:,} rows of others were dropped" if dropped else ""
        raise DataError(
            f"{table.source} has only one class, {shorten_name(classes[0])!r}{why}; a classifier "
            "needs two or more"
        )
    return classes


def _require_known(
    test: KeptRows, classes: tuple[str, ...], table: Table, test_table: Table
) -> None:
    """Raise DataError if test rows have a class that no other row has."""
    unknown = sorted(set(test.names) - set(classes))
    if unknown:
        kind = "class" if len(unknown) == 1 else "classes"
        raise DataError(
            f"{test_table.source} has test rows of the {kind} {list_names(map(repr, unknown))}, "
            f"but {table.source} has no row left to learn from; add rows, or drop the {kind} with "
            "data.drop_labels"
        )


def _report(table: Table, rows: KeptRows, dataset: Dataset) -> DataReport:
    """Count the rows kept and the rows dropped for each reason."""
    sizes = np.bincount(dataset.groups[: len(rows.texts)])
    rows_a_class = dict(Counter(rows.names).most_common())
    return DataReport(
        source=table.source,
        sha256=table.sha256,
        header=table.header,
        rows_read=len(table.texts),
        rows_kept=len(rows.texts),
        dropped=rows.dropped,
        texts_with_two_labels=rows.texts_with_two_labels,
        rows_a_class=rows_a_class,
        word_percentiles=_word_percentiles([len(words) for words in rows.words]),
        groups=int(np.count_nonzero(sizes)),
        largest_group=int(sizes.max()),
        fingerprint=dataset.fingerprint,
        protocol=dataset.protocol,
        merged_labels=rows.merged,
        renamed_labels=rows.renamed,
        similar_labels=find_similar_labels(rows_a_class),
        suspicious_labels=find_missing_labels(rows_a_class),
        read_as=table.read_as,
        scripts=find_scripts(rows.texts),
    )


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
