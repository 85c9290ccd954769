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

from ecomclf.config.loading import Config, Scalar
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


def parse_params(config: Config, texts: Mapping[str, str]) -> dict[str, Any] | None:
    """Convert the parameters of a run, which MLflow stores as text, into those of its trial.

    Args:
        config: its search space, and how it writes the values.
        texts: the parameters of a run; others than those of the space are ignored.

    Returns:
        None if a value is missing, or is not in the search space.

    Example:
        >>> space = {"model.units": {"type": "int", "low": 8, "high": 16}}
        >>> config = Config.model_validate({"name": "any", "sweep": {"space": space}})
        >>> parse_params(config, {"model.units": "12", "seed": "1"})
        {'model.units': 12}
        >>> parse_params(config, {"model.units": "99"}) is None
        True

    """
    params = {}
    for key, dimension in config.sweep.space.items():
        found = _parse(config, key, dimension, texts.get(key))
        if found is None:
            return None
        params[key] = found[0]
    return params


def _parse(config: Config, key: str, dimension: Dimension, text: str | None) -> tuple[Any] | None:
    """Return the parameter that a text stands for, alone in a tuple since it may be None."""
    if text is None:
        return None
    if isinstance(dimension, Choice):
        named = [_as_text(config, key, value) for value in dimension.values]
        return (_labels(dimension)[named.index(text)],) if text in named else None
    try:
        value = int(text) if isinstance(dimension, IntRange) else float(text)
    except ValueError:
        return None
    return (value,) if dimension.contains(value) else None


def _as_text(config: Config, key: str, value: Any) -> str:
    """Return a choice as a run holds it: a config turns `2` into `2.0` for some keys."""
    return str(config.with_values({key: value}).flat()[key])


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
