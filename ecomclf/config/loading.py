"""Load a `Config` from YAML, apply overrides, check all of it."""

import copy
import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from ecomclf.config.data_section import DataConfig
from ecomclf.config.overrides import parse_overrides, parse_yaml
from ecomclf.config.schema import (
    ModelConfig,
    RegistryConfig,
    SweepConfig,
    TextConfig,
    TrackingConfig,
    TrainConfig,
    WinnerConfig,
)
from ecomclf.config.section import NAME, Section
from ecomclf.config.values import FILL_WORD, NOT_BLANK
from ecomclf.errors import ConfigError

Scalar = bool | int | float | str | None

# What the patterns of the schema mean, for messages.
_PATTERNS = {
    NAME: "must start with a letter or digit and consist of letters, digits, '_', '.' and '-'",
    FILL_WORD: "must not start with a space",
    NOT_BLANK: "must not be blank",
}


class Config(Section):
    """Everything that a sweep or a single training needs to know.

    `load_config` reads one from a YAML file. Sections and keys are attributes, such as
    `config.model.units`; docs/config.md lists all of them. A config never changes after loading;
    `with_values` returns another.

    Example:
        >>> config = Config(name="mine").with_values({"model.units": 96, "train.epochs": 4})
        >>> config.model.units, config.train.epochs, config.train.batch_size
        (96, 4, 64)

    """

    name: str = Field(
        pattern=NAME,
        description="Part of the default name of a study: letters, digits, `_`, `.` and `-`, "
        "starting with a letter or digit. By default the file's name, without its suffix.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Random seed of a training: initial weights, dropout, order of the batches, "
        "`train.resample` and `train.word_swap`.",
    )
    data: DataConfig = Field(
        DataConfig(), description="Where the rows come from, and how they are split."
    )
    text: TextConfig = Field(
        TextConfig(), description="How texts are cleaned, and how much of them is kept."
    )
    model: ModelConfig = Field(ModelConfig(), description="The network.")
    train: TrainConfig = Field(TrainConfig(), description="How one network is trained.")
    sweep: SweepConfig = Field(
        SweepConfig(),
        description="The search: number of trials, workers, sampler, pruner, search space.",
    )
    winner: WinnerConfig = Field(
        WinnerConfig(),
        description="What the winner consists of, and which predictions need a review.",
    )
    tracking: TrackingConfig = Field(TrackingConfig(), description="Where runs are logged.")
    registry: RegistryConfig = Field(
        RegistryConfig(), description="The registered model, and what a new version must reach."
    )

    def with_values(self, values: Mapping[str, Any]) -> "Config":
        """Return a checked copy with other values for some dotted keys.

        Raises:
            ConfigError: a key is unknown or does not take its value.

        """
        raw = self.model_dump()
        for key, value in values.items():
            _put(raw, key, value)
        return _validate(raw)

    def possible_values(self, key: str) -> tuple[Any, ...]:
        """Return the values of a dotted key to check before a sweep.

        A searched key has those of its dimension, see `values_to_check`; any other key has one.

        >>> config = Config(name="mine")
        >>> config.possible_values("train.epochs")
        (10,)
        >>> space = {"train.epochs": {"type": "choice", "values": [4, 8]}}
        >>> config.with_values({"sweep.space": space}).possible_values("train.epochs")
        (4, 8)

        """
        space = self.sweep.space
        probes = space[key].values_to_check() if key in space else ()
        tried = [self.with_values({key: value}) for value in probes] or [self]
        section, name = key.split(".")
        return tuple(getattr(getattr(config, section), name) for config in tried)

    def flat(self) -> dict[str, Scalar]:
        """Return values by dotted key, lists and mappings as text; without the search space.

        >>> flat = Config(name="mine").flat()
        >>> flat["model.units"], flat["text.steps"]
        (64, "['lowercase', 'punctuation']")

        """
        flat = _flatten(self)
        del flat["sweep.space"]
        return flat

    def to_yaml(self) -> str:
        """Return the config as YAML, which `load_config` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


_SECTIONS = {
    name
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
# Trials that differ in one of these could not be compared with each other.
_NOT_SEARCHABLE = ("name", "data", "sweep", "winner", "tracking", "registry", "train.monitor")


def list_searchable_keys() -> list[str]:
    """Return the dotted keys that a search space may have."""
    return [key for key in Config(name="any").flat() if not _is_fixed(key)]


def load_config(path: Path | str, overrides: Mapping[str, Any] | Iterable[str] = ()) -> Config:
    """Load a YAML file, apply overrides, and check all of it, the search space included.

    Args:
        path: the YAML file.
        overrides: values by dotted key, such as `{"train.epochs": 4}`, or strings as
            `parse_overrides` reads them. Later ones go before earlier ones.

    Raises:
        ConfigError: the file, a key, a value or the search space is invalid; the message names it.

    Example:
        config = load_config("configs/sample.yaml", {"train.epochs": 4})

    """
    path = Path(path)
    raw = _read_yaml(path)
    values = overrides if isinstance(overrides, Mapping) else parse_overrides(overrides)
    for key, value in values.items():
        _put(raw, key, value)
    if "name" not in raw:
        raw["name"] = _name_of(path)
    try:
        return parse_config(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_config(raw: Mapping[str, Any]) -> Config:
    """Check nested values as a YAML file holds them, the search space included.

    Raises:
        ConfigError: a key, a value or the search space is invalid.

    """
    config = _validate(dict(raw))
    _check_space(config)
    return config


def _name_of(path: Path) -> str:
    """Return the name of a config whose file has no key `name`."""
    if not re.fullmatch(NAME, path.stem):
        raise ConfigError(
            f"{path}: the config's name, which comes from the file's name, {_PATTERNS[NAME]}, but "
            f"got {path.stem!r}; add a line such as `name: my-config` to the file, or rename it"
        )
    return path.stem


def _flatten(section: BaseModel, prefix: str = "") -> dict[str, Scalar]:
    """Return values by dotted key; lists and mappings become text."""
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


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"no config at {path}; `ecomclf init FILE` writes one for a file of labelled texts"
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder; name a YAML file in it") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ConfigError(
            f"the config {path} must be UTF-8 but has the byte 0x{byte:02x}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from error
    try:
        raw = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        found = "nothing" if raw is None else f"a {type(raw).__name__}"
        raise ConfigError(f"{path} must hold a mapping of keys to values but holds {found}")
    return raw


def _put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested dictionaries.

    A mapping for a whole section sets the keys that it names and leaves the others.
    """
    if not isinstance(key, str):
        raise ConfigError(f"a key must be text but got {key!r}")
    if key in _SECTIONS and isinstance(value, Mapping):
        for name, inner in value.items():
            _put(raw, f"{key}.{name}", inner)
        return
    path = key.split(".")
    # The keys of the search space contain dots themselves.
    if path[:2] == ["sweep", "space"] and len(path) > 2:
        path = ["sweep", "space", *_space_path(raw, ".".join(path[2:]))]
    for name in path[:-1]:
        if raw.get(name) is None:
            raw[name] = {}
        raw = raw[name]
        if not isinstance(raw, dict):
            raise ConfigError(f"{key} cannot be set: {name} is a value, not a section")
    raw[path[-1]] = copy.deepcopy(value)


def _space_path(raw: dict[str, Any], key: str) -> list[str]:
    """Split `model.units.low` after the searched key, if the space has one of that name."""
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
    """Return which key is wrong, what it takes, and the value that it got."""
    # A discriminated union adds the chosen type to the location, which is no key of the file.
    names = [str(name) for name in problem["loc"]]
    if names[:2] == ["sweep", "space"]:
        names[3:] = [name for name in names[3:] if name not in ("choice", "int", "float")]
    # An invalid class name is located by itself and "[key]".
    if names[-1] == "[key]":
        names = names[:-2]
    key = ".".join(names)
    if problem["type"] == "extra_forbidden":
        section, known = _known_keys(names[:-1])
        close = difflib.get_close_matches(names[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
        return f"unknown key {names[-1]!r} in {section}; {hint}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_pattern_mismatch":
        message = _PATTERNS[problem["ctx"]["pattern"]]
    message = message[0].lower() + message[1:]
    if problem["type"] in ("value_error", "missing"):
        return f"{key}: {message}"
    return f"{key}: {message}, but got {problem['input']!r}"


def _known_keys(section: list[str]) -> tuple[str, list[str]]:
    """Return the name of a section for messages, and its keys."""
    if section[:2] == ["sweep", "space"]:
        return ".".join(section), ["type", "values", "low", "high", "step", "log"]
    model: type[BaseModel] = Config
    for name in section:
        annotation = model.model_fields[name].annotation
        assert isinstance(annotation, type)
        model = annotation
    return (".".join(section) or "the config"), list(model.model_fields)


def _is_fixed(key: str) -> bool:
    """Return whether trials that differ in a dotted key could not be compared."""
    return any(key == fixed or key.startswith(f"{fixed}.") for fixed in _NOT_SEARCHABLE)


def _check_space(config: Config) -> None:
    """Raise a ConfigError if a searched key is unknown or refuses a value of its dimension."""
    known = config.flat()
    for key, dimension in config.sweep.space.items():
        if _is_fixed(key):
            raise ConfigError(
                f"sweep.space: {key} cannot be searched, since its trials could not be compared; "
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
                raise ConfigError(
                    f"sweep.space: the value {value!r} is not allowed: {error}"
                ) from None
    # For a transformer, the units that are allowed depend on the heads.
    if "transformer" in config.possible_values("model.encoder"):
        keys = ("model.encoder", "model.units", "model.heads")
        sizes = itertools.product(*(config.possible_values(key) for key in keys[1:]))
        for units, heads in sizes:
            try:
                config.with_values(dict(zip(keys, ("transformer", units, heads), strict=True)))
            except ConfigError as error:
                raise ConfigError(f"sweep.space: values not allowed together: {error}") from None
    for guess in config.sweep.first:
        for key, value in guess.items():
            if key not in config.sweep.space:
                raise ConfigError(f"sweep.first: {key} is not searched; add it to sweep.space")
            if not config.sweep.space[key].contains(value):
                raise ConfigError(
                    f"sweep.first: the value {value!r} of {key} is not in sweep.space; use one "
                    "that is, or add it there"
                )
