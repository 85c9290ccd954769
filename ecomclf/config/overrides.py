"""Parse overrides, and YAML in general."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from ecomclf.errors import ConfigError

# The beginning of a second override in a string that holds one.
_NEXT_KEY = re.compile(r"\s+(?=[A-Za-z_]\w*(?:\.\w+)*=)")


def parse_overrides(texts: Iterable[str]) -> dict[str, Any]:
    """Parse overrides as the command line takes them: values by dotted key.

    Args:
        texts: each is `key=value`, the value in YAML; or a YAML mapping in braces of dotted keys to
            values; or empty. The last of several values for a key holds.

    Raises:
        ConfigError: a text is neither, or holds more than one `key=value`.

    Example:
        >>> parse_overrides(["train.epochs=4", "{model.units: 96, text.steps: [lowercase]}", ""])
        {'train.epochs': 4, 'model.units': 96, 'text.steps': ['lowercase']}

    """
    values: dict[str, Any] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        for key, value in _parse_override(text.strip()).items():
            values.pop(key, None)  # so that the order is that of the last values
            values[key] = value
    return values


def _parse_override(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if text.startswith("{"):
        return _parse_mapping(text)
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(
            "an override must be key=value, or a YAML mapping such as {model.units: 96, seed: 1}, "
            f"but got {text!r}"
        )
    if _holds_next_key(value):
        raise ConfigError(
            "several overrides in one string must be a YAML mapping: write "
            f"{_suggest_mapping(text)} instead of {text!r}, or quote the value"
        )
    try:
        return {key.strip(): parse_yaml(value)}
    except ValueError as error:
        raise ConfigError(f"the value in {text!r} is not valid YAML: {error}; quote it") from error


def _parse_mapping(text: str) -> dict[str, Any]:
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(
            f"the override {text!r} is not valid YAML: {error}; quote values with special "
            "characters"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"the override {text!r} must be one YAML mapping")
    return values


def _holds_next_key(value: str) -> bool:
    """Return whether ` key=` follows in a value, outside of quotes and brackets."""
    try:
        node = yaml.compose(value, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return _NEXT_KEY.search(value) is not None
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return False
    return _NEXT_KEY.search(node.value) is not None


def _suggest_mapping(text: str) -> str:
    """Return the mapping that `a=1 b=2` stands for, or an example if its values are not simple."""
    parts = [part.partition("=") for part in _NEXT_KEY.split(text)]
    mapping = f"{{{', '.join(f'{key}: {value}' for key, _, value in parts)}}}"
    try:
        understood = set(_parse_mapping(mapping)) == {key for key, _, _ in parts}
    except ConfigError:
        understood = False
    return mapping if understood else "{key: value, other.key: value}"


class _UniqueKeys(yaml.SafeLoader):
    """Refuse a key that appears twice in a mapping; PyYAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ConfigError(f"the key {twice[0]!r} appears twice in one section; remove one")
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> Any:
    """Return the value that a YAML text stands for.

    Raises:
        ValueError: the text is not valid YAML; the message is one line.
        ConfigError: a mapping has a key twice.

    >>> parse_yaml("{units: 64, steps: [lowercase]}")
    {'units': 64, 'steps': ['lowercase']}

    """
    try:
        return yaml.load(text, Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
