"""`Section`, the base class of all parts of a config."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

# Valid names of configs, studies and registered models, which become parts of paths and URLs.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Section(BaseModel):
    """A part of a config: keyword-only, frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, values: Any) -> Any:
        """Refuse true and false for a number: pydantic would convert them, YAML writes `yes`."""
        for name, field in cls.model_fields.items():
            value = values.get(name) if isinstance(values, dict) else None
            numbers = {int, float} & {field.annotation, *get_args(field.annotation)}
            if isinstance(value, bool) and numbers:
                raise ValueError(f"{name} must be a number, not true or false, but got {value}")
        return values
