"""Up- and downsampling: so many rows of a class, some of them several times."""

from collections.abc import Mapping

import numpy as np

from ecomclf.errors import ConfigError


def resample_rows(
    labels: np.ndarray, classes: tuple[str, ...], wanted: Mapping[str, int], seed: int
) -> np.ndarray:
    """Draw rows so that classes have the numbers of rows wanted; others stay as they are.

    Of a class with more rows, so many are drawn without repeats; of one with fewer, all its rows
    stand and the rest are drawn from them again.

    Args:
        labels: int32 [rows], indices into `classes`.
        classes: names.
        wanted: rows a class, by its name.
        seed: of the draw.

    Returns:
        int64 [drawn rows], indices into `labels`, in rising order.

    Raises:
        ConfigError: a name is no class.

    """
    require_classes(classes, wanted)
    generator = np.random.default_rng(seed)
    drawn = []
    for number, name in enumerate(classes):
        rows = np.flatnonzero(labels == number)
        count = wanted.get(name, len(rows))
        more = max(0, count - len(rows))
        kept = generator.permutation(rows)[: count - more]
        drawn.append(np.concatenate([kept, generator.choice(rows, more)]))
    return np.sort(np.concatenate(drawn))


def require_classes(classes: tuple[str, ...], wanted: Mapping[str, int]) -> None:
    """Refuse counts for what is no class.

    Raises:
        ConfigError: a name is no class.

    """
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        raise ConfigError(
            f"resample names the class {unknown[0]!r}, which the data does not have; it has "
            f"{', '.join(classes)}"
        )
