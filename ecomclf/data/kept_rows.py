"""Which rows of a table are kept: those with a text and a label, each text once."""

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np

from ecomclf.config.data_section import DataConfig
from ecomclf.data.label_cleanup import LabelPlan
from ecomclf.data.near_duplicates import group_near_duplicates, normalised_words, text_key
from ecomclf.data.tables import Table
from ecomclf.errors import DataError


@dataclass(frozen=True)
class KeptRows:
    """Rows kept of a table: `texts`, class `names` and normalised `words`, each [rows].

    `dropped` counts the other rows by reason. `merged` and `renamed` count the rows with a text
    whose label got the form of a whole number or another name, by the label in the table.
    """

    texts: list[str]
    names: list[str]
    words: list[list[str]]
    dropped: dict[str, int]
    texts_with_two_labels: int
    merged: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, int] = field(default_factory=dict)


def keep_rows(table: Table, config: DataConfig, plan: LabelPlan) -> KeptRows:
    """Keep rows with a text and a label; each text once, unless the split is `random_rows`.

    Args:
        table: the rows of one file.
        config: how missing texts are filled and duplicates treated.
        plan: the class name of each label in the table.

    Raises:
        DataError: no row is left.

    """
    if not table.texts:
        raise DataError(f"{table.source} has no rows; it needs texts with labels")
    texts = [text or config.fill_missing for text in table.texts]
    rows = [(text, plan.names[label]) for text, label in zip(texts, table.labels, strict=True)]
    complete = [(text, label) for text, label in rows if text and label]
    if not complete:
        raise DataError(_no_complete_row(table, plan))
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
    return KeptRows(
        texts=[complete[row][0] for row in kept],
        names=list(kept.values()),
        words=[words[row] for row in kept],
        dropped={
            "without a text": sum(not text for text, _ in rows),
            "without a label": sum(bool(text) and label == "" for text, label in rows),
            **_rows_of_dropped_labels(rows, config),
            "duplicates": len(complete) - len(kept) - ties,
            "with tied labels": ties,
        },
        texts_with_two_labels=two_labels,
        merged=_count_labels(table, texts, plan.merged),
        renamed=_count_labels(table, texts, plan.renamed),
    )


def _no_complete_row(table: Table, plan: LabelPlan) -> str:
    """Return the message that no row has both a text and a label that is kept."""
    if None in plan.names.values():
        return f"{table.source}: data.drop_labels leaves no row with a text; name fewer labels"
    return (
        f"{table.source}: none of its {len(table.texts):,} rows has both a text and a label; "
        "check data.text_columns and data.label_column"
    )


def _rows_of_dropped_labels(
    rows: Sequence[tuple[str, str | None]], config: DataConfig
) -> dict[str, int]:
    if not config.drop_labels:
        return {}
    return {"with dropped labels": sum(bool(text) and label is None for text, label in rows)}


def _count_labels(table: Table, texts: Sequence[str], labels: Collection[str]) -> dict[str, int]:
    """Return the number of rows with a text for each of some labels."""
    if not labels:
        return {}
    rows = zip(texts, table.labels, strict=True)
    return dict(Counter(label for text, label in rows if text and label in labels).most_common())


def group_rows(words: Sequence[Sequence[str]], protocol: str) -> np.ndarray:
    """Return the group of each text; int32 [texts]."""
    if protocol == "random_rows":
        return np.arange(len(words), dtype=np.int32)
    return group_near_duplicates(words)


def drop_test_near_duplicates(rows: KeptRows, test: KeptRows) -> tuple[KeptRows, np.ndarray]:
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
    left = _take(rows, is_left, "shared with the test file")
    return left, _renumber(np.concatenate([own[is_left], of_test]))


def drop_rare_labels(
    rows: KeptRows, test: KeptRows, groups: np.ndarray, *, fewest: int, source: str
) -> tuple[KeptRows, KeptRows, np.ndarray]:
    """Drop the classes with fewer than `fewest` rows outside the test file, there as well.

    Args:
        rows: the rows to learn from.
        test: those of the test file.
        groups: of both, int32 [rows + test rows].
        fewest: rows that a class needs; 1 keeps all classes.
        source: name of the source for messages.

    Returns:
        both without these classes, and their groups.

    Raises:
        DataError: no class has as many rows.

    """
    if fewest == 1:
        return rows, test, groups
    counts = Counter(rows.names)
    if counts and max(counts.values()) < fewest:
        name, most = counts.most_common(1)[0]
        raise DataError(
            f"{source}: no class has the {fewest:,} rows that data.min_rows_a_label asks for, the "
            f"largest, {name!r}, has {most:,}; lower data.min_rows_a_label"
        )
    own, of_test = (
        np.array([counts[name] >= fewest for name in each.names], bool) for each in (rows, test)
    )
    return (
        _take(rows, own, "of rare labels"),
        _take(test, of_test, "of rare labels"),
        _renumber(groups[np.concatenate([own, of_test])]),
    )


def _take(rows: KeptRows, is_left: np.ndarray, reason: str) -> KeptRows:
    """Return some of the rows, the others counted as dropped for a reason."""
    return replace(
        rows,
        texts=list(compress(rows.texts, is_left)),
        names=list(compress(rows.names, is_left)),
        words=list(compress(rows.words, is_left)),
        dropped=rows.dropped | {reason: int((~is_left).sum())},
    )


def _renumber(groups: np.ndarray) -> np.ndarray:
    """Return groups numbered without gaps, in the same order; int32 [rows]."""
    _, numbers = np.unique(groups, return_inverse=True)
    return numbers.astype(np.int32)


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
