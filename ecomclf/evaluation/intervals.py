"""How far a figure on test rows can be trusted: intervals by resampling groups of like texts.

Texts of one group rise and fall together, so whole groups are drawn, not rows (Cameron, Gelbach and
Miller, 2008, doi 10.1162/rest.90.3.414).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ecomclf.evaluation.report import SCORES

_DRAWS = 2000
# Of a million groups, so many draws take 200 MB.
_DRAWS_AT_ONCE = 20


@dataclass(frozen=True)
class Interval:
    """A figure, and the bounds between which 95 % of its resampled values lie."""

    value: float
    low: float
    high: float

    def as_text(self) -> str:
        """Say it in a few words."""
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def metric_intervals(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray
) -> dict[str, Interval]:
    """Give each of `SCORES` with its interval; all int [rows]."""
    found = _intervals(labels, groups, (predicted,), lambda scores: scores[0])
    return dict(zip(SCORES, found, strict=True))


def difference_interval(
    labels: np.ndarray, predicted: np.ndarray, other: np.ndarray, groups: np.ndarray
) -> Interval:
    """Give weighted F1 of `predicted` minus that of `other` on the same rows; all int [rows]."""
    found = _intervals(labels, groups, (predicted, other), lambda scores: scores[0] - scores[1])
    return found[SCORES.index("f1_weighted")]


def _intervals(
    labels: np.ndarray,
    groups: np.ndarray,
    answers: Sequence[np.ndarray],
    combine: Callable[[list[np.ndarray]], np.ndarray],
) -> list[Interval]:
    """Resample what is made of the scores of each of the answers; one interval a score."""
    _, group_of = np.unique(groups, return_inverse=True)
    size = 1 + max(int(each.max()) for each in (labels, *answers))

    def by_group(classes: np.ndarray, counted: np.ndarray) -> csr_matrix:
        """Count rows; [groups, classes]."""
        return csr_matrix((counted.astype(float), (group_of, classes)), shape=(count, size))

    count = int(group_of.max()) + 1
    every = np.ones(len(labels))
    true = by_group(labels, every)
    tables = [(by_group(each, every), by_group(labels, labels == each)) for each in answers]

    def figures(times: np.ndarray) -> np.ndarray:
        """Give the figures of each draw, [draws, 3]; `times` [draws, groups] a group was drawn."""
        rows = times @ true
        return combine([_scores(rows, times @ said, times @ right) for said, right in tables])

    generator = np.random.default_rng(0)
    drawn = [figures(_draw(generator, count)) for _ in range(0, _DRAWS, _DRAWS_AT_ONCE)]
    bounds = np.percentile(np.concatenate(drawn), (2.5, 97.5), axis=0)
    values = figures(np.ones((1, count)))[0]
    return [
        Interval(float(value), float(low), float(high))
        for value, low, high in zip(values, *bounds, strict=True)
    ]


def _draw(generator: np.random.Generator, count: int) -> np.ndarray:
    """Draw as many groups as there are, with replacement; how often each, [draws, groups]."""
    drawn = generator.integers(0, count, (_DRAWS_AT_ONCE, count))
    return np.stack([np.bincount(each, minlength=count) for each in drawn]).astype(float)


def _scores(true: np.ndarray, said: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Give `SCORES`, in their order, [draws, 3], of counts [draws, classes]."""
    f1 = 2 * right / np.maximum(true + said, 1)
    rows = true.sum(axis=1)
    # A class that is neither true nor predicted counts for nothing, as in `Report`.
    seen = (true + said > 0).sum(axis=1)
    return np.stack(
        [right.sum(axis=1) / rows, f1.sum(axis=1) / seen, (f1 * true).sum(axis=1) / rows], axis=1
    )
