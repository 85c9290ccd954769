"""`Section`, what every part of the config is."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

# What may name a config, a study and a registered model: it becomes part of paths and addresses.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Section(BaseModel):
    """A part of the config: keyword-only, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _take_no_truth_for_a_number(cls, values: Any) -> Any:
        """Refuse what YAML makes of `yes` or `off` where a number is asked for."""
        for name, field in cls.model_fields.items():
            value = values.get(name) if isinstance(values, dict) else None
            numbers = {int, float} & {field.annotation, *get_args(field.annotation)}
            if isinstance(value, bool) and numbers:
                raise ValueError(f"{name} must be a number, not true or false, but got {value}")
        return values
