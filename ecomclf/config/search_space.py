"""Dimensions of a search space: the values that a search may try for one config key."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ecomclf.config.section import Section

# Integer ranges with at most this many values are checked value by value.
_MOST_CHECKED = 100


class Choice(Section):
    """One of several values, such as `{type: choice, values: [lstm, gru]}`.

    Example:
        >>> Choice(type="choice", values=("lstm", "gru")).contains("gru")
        True

    """

    type: Literal["choice"]
    values: tuple[Any, ...] = Field(
        min_length=1,
        description="What may be tried: any values that the key takes, lists and null included.",
    )

    @model_validator(mode="after")
    def _require_different_values(self) -> Self:
        # Values may be lists, which cannot be hashed.
        for at, value in enumerate(self.values):
            if value in self.values[:at]:
                raise ValueError(f"values must differ but got {value!r} more than once")
        return self

    def values_to_check(self) -> tuple[Any, ...]:
        """Return the values that the key must accept."""
        return self.values

    def contains(self, value: Any) -> bool:
        """Return whether a search may try a value."""
        return value in self.values


def _is_whole(number: float) -> bool:
    return math.isclose(number, round(number))


class _Range(Section):
    def contains(self, value: Any) -> bool:
        """Return whether a search may try a value."""
        low, high, step = (getattr(self, name) for name in ("low", "high", "step"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not low <= value <= high or (isinstance(low, int) and value != int(value)):
            return False
        return step is None or _is_whole((value - low) / step)

    @model_validator(mode="after")
    def _require_consistent_bounds(self) -> Self:
        low, high, step, log = (getattr(self, name) for name in ("low", "high", "step", "log"))
        if low > high:
            raise ValueError(f"low must be at most high but got low {low} and high {high}")
        if log and low <= 0:
            raise ValueError(f"a log scale needs a low above 0 but got {low}")
        if log and step is not None:
            raise ValueError(f"a log scale takes no step but got step {step}")
        if step is not None and not _is_whole((high - low) / step):
            raise ValueError(f"steps of {step} from {low} must end at high but got high {high}")
        return self


class IntRange(_Range):
    """A range of whole numbers, such as `{type: int, low: 16, high: 64, step: 16}`.

    Example:
        >>> units = IntRange(type="int", low=16, high=64, step=16)
        >>> units.values_to_check(), units.contains(24)
        ((16, 32, 48, 64), False)

    """

    type: Literal["int"]
    low: int = Field(description="The smallest value, included.")
    high: int = Field(
        description="The largest value, included; with a step, a whole number of steps from `low`.",
    )
    step: int | None = Field(None, ge=1, description="Distance between values; by default 1.")
    log: bool = Field(
        False,
        description="Sample on a logarithmic scale, which takes no step and needs `low` above 0.",
    )

    def values_to_check(self) -> tuple[int, ...]:
        """Return the values that the key must accept: all values, or the ends of a wide range."""
        values = range(self.low, self.high + 1, self.step or 1)
        return tuple(values) if len(values) <= _MOST_CHECKED else (self.low, self.high)


class FloatRange(_Range):
    """A range of numbers, such as `{type: float, low: 0.0005, high: 0.005, log: true}`.

    Example:
        >>> FloatRange(type="float", low=0.1, high=0.5, step=0.2).contains(0.3)
        True

    """

    type: Literal["float"]
    low: float = Field(description="The smallest value, included.")
    high: float = Field(
        description="The largest value, included; with a step, a whole number of steps from `low`.",
    )
    step: float | None = Field(
        None, gt=0, description="Distance between values; by default the range is continuous."
    )
    log: bool = Field(
        False,
        description="Sample on a logarithmic scale, which takes no step and needs `low` above 0.",
    )

    def values_to_check(self) -> tuple[float, ...]:
        """Return the values that the key must accept: both ends and a number between them."""
        # Between whole ends this is no whole number, so a key of whole numbers refuses it.
        return (self.low, self.low + (self.high - self.low) / math.pi, self.high)


Dimension = Annotated[Choice | IntRange | FloatRange, Field(discriminator="type")]
