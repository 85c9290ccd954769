"""YAML → one frozen, checked `Config`; overrides; flattening to dotted keys.

A config is never changed after loading: `with_values` gives a new, checked one.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from ecomclf.config.schema import (
    DataConfig,
    ModelConfig,
    RegistryConfig,
    SweepConfig,
    TextConfig,
    TrackingConfig,
    TrainConfig,
    WinnerConfig,
)
from ecomclf.config.section import NAME, Section
from ecomclf.errors import ConfigError

Scalar = bool | int | float | str | None


class Config(Section):
    """Everything a sweep or a single training needs to know."""

    name: str = Field(pattern=NAME)
    seed: int = Field(0, ge=0, lt=2**32)
    data: DataConfig = DataConfig()
    text: TextConfig = TextConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    sweep: SweepConfig = SweepConfig()
    winner: WinnerConfig = WinnerConfig()
    tracking: TrackingConfig = TrackingConfig()
    registry: RegistryConfig = RegistryConfig()

    def with_values(self, values: Mapping[str, Any]) -> "Config":
        """Give a checked copy with other values for some dotted keys."""
        raw = self.model_dump()
        for key, value in values.items():
            _put(raw, key, value)
        return _validate(raw)

    def possible_values(self, key: str) -> tuple[Any, ...]:
        """Give what a dotted key may be in a trial: what is searched, or the one value it has."""
        space = self.sweep.space
        probes = space[key].values_to_check() if key in space else ()
        tried = [self.with_values({key: value}) for value in probes] or [self]
        section, name = key.split(".")
        return tuple(getattr(getattr(config, section), name) for config in tried)

    def flat(self) -> dict[str, Scalar]:
        """Give the config as dotted keys, lists as text; without the search space."""
        flat = _flatten(self)
        del flat["sweep.space"]
        return flat

    def to_yaml(self) -> str:
        """Give the config as YAML that `load_config` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


# A trial that changed one of these could not be compared with its neighbours.
_NOT_SEARCHABLE = ("name", "data", "sweep", "winner", "tracking", "registry", "train.monitor")


def load_config(path: Path | str, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML file, put `key=value` overrides on it, check all of it, the space included.

    Raises:
        ConfigError: the file, a key, a value or the space is wrong; the message names it.

    """
    path = Path(path)
    raw = _read_yaml(path)
    raw.setdefault("name", path.stem)
    for override in overrides:
        _put(raw, *parse_override(override))
    try:
        config = _validate(raw)
        _check_space(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return config


def parse_override(text: str) -> tuple[str, Any]:
    """Read `key=value`; the value is YAML."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"an override must be key=value but got {text!r}")
    try:
        return key.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"the value in {text!r} is not YAML; quote it") from error


def split_overrides(text: str) -> list[str]:
    """Split `a.b=1 c.d=[x, y]` before each `key=`; values may hold spaces.

    >>> split_overrides("model.units=96 data.text_columns=[title, text]")
    ['model.units=96', 'data.text_columns=[title, text]']
    """
    parts: list[str] = []
    for part in re.split(r"\s+(?=[A-Za-z_]\w*(?:\.\w+)*=)", text.strip()):
        # Within brackets and quotes an equals sign belongs to a value.
        if parts and _is_open(parts[-1]):
            parts[-1] += f" {part}"
        elif part:
            parts.append(part)
    return parts


def _is_open(text: str) -> bool:
    # A quote opens where a value begins; within a word it is an apostrophe.
    opening = r"(?<=[=\[{,:\s])"
    rest = re.sub(rf"{opening}(?:'[^']*'|\"[^\"]*\")", "", text)
    brackets = any(rest.count(a) > rest.count(b) for a, b in ("[]", "{}"))
    return brackets or re.search(rf"{opening}['\"]", rest) is not None


def _flatten(section: BaseModel, prefix: str = "") -> dict[str, Scalar]:
    """Turn nested sections into dotted keys; lists and mappings become text."""
    flat: dict[str, Scalar] = {}
    for name in type(section).model_fields:
        key, value = f"{prefix}{name}", getattr(section, name)
        if isinstance(value, BaseModel):
            flat |= _flatten(value, f"{key}.")
        elif isinstance(value, tuple):
            flat[key] = str(list(value))
        else:
            flat[key] = str(value) if isinstance(value, dict) else value
    return flat


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one section: YAML would drop the first in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"the key {twice[0]!r} stands twice in one section")
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError as error:
        raise ConfigError(f"no config at {path}; the shipped ones are in configs/") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder; name a YAML file in it") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ConfigError(
            f"the config {path} is not UTF-8: byte 0x{byte:02x}; convert it"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not YAML: {reason}") from error
    if not isinstance(raw, dict):
        found = "nothing" if raw is None else type(raw).__name__
        raise ConfigError(f"{path} must hold keys and values but holds {found}")
    return raw


def _put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested dictionaries; the keys of the space hold dots themselves."""
    path = key.split(".")
    if path[:2] == ["sweep", "space"] and len(path) > 2:
        path = ["sweep", "space", *_space_path(raw, ".".join(path[2:]))]
    for name in path[:-1]:
        if raw.get(name) is None:
            raw[name] = {}
        raw = raw[name]
        if not isinstance(raw, dict):
            raise ConfigError(f"{key} cannot be set: {name} is a value, not a section")
    raw[path[-1]] = value


def _space_path(raw: dict[str, Any], key: str) -> list[str]:
    """Part `model.units.low` after the searched key, where there is one of that name."""
    section = raw.get("sweep")
    space = section.get("space") if isinstance(section, dict) else None
    for searched in space if isinstance(space, dict) else ():
        if key.startswith(f"{searched}."):
            return [searched, key.removeprefix(f"{searched}.")]
    return [key]


def _validate(raw: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        raise ConfigError(problems) from error


def _describe(problem: Any) -> str:
    """Say which key is wrong, the value, and what it takes."""
    # A discriminated union adds the chosen type to the location: no key of the file.
    names = [str(name) for name in problem["loc"]]
    if names[:2] == ["sweep", "space"]:
        names[3:] = [name for name in names[3:] if name not in ("choice", "int", "float")]
    key = ".".join(names)
    if problem["type"] == "extra_forbidden":
        section, known = _known_keys(names[:-1])
        close = difflib.get_close_matches(names[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}"
        return f"unknown key {names[-1]!r} in {section}; {hint}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if problem["type"] in ("value_error", "missing"):
        return f"{key}: {message}"
    return f"{key}: {message}, but got {problem['input']!r}"


def _known_keys(section: list[str]) -> tuple[str, list[str]]:
    """Name a section as people do, and list its keys."""
    if section[:2] == ["sweep", "space"]:
        return ".".join(section), ["type", "values", "low", "high", "step", "log"]
    model: type[BaseModel] = Config
    for name in section:
        annotation = model.model_fields[name].annotation
        assert isinstance(annotation, type)
        model = annotation
    return (".".join(section) or "the config"), list(model.model_fields)


def _check_space(config: Config) -> None:
    """Refuse a space over a key that is none, or with a value that the key refuses."""
    known = config.flat()
    for key, dimension in config.sweep.space.items():
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in _NOT_SEARCHABLE):
            raise ConfigError(
                f"sweep.space: {key} cannot be searched, its trials could not be compared; "
                "set it to one value"
            )
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "use a dotted config key"
            raise ConfigError(f"sweep.space: unknown key {key!r}; {hint}")
        for value in dimension.values_to_check():
            try:
                config.with_values({key: value})
            except ConfigError as error:
                raise ConfigError(f"sweep.space: the value {value!r} is refused: {error}") from None
    # What a transformer takes of one depends on the other.
    if "transformer" in config.possible_values("model.encoder"):
        keys = ("model.encoder", "model.units", "model.heads")
        sizes = itertools.product(*(config.possible_values(key) for key in keys[1:]))
        for units, heads in sizes:
            try:
                config.with_values(dict(zip(keys, ("transformer", units, heads), strict=True)))
            except ConfigError as error:
                raise ConfigError(f"sweep.space: values refused together: {error}") from None
    for guess in config.sweep.first:
        for key, value in guess.items():
            if key not in config.sweep.space:
                raise ConfigError(f"sweep.first: {key} is not searched; add it to sweep.space")
            if not config.sweep.space[key].contains(value):
                raise ConfigError(
                    f"sweep.first: the value {value!r} of {key} is not in sweep.space; take one "
                    "that is"
                )
