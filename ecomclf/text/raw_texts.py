"""Conversion of texts in any form that callers pass to a list of strings."""

from collections.abc import Iterable
from typing import Any

from ecomclf.errors import RequestError


def as_texts(given: Any) -> list[str]:
    """Return texts as a list of strings, in their order.

    Args:
        given: one string; or any iterable of strings, such as a list, a NumPy array or a pandas
            Series. A missing value (None, NaN, `pandas.NA`) is the text "". An item may also be a
            list of one string, which is how a column of a table arrives in JSON.

    Raises:
        RequestError: `given` or one of its items has another type.

    Example:
        >>> as_texts("steel mug")
        ['steel mug']
        >>> as_texts([["steel mug"], None])
        ['steel mug', '']

    """
    if isinstance(given, str):
        return [given]
    if isinstance(given, dict | bytes) or not isinstance(given, Iterable):
        raise RequestError(
            f"texts must be a string or a list of strings but got {type(given).__name__}"
        )
    return [item if type(item) is str else _as_text(item) for item in given]


def _as_text(item: Any) -> str:
    if isinstance(item, str):
        return str(item)
    if _is_missing(item):
        return ""
    # Includes the rows of a NumPy array [texts, 1], which are arrays themselves.
    if not isinstance(item, dict | bytes) and hasattr(item, "__len__") and len(item) == 1:
        return _as_text(item[0])
    raise RequestError(f"each text must be a string but one is {item!r}")


def _is_missing(item: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(item) and pd.isna(item))
