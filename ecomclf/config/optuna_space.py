"""The search space as Optuna sees it: distributions, and parameters for config values."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ecomclf.config.loading import Scalar
from ecomclf.config.search_space import Choice, Dimension, IntRange


def distributions(space: Mapping[str, Dimension]) -> dict[str, BaseDistribution]:
    """Return the search space as Optuna distributions."""
    return {key: _distribution(dimension) for key, dimension in space.items()}


def chosen_values(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a trial's parameters into config values."""
    values = dict(params)
    for key, dimension in space.items():
        if isinstance(dimension, Choice) and key in params:
            values[key] = dimension.values[_labels(dimension).index(params[key])]
    return values


def as_params(space: Mapping[str, Dimension], values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert config values, all of them in the space, into a trial's parameters."""
    params = dict(values)
    for key, value in values.items():
        dimension = space[key]
        if isinstance(dimension, Choice):
            params[key] = _labels(dimension)[dimension.values.index(value)]
    return params


def parse_params(space: Mapping[str, Dimension], texts: Mapping[str, str]) -> dict[str, Any] | None:
    """Convert config values that MLflow has stored as text into a trial's parameters.

    Args:
        space: the search space.
        texts: the parameters of a run; others than those of the space are ignored.

    Returns:
        None if a value is missing, or is not in the search space.

    Example:
        >>> space = {"units": IntRange(type="int", low=8, high=16)}
        >>> parse_params(space, {"units": "12", "seed": "1"}), parse_params(space, {"units": "99"})
        ({'units': 12}, None)

    """
    params = {}
    for key, dimension in space.items():
        found = _parse(dimension, texts.get(key))
        if found is None:
            return None
        params[key] = found[0]
    return params


def _parse(dimension: Dimension, text: str | None) -> tuple[Any] | None:
    """Return the parameter that a text stands for, alone in a tuple since it may be None."""
    if text is None:
        return None
    if isinstance(dimension, Choice):
        pairs = zip(dimension.values, _labels(dimension), strict=True)
        return next(((label,) for value, label in pairs if _reads_as(value, text)), None)
    try:
        value = int(text) if isinstance(dimension, IntRange) else float(text)
    except ValueError:
        return None
    return (value,) if dimension.contains(value) else None


def _reads_as(value: Any, text: str) -> bool:
    """Return whether a text is that of a value; a config turns 1 into 1.0 for some keys."""
    if str(value) == text:
        return True
    return isinstance(value, int) and not isinstance(value, bool) and str(float(value)) == text


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(_labels(dimension))
    if isinstance(dimension, IntRange):
        return IntDistribution(
            dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1
        )
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _labels(dimension: Choice) -> list[Scalar]:
    """Return choices as Optuna stores them: scalars unchanged, lists as JSON."""
    return [
        value if isinstance(value, bool | int | float | str | None) else json.dumps(value)
        for value in dimension.values
    ]
