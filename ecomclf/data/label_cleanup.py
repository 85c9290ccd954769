"""What the labels of a source become: one spelling a class, some renamed, some dropped."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ecomclf.config.data_section import DataConfig
from ecomclf.data.class_names import join_names, list_names, similar_names
from ecomclf.errors import DataError

_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")


@dataclass(frozen=True)
class LabelPlan:
    """What becomes of each label of the files.

    Attributes:
        names: the class name of each label; None if its rows are dropped, "" where it is missing.
        merged: labels such as `1.0` that become a whole number.
        renamed: labels that `data.rename_labels` renames.

    """

    names: Mapping[str, str | None]
    merged: frozenset[str]
    renamed: frozenset[str]


def plan_labels(config: DataConfig, labels: Iterable[str], source: str) -> LabelPlan:
    """Return what becomes of labels.

    In this order: whitespace is stripped and the Unicode form NFC taken; if a whole number occurs
    in two forms, as `1` and `1.0`, all have the form `1`; the labels of `data.drop_labels` are
    dropped, those of `data.rename_labels` renamed, each once.

    Args:
        config: which labels are dropped and renamed.
        labels: those of all files, "" where missing.
        source: name of the files for messages.

    Raises:
        DataError: the config names a label that no row has.

    >>> config = DataConfig(drop_labels=("NULL",), rename_labels={"CPUs": "CPU"})
    >>> plan_labels(config, ["CPU", "CPUs", "NULL", "1", "1.0"], "rows.csv").names
    {'CPU': 'CPU', 'CPUs': 'CPU', 'NULL': None, '1': '1', '1.0': '1'}

    """
    normal = {label: _normalised(label) for label in dict.fromkeys(labels)}
    whole = _whole_numbers(set(normal.values()))
    spelled = {label: whole.get(name, name) for label, name in normal.items()}
    present = set(spelled.values()) - {""}

    def find(key: str, name: str) -> str:
        wanted = whole.get(_normalised(name), _normalised(name))
        if wanted not in present:
            raise DataError(_no_such_label(key, name, present, source))
        return wanted

    dropped = {find("drop_labels", name) for name in config.drop_labels}
    renamed = {
        find("rename_labels", name): _normalised(new) for name, new in config.rename_labels.items()
    }
    return LabelPlan(
        names={
            label: None if name in dropped else renamed.get(name, name)
            for label, name in spelled.items()
        },
        merged=frozenset(label for label, name in normal.items() if name in whole),
        renamed=frozenset(
            label for label, name in spelled.items() if name in renamed and name not in dropped
        ),
    )


def require_numbers(classes: Iterable[str], source: str) -> None:
    """Check that class names are numbers, as `data.ordered_labels` needs.

    Raises:
        DataError: a name is not a finite number.

    """
    others = [name for name in classes if not is_number(name)]
    if others:
        raise DataError(
            "data.ordered_labels needs class names that are numbers, but "
            f"{source} has {join_names(others, 5)}; rename them with data.rename_labels, drop "
            "them with data.drop_labels, or set data.ordered_labels to false"
        )


def is_number(name: str) -> bool:
    """Return whether a class name is a finite number.

    >>> is_number("4"), is_number("-0.5"), is_number("nan"), is_number("4 stars")
    (True, True, False, False)
    """
    try:
        return bool(np.isfinite(float(name)))
    except ValueError:
        return False


def _normalised(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _whole_numbers(names: set[str]) -> dict[str, str]:
    """Return the integer form of names such as `1.0` if any of them occurs in both forms.

    >>> _whole_numbers({"0", "0.0", "1.0", "2.5"}) == {"0.0": "0", "1.0": "1"}
    True
    >>> _whole_numbers({"1.0", "2.0"})
    {}
    """
    matches = ((name, _WHOLE_NUMBER.fullmatch(name)) for name in names)
    integers = {name: match[1] for name, match in matches if match}
    return integers if names & set(integers.values()) else {}


def _no_such_label(key: str, name: str, present: set[str], source: str) -> str:
    """Return the message that no row has a label, with the labels most like it."""
    similar = similar_names(name, present)
    hint = (
        f"did you mean {' or '.join(map(repr, similar))}?"
        if similar
        else f"it has {list_names(map(repr, sorted(present)))}"
    )
    return f"data.{key} names the label {name!r}, which no row of {source} has; {hint}"
