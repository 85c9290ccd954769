from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecomclf.errors import RequestError
from ecomclf.text.raw_texts import as_texts


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("red shoe", ["red shoe"]),
        (["red shoe", ""], ["red shoe", ""]),
        (("a", "b"), ["a", "b"]),
        ((text for text in "ab"), ["a", "b"]),
        ([], []),
        ([None, float("nan"), pd.NA], ["", "", ""]),
        ([["a"], ("b",), [None]], ["a", "b", ""]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([["a"], ["b"]], dtype=object), ["a", "b"]),
        (pd.Series(["a", None], index=[7, 3]), ["a", ""]),
    ],
)
def test_texts_become_a_list_of_strings(given: Any, texts: list[str]) -> None:
    """One string or any iterable of strings; missing values become empty texts."""
    result = as_texts(given)
    assert result == texts
    assert all(type(text) is str for text in result)


@pytest.mark.parametrize("given", [None, 7, b"a", {"text": "a"}, [7], [b"a"], [["a", "b"]], [[]]])
def test_other_types_raise(given: Any) -> None:
    """The error is one line that says what was expected."""
    with pytest.raises(RequestError, match="must be a string"):
        as_texts(given)
