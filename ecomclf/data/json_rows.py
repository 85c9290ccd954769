"""Rows of JSON lines, and of a JSON array of objects."""

import io
import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from ecomclf.data.row import LARGEST_ROW, Row
from ecomclf.data.text_encoding import TextEncoding
from ecomclf.errors import DataError

# The columns are the keys of so many objects, in the order of their first appearance.
_HEAD = 1_000
# An array is read as a whole, and a packed file may hold a thousand times its own size.
LARGEST_ARRAY = 2**30
_MARK = "\ufeff"
_Line = tuple[int, str, dict[str, Any] | str]


class JsonRows:
    """Iterator over objects as rows of text cells.

    Args:
        stream: the file's bytes, uncompressed, at their beginning.
        source: its name in errors.
        encoding: of the file.
        array: whether it is one array instead of an object a line.

    Attributes:
        names: the columns: keys of the first objects, in the order of their first appearance.

    Raises:
        DataError: an array cannot be parsed.

    """

    def __init__(
        self, stream: BinaryIO, source: str, encoding: TextEncoding, *, array: bool
    ) -> None:
        # Kept, because it closes the stream when it is collected.
        self._text = io.TextIOWrapper(
            stream, encoding=encoding.codec, errors="replace", newline="\n"
        )
        lines = _objects_of_array(self._text, source) if array else _objects_of_lines(self._text)
        head = list(islice(lines, _HEAD))
        self.names = tuple(
            dict.fromkeys(key for _, _, found in head if isinstance(found, dict) for key in found)
        )
        self._lines = chain(head, lines)

    def __iter__(self) -> Iterator[Row]:
        for line, raw, found in self._lines:
            if isinstance(found, str):
                yield Row(line, raw, [], found, "correct the line")
            else:
                yield Row(line, raw, [cell_of(found.get(name)) for name in self.names])


def cell_of(value: Any) -> str:
    """Return a JSON value as the text of a cell; null is "", objects and lists are JSON.

    >>> [cell_of(value) for value in ("red", None, 5, True, ["a", 1])]
    ['red', '', '5', 'true', '["a", 1]']
    """
    if isinstance(value, str):
        # Half an emoji, left by programs that cut texts, cannot be written as UTF-8.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _objects_of_lines(text: io.TextIOBase) -> Iterator[_Line]:
    """Yield number, text and object of each line; instead of an object, what is wrong with it."""
    for number, line in enumerate(iter(lambda: text.readline(LARGEST_ROW + 1), ""), start=1):
        if number == 1:
            line = line.removeprefix(_MARK)
        if not line.strip():
            continue
        if len(line) > LARGEST_ROW:
            while line and not line.endswith("\n"):
                line = text.readline(LARGEST_ROW)
            yield number, "", f"longer than {LARGEST_ROW:,} characters"
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, line, f"not valid JSON ({error})"
        else:
            yield number, line, found if isinstance(found, dict) else "not a JSON object"


def _objects_of_array(text: io.TextIOBase, source: str) -> Iterator[_Line]:
    content = text.read(LARGEST_ARRAY + 1).removeprefix(_MARK)
    if len(content) > LARGEST_ARRAY:
        raise DataError(
            f"{source} is longer than {LARGEST_ARRAY:,} characters, and a JSON array is read as a "
            "whole; write an object a line (JSON lines)"
        )
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not valid JSON: {error}; correct it") from error
    for number, each in enumerate(found, start=1):
        yield number, "", each if isinstance(each, dict) else "not a JSON object"
