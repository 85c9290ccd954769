from pathlib import Path

import pytest
from pydantic import ValidationError

from ecomclf.config.loading import Config, load_config, parse_override, split_overrides
from ecomclf.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path for path in CONFIGS.rglob("*") if path.suffix in (".yaml", ".yml"))


def write(folder: Path, text: str) -> Path:
    """Return the path of a config with this text."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    """Return the message with which a config is refused, checked to be one line."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def test_configs_are_shipped() -> None:
    """The folder of shipped configs holds the three of the README at least."""
    assert {"sample", "ecommerce", "app_reviews"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_searches_the_three_main_sizes(path: Path) -> None:
    """A shipped config loads, is named after its file and searches embedding, units, dropout."""
    config = load_config(path)
    assert config.name == path.stem
    assert {"model.embedding_dim", "model.units", "model.dropout"} <= set(config.sweep.space)


def test_a_config_of_no_keys_has_the_defaults_and_the_name_of_its_file(tmp_path: Path) -> None:
    """What a file leaves out is the default; its name is that of the file."""
    assert load_config(write(tmp_path, "{}")) == Config(name="mine")


def test_a_name_in_the_file_goes_before_the_name_of_the_file(tmp_path: Path) -> None:
    """A config may be called otherwise than its file."""
    assert load_config(write(tmp_path, "name: other")).name == "other"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("modle: {}", ("'modle'", "the config")),
        ("model: {int: 3}", ("'int'", "in model")),
        ("model: {unit: 3}", ("'unit'", "in model", "units")),
        ("data: {colour: red}", ("'colour'", "in data", "label_column")),
        ("train: {sgd: 1}", ("'sgd'", "in train")),
        (
            "sweep: {space: {model.units: {type: int, low: 1, high: 4, stp: 1}}}",
            ("'stp'", "sweep.space.model.units", "step"),
        ),
    ],
)
def test_an_unknown_key_is_refused(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    """The message names the key, its section, and what it may have been meant for."""
    message = refusal(write(tmp_path, text))
    assert "unknown key" in message
    assert all(name in message for name in named)
    assert "mine.yaml" in message


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("model: {units: many}", "model.units", "'many'"),
        ("model: {units: -3}", "model.units", "-3"),
        ("model: {units: 3.5}", "model.units", "3.5"),
        ("model: {dropout: 1.0}", "model.dropout", "1.0"),
        ("model: {units: yes}", "model", "True"),
        (
            "sweep: {space: {model.units: {type: int, low: 1, high: 9, step: 5}}}",
            "sweep.space.model.units",
            "high 9",
        ),
        ("model: {dropout: off}", "model", "False"),
        ("model: {encoder: rnn}", "model.encoder", "'rnn'"),
        ("model: {padding: both}", "model.padding", "'both'"),
        ("model: {embeddings: ''}", "model.embeddings", "''"),
        ("model: {heads: 0}", "model.heads", "0"),
        ("model: {pooled_dropout: 1.0}", "model.pooled_dropout", "1.0"),
        ("train: {schedule: linear}", "train.schedule", "'linear'"),
        ("train: {stop_on: val_accuracy}", "train.stop_on", "'val_accuracy'"),
        ("train: {keep: first}", "train.keep", "'first'"),
        ("train: {word_swap: 1.5}", "train.word_swap", "1.5"),
        ("train: {resample: {a: 0}}", "train.resample.a", "0"),
        ("train: {resample: {5: 1.5}}", "train.resample.5", "1.5"),
        ("train: {resample: 600}", "train.resample", "600"),
        (
            "data: {split: random_rows, resample: {a: 3, b: -1}}",
            "data.resample.b",
            "-1",
        ),
        ("model: 3", "model", "3"),
        ("text: {steps: [lowercase, upper]}", "text.steps.1", "'upper'"),
        ("text: {max_length: 0}", "text.max_length", "0"),
        ("data: {text_columns: []}", "data.text_columns", "[]"),
        ("data: {text_columns: title}", "data.text_columns", "'title'"),
        ("data: {text_columns: [on]}", "data.text_columns.0", "True"),
        ("data: {label_column: no}", "data.label_column", "False"),
        ("data: {validation_size: -0.1}", "data.validation_size", "-0.1"),
        ("train: {learning_rate: .nan}", "train.learning_rate", "nan"),
        ("train: {learning_rate: 0}", "train.learning_rate", "0"),
        ("sweep: {trials: 0}", "sweep.trials", "0"),
        ("seed: -1", "seed", "-1"),
        ("name: a/b", "name", "'a/b'"),
    ],
)
def test_a_value_that_a_key_does_not_take_is_refused(
    tmp_path: Path, text: str, key: str, value: str
) -> None:
    """The message names the dotted key and the value that it got."""
    message = refusal(write(tmp_path, text))
    assert f" {key}: " in message
    assert f"got {value}" in message


def test_sizes_that_leave_no_row_to_train_on_are_refused(tmp_path: Path) -> None:
    """Validation and test rows together must be less than all rows."""
    message = refusal(write(tmp_path, "data: {validation_size: 0.7, test_size: 0.5}"))
    assert "validation_size + test_size" in message
    assert "1.2" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test_source: t.csv", ("'sample'", "a path")),
        ("source: ecommerce, test_source: t.csv", ("'ecommerce'", "a path")),
        ("source: a.csv, test_source: t.csv, split: random_rows", ("split", "'random_rows'")),
    ],
)
def test_test_rows_come_from_one_place(tmp_path: Path, text: str, said: tuple[str, ...]) -> None:
    """A test file stands beside another file, and its rows are not drawn as well."""
    message = refusal(write(tmp_path, f"data: {{{text}}}"))
    assert "test_source" in message
    assert all(words in message for words in said)


def test_beside_a_test_file_the_test_size_is_not_used(tmp_path: Path) -> None:
    """Validation rows may be more than what `test_size` would leave."""
    text = "data: {source: a.csv, test_source: t.csv, validation_size: 0.5, test_size: 0.5}"
    assert load_config(write(tmp_path, text)).data.validation_size == 0.5


def test_a_transformer_shares_its_units_among_its_heads(tmp_path: Path) -> None:
    """Units that two halves of each head cannot share evenly are refused; others need not."""
    path = write(tmp_path, "model: {encoder: transformer, units: 20}")
    assert "units must be a multiple of 2 x heads, 8, " in refusal(path)
    assert "20" in refusal(path)
    assert load_config(path, ["model.heads=5"]).model.heads == 5
    assert load_config(path, ["model.units=24"]).model.units == 24
    assert load_config(path, ["model.encoder=gru"]).model.units == 20


def test_a_search_may_not_give_a_transformer_units_it_cannot_share(tmp_path: Path) -> None:
    """Each value is allowed with those of the file, but not all with each other."""
    text = """sweep: {space: {
        model.encoder: {type: choice, values: [lstm, transformer]},
        model.units: {type: int, low: 16, high: 64, step: %s}}}"""
    message = refusal(write(tmp_path, text % 4))
    assert "sweep.space" in message
    assert "units must be a multiple of 2 x heads" in message
    assert load_config(write(tmp_path, text % 8)).sweep.space


def test_rows_that_groups_keep_together_are_not_resampled(tmp_path: Path) -> None:
    """Copies would stand on two sides: the message names the key that leaves the others alone."""
    path = write(tmp_path, "data: {resample: {a: 5}}")
    message = refusal(path)
    assert "data: resample" in message
    assert "'groups'" in message
    assert "train.resample" in message
    assert load_config(path, ["data.split=random_rows"]).data.resample == {"a": 5}
    assert load_config(write(tmp_path, "train: {resample: {a: 5}}")).train.resample == {"a": 5}


@pytest.mark.parametrize(
    ("text", "overrides", "found"),
    [
        ("train: {resample: {5: 600, 1.5: 2, shoes: 3}}", [], {"5": 600, "1.5": 2, "shoes": 3}),
        ("{}", ["train.resample={5: 3, Hats & Co: 4}"], {"5": 3, "Hats & Co": 4}),
        ("{}", ["train.resample.5=3"], {"5": 3}),
        ("train: {resample: {5: 600, 1: 2}}", ["train.resample.5=3"], {"5": 3, "1": 2}),
        ("train: {resample: {5: 600, 1: 2}}", ["train.resample={5: 3}"], {"5": 3}),
        ("train: {resample: {5: 600}}", ["train.resample={}"], {}),
    ],
)
def test_a_class_to_resample_may_be_a_number(
    tmp_path: Path, text: str, overrides: list[str], found: dict[str, int]
) -> None:
    """What YAML takes for a number is the name of a class; an override goes before the file."""
    assert load_config(write(tmp_path, text), overrides).train.resample == found


def test_two_wrong_keys_are_named_together(tmp_path: Path) -> None:
    """One reading of the message is enough to mend the whole file."""
    message = refusal(write(tmp_path, "model: {units: 0, unit: 1}"))
    assert "model.units" in message
    assert "'unit'" in message


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.units=96", "model.units", 96),
        ("train.learning_rate=1e-3", "train.learning_rate", 0.001),
        ("model.dropout=.25", "model.dropout", 0.25),
        ("model.bidirectional=false", "model.bidirectional", False),
        ("model.dense_units=null", "model.dense_units", None),
        ("data.source=my file.csv", "data.source", "my file.csv"),
        ("data.url=https://a.b/c?d=e", "data.url", "https://a.b/c?d=e"),
        ("name=other", "name", "other"),
    ],
)
def test_an_override_goes_before_the_file(
    tmp_path: Path, override: str, key: str, value: object
) -> None:
    """`key=value` sets a dotted key, the value read as YAML and turned into the key's type."""
    path = write(tmp_path, "model: {units: 8, dropout: 0.9, dense_units: 4}")
    found = load_config(path, [override]).flat()[key]
    assert found == value
    assert type(found) is type(value)


def test_an_override_leaves_the_keys_beside_it(tmp_path: Path) -> None:
    """Only the key that is named changes, not its section."""
    path = write(tmp_path, "model: {units: 8, dropout: 0.9}")
    before, after = load_config(path).flat(), load_config(path, ["model.units=9"]).flat()
    assert after == {**before, "model.units": 9}


def test_an_override_takes_lists(tmp_path: Path) -> None:
    """A list of columns or of steps can be given on the command line, its order kept."""
    overrides = ["data.text_columns=[title, 2]", "text.steps=[punctuation, lowercase]"]
    config = load_config(write(tmp_path, "{}"), overrides)
    assert config.data.text_columns == ("title", 2)
    assert config.text.steps == ("punctuation", "lowercase")


def test_an_override_takes_a_dimension_of_the_search(tmp_path: Path) -> None:
    """The keys of the space hold dots themselves and can be set all the same."""
    override = "sweep.space.train.learning_rate={type: float, low: 1e-4, high: 1e-2, log: true}"
    (key, dimension) = next(
        iter(load_config(write(tmp_path, "{}"), [override]).sweep.space.items())
    )
    assert key == "train.learning_rate"
    assert dimension.values_to_check()[0] == 0.0001


def test_an_override_takes_one_end_of_a_searched_range(tmp_path: Path) -> None:
    """The dots of a searched key and those of the path to it are told apart."""
    text = "sweep: {space: {model.units: {type: int, low: 4, high: 8}}}"
    config = load_config(write(tmp_path, text), ["sweep.space.model.units.low=6"])
    assert config.sweep.space["model.units"].model_dump() == {
        "type": "int", "low": 6, "high": 8, "step": None, "log": False,
    }  # fmt: skip


def test_the_last_of_two_overrides_holds(tmp_path: Path) -> None:
    """Overrides are put on in their order."""
    path = write(tmp_path, "{}")
    assert load_config(path, ["model.units=5", "model.units=6"]).model.units == 6


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.units", "'model.units'"),
        ("=3", "'=3'"),
        ("model.units=[1", "'model.units=[1'"),
        ("data.source=2020-13-45", "'data.source=2020-13-45'"),
        ("model.units=-4", "-4"),
        ("model.unit=4", "'unit'"),
        ("name.first=x", "name"),
    ],
)
def test_a_wrong_override_is_refused(tmp_path: Path, override: str, named: str) -> None:
    """No key, no value, a value that is none: the message shows what was given."""
    assert named in refusal(write(tmp_path, "name: mine"), override)


def test_a_section_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """YAML itself would drop the first in silence."""
    assert "'model' stands twice" in refusal(
        write(tmp_path, "model: {units: 3}\nmodel: {layers: 2}")
    )


def test_a_value_may_hold_an_equals_sign() -> None:
    """Only the first equals sign parts key and value."""
    assert parse_override("data.url=a=b") == ("data.url", "a=b")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("   ", []),
        ("model.units=96", ["model.units=96"]),
        (
            "data.text_columns=[title, text] model.units=96",
            ["data.text_columns=[title, text]", "model.units=96"],
        ),
        ("data.text_columns=[title, a=b] seed=3", ["data.text_columns=[title, a=b]", "seed=3"]),
        ("data.source='my x=1.csv' seed=3", ["data.source='my x=1.csv'", "seed=3"]),
        ("data.source=my own file.csv  seed=3", ["data.source=my own file.csv", "seed=3"]),
        ("data.source=men's.csv seed=3", ["data.source=men's.csv", "seed=3"]),
        ("a.b={c: 'd [e=1', f: 2} seed=3", ["a.b={c: 'd [e=1', f: 2}", "seed=3"]),
        ('data.fill_missing="it\'s x=1" seed=3', ['data.fill_missing="it\'s x=1"', "seed=3"]),
        (" data.url=https://a.b/c?d=e seed=3 ", ["data.url=https://a.b/c?d=e", "seed=3"]),
    ],
)
def test_one_text_of_overrides_is_split_before_each_key(text: str, parts: list[str]) -> None:
    """Spaces within a value part nothing; spaces before `key=` do."""
    assert split_overrides(text) == parts


@pytest.mark.parametrize(
    "change",
    [
        lambda config: setattr(config, "seed", 1),
        lambda config: setattr(config.model, "units", 1),
        lambda config: setattr(config.sweep, "trials", 1),
    ],
)
def test_a_config_is_never_changed(change: object) -> None:
    """Setting a key of a loaded config, at any depth, is an error."""
    config = Config(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        change(config)  # type: ignore[operator]
    assert config == Config(name="a")


def test_other_values_make_another_config() -> None:
    """`with_values` gives a checked copy and leaves the one it was called on as it was."""
    config = Config(name="a")
    other = config.with_values({"model.units": 7, "train.learning_rate": "1e-2", "seed": 3})
    assert config == Config(name="a")
    named = {"model.units": 7, "train.learning_rate": 0.01, "seed": 3}
    assert other.flat() == {**config.flat(), **named}


@pytest.mark.parametrize("values", [{"model.units": 0}, {"model.unit": 8}, {"model": 8}])
def test_other_values_are_checked(values: dict[str, object]) -> None:
    """A value from a search is held to the same rules as one from a file."""
    with pytest.raises(ConfigError):
        Config(name="a").with_values(values)


def test_what_is_no_plain_value_is_flattened_to_text() -> None:
    """Lists and counts a class become text: a class may have any name, a parameter may not."""
    config = Config(name="a").with_values({"train.resample": {"A & B": 3, 5: 2}})
    assert config.flat()["train.resample"] == "{'A & B': 3, '5': 2}"
    assert config.flat()["text.steps"] == "['lowercase', 'punctuation']"


def test_a_flat_config_names_every_key_but_the_space(tmp_path: Path) -> None:
    """Each value stands under its dotted key; the search space is no value of a run."""
    space = "sweep: {space: {model.units: {type: int, low: 1, high: 2}}}"
    flat = load_config(write(tmp_path, space)).flat()
    assert {"name", "seed", "data.source", "text.steps", "model.embedding_dim"} <= set(flat)
    assert flat["name"] == "mine"
    assert not any(key.startswith("sweep.space") for key in flat)
    assert not any(isinstance(value, dict | list | tuple) for value in flat.values())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_config_written_as_yaml_is_read_back(path: Path, tmp_path: Path) -> None:
    """The YAML kept with a run loads to the config of the run, the space included."""
    config = load_config(path, ["data.source=Öl & Öfen.csv", "text.steps=[links, digits]"])
    assert load_config(write(tmp_path, config.to_yaml())) == config


def test_counts_a_class_are_read_back_from_yaml(tmp_path: Path) -> None:
    """Names that look like numbers are written so that they stay names."""
    text = """
    data: {split: random_rows, fill_missing: none, resample: {5: 600, Öl & Öfen: 3}}
    train: {resample: {1: 7, "no": 2}}
    """
    config = load_config(write(tmp_path, text))
    again = load_config(write(tmp_path, config.to_yaml()))
    assert again == config
    assert again.data.resample == {"5": 600, "Öl & Öfen": 3}
    assert again.train.resample == {"1": 7, "no": 2}


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    """The message names the path and where the shipped configs are."""
    message = refusal(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in message
    assert "configs/" in message


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    """A folder in place of a file is told apart from a file that is missing."""
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "nothing"),
        (b"# only a comment\n", "nothing"),
        (b"- a\n- b\n", "list"),
        (b"just words", "str"),
        (b"model: [1, 2", "not YAML"),
        (b"model:\n\tunits: 3\n", "not YAML"),
        (b"model: !!python/name:os.system", "not YAML"),
        (b"name: caf\xe9\n", "0xe9"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    """Empty, no mapping, no YAML, no UTF-8: one line that names the file and what is wrong."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert str(path) in message
    assert named in message
