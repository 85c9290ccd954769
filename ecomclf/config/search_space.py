"""What a search may try for a config key: some values, or a range."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ecomclf.config.section import Section

# All values of a range are looked at where there are no more.
_FEW = 100


class Choice(Section):
    """One of `values`."""

    type: Literal["choice"]
    values: tuple[Any, ...] = Field(min_length=1)

    def values_to_check(self) -> tuple[Any, ...]:
        """Give the values that must be allowed for the whole of it to be allowed."""
        return self.values

    def contains(self, value: Any) -> bool:
        """Say whether a search may try a value."""
        return value in self.values


def _is_whole(number: float) -> bool:
    return math.isclose(number, round(number))


class _Range(Section):
    def contains(self, value: Any) -> bool:
        """Say whether a search may try a value."""
        low, high, step = (getattr(self, name) for name in ("low", "high", "step"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not low <= value <= high or (isinstance(low, int) and value != int(value)):
            return False
        return step is None or _is_whole((value - low) / step)

    @model_validator(mode="after")
    def _hold_something(self) -> Self:
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
    """A whole number from `low` to `high`, both included; in steps of `step` from `low`."""

    type: Literal["int"]
    low: int
    high: int
    step: int | None = Field(None, ge=1)
    log: bool = False

    def values_to_check(self) -> tuple[int, ...]:
        """Give the values that must be allowed for the whole of it to be allowed."""
        values = range(self.low, self.high + 1, self.step or 1)
        return tuple(values) if len(values) <= _FEW else (self.low, self.high)


class FloatRange(_Range):
    """A number from `low` to `high`, both included; in steps of `step` from `low`."""

    type: Literal["float"]
    low: float
    high: float
    step: float | None = Field(None, gt=0)
    log: bool = False

    def values_to_check(self) -> tuple[float, ...]:
        """Give the values that must be allowed for the whole of it to be allowed."""
        # The one between is no whole number for any width: a key that takes only those refuses it.
        return (self.low, self.low + (self.high - self.low) / math.pi, self.high)


Dimension = Annotated[Choice | IntRange | FloatRange, Field(discriminator="type")]
