"""The JSON schema of a config file, with which editors complete and check keys."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ecomclf.config.loading import Config, list_searchable_keys

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    """Leave titles out: pydantic makes them from the names of the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        """Return False for every key."""
        return False


def build_json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a config as users write it in YAML.

    It knows keys, types and limits. Rules about several keys, such as the sum of two sizes, are
    checked by `load_config` only.

    Example:
        >>> build_json_schema()["$defs"]["ModelConfig"]["properties"]["layers"]
        {'default': 1, 'description': 'Number of encoder layers.', 'minimum': 1, 'type': 'integer'}

    """
    schema = Config.model_json_schema(schema_generator=_WithoutTitles)
    del schema["required"]  # the name, which is by default that of the file
    for part in (schema, *schema["$defs"].values()):
        part["description"] = part["description"].split("\n\n")[0].replace("\n", " ")
    for key in schema["properties"].values():
        if "$ref" in key:
            del key["default"]  # a whole section, whose keys have defaults themselves
    schema["$defs"]["SweepConfig"]["properties"]["space"]["propertyNames"] = {
        "enum": list_searchable_keys()
    }
    return {"$schema": _DIALECT, **schema}
