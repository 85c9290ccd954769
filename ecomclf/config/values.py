"""Types of config values that several keys share, and what is refused for each."""

import codecs
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

# Empty, or text that does not begin with a space.
FILL_WORD = r"^(\S.*)?$"
NOT_BLANK = r"\S"
# The loss is computed in float32, where larger weights could overflow.
_MAX_WEIGHT = 1_000_000


def _class_name(name: Any) -> str:
    """Convert a number to a class name; refuse what YAML reads as true or false, such as `no`."""
    if isinstance(name, bool):
        raise ValueError(
            f"a class name must be text or a number but got {name}; quote a name that YAML reads "
            "as true or false"
        )
    return str(name)


def _label(name: Any) -> str:
    """Convert a number, or what YAML reads as null, to the name of a label."""
    # The spelling is lost; an error about another one, such as `null`, names that.
    return "NULL" if name is None else _class_name(name)


def _column(column: Any) -> Any:
    """Refuse a column that YAML reads as true or false, such as `on`."""
    if isinstance(column, bool):
        raise ValueError(
            f"a column must be a name or a position but got {column}; quote a name that YAML reads "
            "as true or false"
        )
    return column


def _class_weight(given: Any) -> Any:
    """Convert class names; refuse what is no known word and no mapping of classes to weights."""
    if given in ("none", "balanced"):
        return given
    if not isinstance(given, dict):
        raise ValueError(
            "must be none, balanced or a weight for each class, such as {Books: 2}, but got "
            f"{given!r}"
        )
    return {_class_name(name): _weight(name, weight) for name, weight in given.items()}


def _weight(name: Any, weight: Any) -> Any:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not 0 < weight <= _MAX_WEIGHT:
        raise ValueError(
            f"the weight of the class {name!r} must be a number above 0, at most {_MAX_WEIGHT:,}, "
            f"but got {weight!r}"
        )
    return weight


def _codec(name: str) -> str:
    """Refuse an encoding that Python does not know."""
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError(
            f"no encoding is called {name!r}; common ones are utf-8, utf-16, cp1252, iso8859-2, "
            "cp1251, gb18030, big5 and shift_jis"
        ) from error
    return name


def _character(given: Any) -> Any:
    """Return one character; `tab` is a name for one."""
    character = "\t" if given in ("tab", "\\t") else given
    if character is not None and (not isinstance(character, str) or len(character) != 1):
        raise ValueError(f"must be one character, or tab, but got {given!r}")
    return character


def _quote(given: Any) -> Any:
    return "" if given in ("none", "") else _character(given)


# `json_schema_input_type` is what a user may write, for the JSON schema of a config.
_WrittenCharacter = Annotated[str, Field(pattern=r"^(.|tab|\\t)$")]
_WrittenQuote = Annotated[str, Field(pattern=r"^(.|tab|\\t|none|)$")]
_WrittenLabel = Annotated[str, Field(pattern=NOT_BLANK)] | float | None
_WrittenWeight = Annotated[float, Field(gt=0, le=_MAX_WEIGHT)]

Encoding = Annotated[str, AfterValidator(_codec)]
Character = Annotated[
    str | None, BeforeValidator(_character, json_schema_input_type=_WrittenCharacter | None)
]
Quote = Annotated[str | None, BeforeValidator(_quote, json_schema_input_type=_WrittenQuote | None)]


def _files(given: Any) -> Any:
    """Refuse what is neither a path nor a list of paths."""
    paths = [given] if isinstance(given, str) else given
    valid = isinstance(paths, list | tuple) and paths
    if not valid or not all(isinstance(path, str) and path for path in paths):
        raise ValueError(
            f"must be a path, a pattern such as '2026/*.csv', or a list of these, but got {given!r}"
        )
    return given if isinstance(given, str) else tuple(paths)


# One or more paths or patterns.
Files = Annotated[str | tuple[str, ...], BeforeValidator(_files)]
# A column by its name, or by its position from 0.
Column = Annotated[int | str, BeforeValidator(_column)]
# A label as the data has it; an unquoted NULL is a name here.
Label = Annotated[
    str,
    BeforeValidator(_label, json_schema_input_type=_WrittenLabel),
    Field(pattern=NOT_BLANK),
]
# How rows are weighted by their class; numbers by class name.
ClassWeight = Annotated[
    Literal["none", "balanced"] | dict[str, float],
    BeforeValidator(
        _class_weight,
        json_schema_input_type=Literal["none", "balanced"] | dict[str, _WrittenWeight],
    ),
]
# A number of rows for each class.
RowsPerClass = dict[
    Annotated[str, BeforeValidator(_class_name)], Annotated[int, Field(ge=1, strict=True)]
]
