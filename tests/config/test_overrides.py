import pytest

from ecomclf.config.overrides import parse_overrides
from ecomclf.errors import ConfigError


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ([], {}),
        (["", "   ", "{}"], {}),
        (["model.units=96"], {"model.units": 96}),
        ([" model.units = 96 "], {"model.units": 96}),
        (["data.text_columns=[title, a=b]"], {"data.text_columns": ["title", "a=b"]}),
        (["data.text_columns=[title, the x=1]"], {"data.text_columns": ["title", "the x=1"]}),
        (["data.source='my x=1.csv'"], {"data.source": "my x=1.csv"}),
        (["data.source=my own file.csv"], {"data.source": "my own file.csv"}),
        (["data.source=men's.csv"], {"data.source": "men's.csv"}),
        (['data.fill_missing="it\'s x=1"'], {"data.fill_missing": "it's x=1"}),
        (["a.b={c: 'd [e=1', f: 2}"], {"a.b": {"c": "d [e=1", "f": 2}}),
        (["data.url=https://a.b/c?d=e"], {"data.url": "https://a.b/c?d=e"}),
        (["data.url=a=b"], {"data.url": "a=b"}),
        (["seed=3 # not x=1"], {"seed": 3}),
        (["train.resample.Hats & Co=4"], {"train.resample.Hats & Co": 4}),
        (["{model.units: 96, seed: 1}"], {"model.units": 96, "seed": 1}),
        (["{data.resample: {5: 600, 1: 225}}"], {"data.resample": {5: 600, 1: 225}}),
        (["{sweep.space.model.units.low: 6}"], {"sweep.space.model.units.low": 6}),
        (["{data.source: 'a b=1.csv', seed: 3}"], {"data.source": "a b=1.csv", "seed": 3}),
        (["seed=1", "{seed: 2}"], {"seed": 2}),
    ],
)
def test_overrides_are_parsed(texts: list[str], values: dict[str, object]) -> None:
    """`key=value` with a value in YAML, a YAML mapping, or nothing."""
    assert parse_overrides(texts) == values


def test_one_string_may_stand_for_a_list_of_one() -> None:
    """A string is itself an iterable of strings, which nobody means here."""
    assert parse_overrides("seed=3") == {"seed": 3}


def test_a_repeated_key_moves_to_the_end() -> None:
    """Overrides are applied in order, so the last value must come after any other key."""
    assert list(parse_overrides(["a.b=1", "a={}", "a.b=2"])) == ["a", "a.b"]


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("model.units=96 seed=1", "{model.units: 96, seed: 1}"),
        ("  model.units=96   seed=1 ", "{model.units: 96, seed: 1}"),
        ("model.units=96\nseed=1", "{model.units: 96, seed: 1}"),
        (
            "data.split=random_rows train.resample={}",
            "{data.split: random_rows, train.resample: {}}",
        ),
        ("data.source=men's.csv seed=3", "{data.source: men's.csv, seed: 3}"),
        # PyYAML takes no plain question mark within braces.
        ("data.url=https://a.b/c?d=e seed=3", "{key: value, other.key: value}"),
        (
            "data.text_columns=[title, text] model.units=96",
            "{data.text_columns: [title, text], model.units: 96}",
        ),
        ("data.text_columns=[title, a=b] seed=3", "{key: value, other.key: value}"),
        ("seed=3 seed=4", "{key: value, other.key: value}"),
    ],
)
def test_several_overrides_in_one_string_are_refused(text: str, mapping: str) -> None:
    """The message shows them as a YAML mapping, or the form of one."""
    with pytest.raises(ConfigError) as caught:
        parse_overrides([text])
    message = str(caught.value)
    assert f"write {mapping} instead of" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model.units", "must be key=value, or a YAML mapping"),
        ("model.units: 96", "must be key=value, or a YAML mapping"),
        ("=3", "but got '=3'"),
        ("model.units=[1", "the value in 'model.units=[1' is not valid YAML: line 1, column 3: "),
        ("data.source=2020-13-45", "is not valid YAML: month must be in 1..12"),
        ("train.resample={a: 1, a: 2}", "the key 'a' appears twice"),
        ("{model.units: 96", "the override '{model.units: 96' is not valid YAML"),
        ("{data.url: https://a.b/c?d=e}", "quote values with special characters"),
        ("{seed: 1} {seed: 2}", "is not valid YAML"),
        ("{seed: 1, seed: 2}", "the key 'seed' appears twice in one section; remove one"),
    ],
)
def test_an_invalid_override_is_refused(text: str, said: str) -> None:
    """The message is one line with the override and the reason."""
    with pytest.raises(ConfigError) as caught:
        parse_overrides([text])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
