from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from ecomclf.config.loading import load_config
from ecomclf.config.search_space import Choice, Dimension, FloatRange, IntRange
from ecomclf.errors import ConfigError


def write(folder: Path, key: str, dimension: dict[str, object]) -> Path:
    """Return the path of a config that searches one key."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"sweep": {"space": {key: dimension}}}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "dimension", "kind"),
    [
        ("model.units", {"type": "choice", "values": [8, 16]}, Choice),
        ("model.pooling", {"type": "choice", "values": ["last", "max"]}, Choice),
        ("model.dense_units", {"type": "choice", "values": [None, 16]}, Choice),
        ("text.steps", {"type": "choice", "values": [["lowercase"], []]}, Choice),
        ("model.units", {"type": "int", "low": 8, "high": 64, "step": 8}, IntRange),
        ("model.units", {"type": "int", "low": 8, "high": 8}, IntRange),
        ("text.max_tokens", {"type": "int", "low": 3, "high": 9000, "log": True}, IntRange),
        ("model.dropout", {"type": "float", "low": 0, "high": 0.99}, FloatRange),
        ("train.learning_rate", {"type": "float", "low": 1e-4, "high": 1, "log": True}, FloatRange),
    ],
)
def test_values_that_a_key_accepts_can_be_searched(
    tmp_path: Path, key: str, dimension: dict[str, object], kind: type
) -> None:
    """Values and ranges that the key accepts become a dimension of the given type."""
    assert isinstance(load_config(write(tmp_path, key, dimension)).sweep.space[key], kind)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.unit", "model.units"),
        ("colour", "dotted config key"),
        ("model", "'model'"),
        ("learning_rate", "'learning_rate'"),
    ],
)
def test_an_unknown_key_is_refused(tmp_path: Path, key: str, hint: str) -> None:
    """The message names the key and, if there is one, a similar key."""
    path = write(tmp_path, key, {"type": "choice", "values": [1]})
    with pytest.raises(ConfigError, match=f"unknown key '{key}'") as caught:
        load_config(path)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("key", "dimension", "value"),
    [
        ("model.units", {"type": "int", "low": 0, "high": 8}, "0"),
        ("model.dropout", {"type": "float", "low": 0.5, "high": 1.0}, "1.0"),
        ("model.dropout", {"type": "float", "low": -0.5, "high": 0.5}, "-0.5"),
        ("seed", {"type": "int", "low": 0, "high": 2**32}, "4294967296"),
        ("model.units", {"type": "choice", "values": [8, "many"]}, "'many'"),
        ("model.pooling", {"type": "choice", "values": ["last", "mean"]}, "'mean'"),
        ("text.steps", {"type": "choice", "values": [["lowercase"], ["upper"]]}, "'upper'"),
        ("model.encoder", {"type": "int", "low": 1, "high": 2}, "1"),
    ],
)
def test_a_value_that_the_key_does_not_accept_is_refused(
    tmp_path: Path, key: str, dimension: dict[str, object], value: str
) -> None:
    """An invalid bound or choice is named with its key, before any trial."""
    with pytest.raises(ConfigError, match=r"sweep\.space: the value") as caught:
        load_config(write(tmp_path, key, dimension))
    message = str(caught.value)
    assert key in message
    assert f"got {value}" in message
    assert "\n" not in message


def test_a_float_range_over_an_integer_key_is_refused(tmp_path: Path) -> None:
    """It is invalid even if both bounds are whole numbers."""
    path = write(tmp_path, "model.units", {"type": "float", "low": 16, "high": 64})
    with pytest.raises(ConfigError, match=r"model\.units: .*integer"):
        load_config(path)


@pytest.mark.parametrize(
    ("dimension", "said"),
    [
        ({"type": "int", "low": 5, "high": 3}, "low 5 and high 3"),
        ({"type": "float", "low": 0.5, "high": 0.25}, "low 0.5 and high 0.25"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, "log scale needs a low above 0"),
        ({"type": "int", "low": 0, "high": 8, "log": True}, "log scale needs a low above 0"),
        ({"type": "int", "low": 1, "high": 8, "log": True, "step": 2}, "takes no step"),
        ({"type": "int", "low": 1, "high": 8, "step": 0}, "got 0"),
        ({"type": "choice", "values": []}, "got []"),
        ({"type": "choice"}, "values"),
        ({"type": "int", "high": 8}, "low"),
        ({"type": "normal", "low": 1, "high": 8}, "normal"),
        ({"low": 1, "high": 8}, "type"),
        ({"type": "choice", "values": [8], "low": 1}, "'low'"),
    ],
)
def test_an_invalid_dimension_is_refused(
    tmp_path: Path, dimension: dict[str, object], said: str
) -> None:
    """A reversed range, missing values or an unknown type are named with the searched key."""
    with pytest.raises(ConfigError, match=r"sweep\.space\.model\.units") as caught:
        load_config(write(tmp_path, "model.units", dimension))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.test_size", 0.2),
        ("data.split_seed", 3),
        ("sweep.seed", 3),
        ("tracking.experiment", "other"),
        ("train.monitor", "val_accuracy"),
        ("name", "other"),
    ],
)
def test_keys_that_make_trials_comparable_cannot_be_searched(
    tmp_path: Path, key: str, value: object
) -> None:
    """Trials that differ in the split or the metric could not be compared."""
    path = write(tmp_path, key, {"type": "choice", "values": [value]})
    with pytest.raises(ConfigError, match=f"{key} cannot be searched"):
        load_config(path)


def test_a_space_from_an_override_is_checked(tmp_path: Path) -> None:
    """The space is checked after the overrides are applied."""
    path = write(tmp_path, "model.units", {"type": "int", "low": 1, "high": 8})
    with pytest.raises(ConfigError, match="low must be at most high"):
        load_config(path, ["sweep.space.model.units={type: int, low: 9, high: 8}"])


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        ({"type": "choice", "values": [32, "a", None]}, [32, "a", None], [33, "b"]),
        ({"type": "int", "low": 4, "high": 10, "step": 2}, [4, 6, 10], [5, 2, 12, 6.5, True, "6"]),
        ({"type": "float", "low": 0.1, "high": 0.6}, [0.1, 0.35, 0.6], [0.0, 0.61, "x", None]),
        ({"type": "float", "low": 0.1, "high": 0.5, "step": 0.2}, [0.1, 0.3, 0.5], [0.2]),
    ],
)
def test_a_dimension_contains_its_values(
    dimension: dict[str, object], inside: list[object], outside: list[object]
) -> None:
    """Both bounds are included, and steps are counted from the lower one."""
    read = TypeAdapter(Dimension).validate_python(dimension)
    assert all(read.contains(value) for value in inside)
    assert not any(read.contains(value) for value in outside)


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        ({"model.dropout": 0.2}, "model.dropout is not searched"),
        ({"model.units": 99}, "the value 99 of model.units is not in sweep.space"),
    ],
)
def test_a_first_trial_outside_of_the_space_is_refused(
    tmp_path: Path, guess: dict[str, object], said: str
) -> None:
    """The sampler could not learn from it."""
    path = write(tmp_path, "model.units", {"type": "int", "low": 1, "high": 8})
    with pytest.raises(ConfigError, match=said):
        load_config(path, [f"sweep.first={[guess]}"])


@pytest.mark.parametrize("values", [[8, 16, 8], [["lowercase"], ["lowercase"]]])
def test_a_choice_names_each_value_once(values: list[object]) -> None:
    """Otherwise the same values would be two combinations, and be trained twice."""
    with pytest.raises(ValueError, match="values must differ but got"):
        Choice(type="choice", values=tuple(values))
