from pathlib import Path

import pytest
from pydantic import ValidationError

from ecomclf.config.loading import Config, load_config
from ecomclf.config.section import Section
from ecomclf.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(path for path in CONFIGS.rglob("*") if path.suffix in (".yaml", ".yml"))


def write(folder: Path, text: str) -> Path:
    """Return the path of a config with this text."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    """Return the error message for a config that is refused; check that it is one line."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def test_configs_are_shipped() -> None:
    """The folder of shipped configs holds at least the three main ones."""
    assert {"sample", "ecommerce", "app_reviews"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_search_the_main_hyperparameters(path: Path) -> None:
    """Each loads, is named after its file, and searches embedding size, units and dropout."""
    config = load_config(path)
    assert config.name == path.stem
    assert {"model.embedding_dim", "model.units", "model.dropout"} <= set(config.sweep.space)


def test_an_empty_config_has_the_defaults(tmp_path: Path) -> None:
    """Missing keys have their default; the name is that of the file."""
    assert load_config(write(tmp_path, "{}")) == Config(name="mine")


def test_an_invalid_file_name_is_reported_as_such(tmp_path: Path) -> None:
    """The message says where the name came from and how to set another."""
    path = tmp_path / "my config.yaml"
    path.write_text("seed: 1", encoding="utf-8")
    message = refusal(path)
    assert "comes from the file's name" in message
    assert "got 'my config'" in message
    assert "`name: my-config`" in message
    assert load_config(path, ["name=mine"]).name == "mine"
    path.write_text("name: mine", encoding="utf-8")
    assert load_config(path).name == "mine"


def test_the_key_name_goes_before_the_file_name(tmp_path: Path) -> None:
    """A config may have another name than its file."""
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
    """The message names the key, its section, and a similar key or all known keys."""
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
        ("train: {resample: {no: 5}}", "train.resample", "False"),
        ("train: {resample: {5: 1.5}}", "train.resample.5", "1.5"),
        ("train: {resample: 600}", "train.resample", "600"),
        ("train: {class_weight: balance}", "train.class_weight", "'balance'"),
        ("train: {class_weight: }", "train.class_weight", "None"),
        ("train: {class_weight: 2}", "train.class_weight", "2"),
        ("train: {class_weight: {a: 0}}", "train.class_weight", "0"),
        ("train: {class_weight: {a: .inf}}", "train.class_weight", "inf"),
        ("train: {class_weight: {a: yes}}", "train.class_weight", "True"),
        ("train: {class_weight: {no: 5}}", "train.class_weight", "False"),
        ("data: {rename_labels: {no: x}}", "data.rename_labels", "False"),
        ("data: {rename_labels: {a: ' '}}", "data.rename_labels.a", "' '"),
        ("data: {drop_labels: [a, '']}", "data.drop_labels.1", "''"),
        ("data: {min_rows_a_label: 0}", "data.min_rows_a_label", "0"),
        ("data: {ordered_labels: stars}", "data.ordered_labels", "'stars'"),
        ("data: {drop_labels: [a], rename_labels: {a: b}}", "data", "'a'"),
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
        ("registry: {model: a b}", "registry.model", "'a b'"),
        ("data: {fill_missing: ' x'}", "data.fill_missing", "' x'"),
    ],
)
def test_an_invalid_value_is_refused(tmp_path: Path, text: str, key: str, value: str) -> None:
    """The message names the dotted key and the value."""
    message = refusal(write(tmp_path, text))
    assert f" {key}: " in message
    assert f"got {value}" in message


def test_sizes_that_leave_no_training_rows_are_refused(tmp_path: Path) -> None:
    """Validation and test fractions must add up to less than 1."""
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
def test_a_test_file_needs_a_source_file_and_no_random_split(
    tmp_path: Path, text: str, said: tuple[str, ...]
) -> None:
    """Test rows come from one place only."""
    message = refusal(write(tmp_path, f"data: {{{text}}}"))
    assert "test_source" in message
    assert all(words in message for words in said)


def test_the_test_size_has_no_effect_with_a_test_file(tmp_path: Path) -> None:
    """The validation fraction may exceed what `test_size` would leave."""
    text = "data: {source: a.csv, test_source: t.csv, validation_size: 0.5, test_size: 0.5}"
    assert load_config(write(tmp_path, text)).data.validation_size == 0.5


def test_a_transformer_needs_units_that_its_heads_can_share(tmp_path: Path) -> None:
    """Units must be a multiple of 2 x heads for a transformer, but not for other encoders."""
    path = write(tmp_path, "model: {encoder: transformer, units: 20}")
    assert "units must be a multiple of 2 x heads, 8, " in refusal(path)
    assert "20" in refusal(path)
    assert load_config(path, ["model.heads=5"]).model.heads == 5
    assert load_config(path, ["model.units=24"]).model.units == 24
    assert load_config(path, ["model.encoder=gru"]).model.units == 20


def test_combinations_of_searched_values_are_checked_for_a_transformer(tmp_path: Path) -> None:
    """Each value may be valid on its own while some combination is not."""
    text = """sweep: {space: {
        model.encoder: {type: choice, values: [lstm, transformer]},
        model.units: {type: int, low: 16, high: 64, step: %s}}}"""
    message = refusal(write(tmp_path, text % 4))
    assert "sweep.space" in message
    assert "units must be a multiple of 2 x heads" in message
    assert load_config(write(tmp_path, text % 8)).sweep.space


def test_resampling_before_a_leak_free_split_is_refused(tmp_path: Path) -> None:
    """Copies of a row could straddle the split; the message names `train.resample` instead."""
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
    """Numbers in YAML become class names; an override goes before the file."""
    assert load_config(write(tmp_path, text), overrides).train.resample == found


def test_all_invalid_keys_are_named_at_once(tmp_path: Path) -> None:
    """One message is enough to fix the whole file."""
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
    """`key=value` sets a dotted key; the value is YAML, converted to the type of the key."""
    path = write(tmp_path, "model: {units: 8, dropout: 0.9, dense_units: 4}")
    found = load_config(path, [override]).flat()[key]
    assert found == value
    assert type(found) is type(value)


def test_an_override_leaves_other_keys_of_the_section(tmp_path: Path) -> None:
    """Only the named key changes."""
    path = write(tmp_path, "model: {units: 8, dropout: 0.9}")
    before, after = load_config(path).flat(), load_config(path, ["model.units=9"]).flat()
    assert after == {**before, "model.units": 9}


@pytest.mark.parametrize(
    "overrides",
    [
        {"train.epochs": 4, "text.steps": ["lowercase"], "train.resample": {"Books": 600}},
        ["{train.epochs: 4, text.steps: [lowercase], train.resample: {Books: 600}}"],
        ["train.epochs=4", "{text.steps: [lowercase]}", "", "train.resample={Books: 600}"],
        {"train": {"epochs": 4, "resample": {"Books": 600}}, "text": {"steps": ["lowercase"]}},
    ],
)
def test_overrides_may_be_a_mapping_or_strings(
    tmp_path: Path, overrides: dict[str, object] | list[str]
) -> None:
    """Both forms set the same keys; a whole section sets only the keys that it names."""
    path = write(tmp_path, "train: {batch_size: 8, resample: {Toys: 2}}")
    config = load_config(path, overrides)
    assert config.train.epochs == 4
    assert config.train.batch_size == 8
    assert config.train.resample == {"Books": 600}
    assert config.text.steps == ("lowercase",)


def test_class_weights_are_a_word_or_numbers_by_class(tmp_path: Path) -> None:
    """Each can be searched; numbers are class names too."""
    values = "[none, balanced, {5: 2, Books: 0.5}]"
    space = f"sweep: {{space: {{train.class_weight: {{type: choice, values: {values}}}}}}}"
    config = load_config(write(tmp_path, space))
    assert config.train.class_weight == "none"
    for read in (config, load_config(write(tmp_path, config.to_yaml()))):
        searched = read.possible_values("train.class_weight")
        assert searched == ("none", "balanced", {"5": 2.0, "Books": 0.5})


def test_a_mapping_of_overrides_is_not_changed(tmp_path: Path) -> None:
    """An override below another one sets a copy."""
    overrides: dict[str, object] = {"train.resample": {"a": 1}, "train.resample.b": 2}
    assert load_config(write(tmp_path, "{}"), overrides).train.resample == {"a": 1, "b": 2}
    assert overrides == {"train.resample": {"a": 1}, "train.resample.b": 2}


def test_an_override_may_be_a_list(tmp_path: Path) -> None:
    """Lists of columns or cleaning steps keep their order."""
    overrides = ["data.text_columns=[title, 2]", "text.steps=[punctuation, lowercase]"]
    config = load_config(write(tmp_path, "{}"), overrides)
    assert config.data.text_columns == ("title", 2)
    assert config.text.steps == ("punctuation", "lowercase")


def test_an_override_may_add_a_dimension(tmp_path: Path) -> None:
    """Searched keys contain dots themselves and can be set nevertheless."""
    override = "sweep.space.train.learning_rate={type: float, low: 1e-4, high: 1e-2, log: true}"
    (key, dimension) = next(
        iter(load_config(write(tmp_path, "{}"), [override]).sweep.space.items())
    )
    assert key == "train.learning_rate"
    assert dimension.values_to_check()[0] == 0.0001


def test_an_override_may_set_one_bound_of_a_range(tmp_path: Path) -> None:
    """The dots of a searched key are not separators of the path."""
    text = "sweep: {space: {model.units: {type: int, low: 4, high: 8}}}"
    config = load_config(write(tmp_path, text), ["sweep.space.model.units.low=6"])
    assert config.sweep.space["model.units"].model_dump() == {
        "type": "int", "low": 6, "high": 8, "step": None, "log": False,
    }  # fmt: skip


def test_the_last_of_two_overrides_wins(tmp_path: Path) -> None:
    """Overrides are applied in their order."""
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
        ("model.units: 3", "'model.units: 3'"),
        ("{model.units: 3", "'{model.units: 3'"),
        ("{model.unit: 3}", "'unit'"),
        ("{5: 3}", "5"),
        ("model.units=96 seed=1", "{model.units: 96, seed: 1}"),
    ],
)
def test_an_invalid_override_is_refused(tmp_path: Path, override: str, named: str) -> None:
    """The message shows the override, or the value that its key does not accept."""
    assert named in refusal(write(tmp_path, "name: mine"), override)


def test_a_section_that_appears_twice_is_refused(tmp_path: Path) -> None:
    """PyYAML would silently drop the first."""
    assert "'model' appears twice" in refusal(
        write(tmp_path, "model: {units: 3}\nmodel: {layers: 2}")
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda config: setattr(config, "seed", 1),
        lambda config: setattr(config.model, "units", 1),
        lambda config: setattr(config.sweep, "trials", 1),
    ],
)
def test_a_config_is_immutable(change: object) -> None:
    """Setting an attribute of a config or of its sections is an error."""
    config = Config(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        change(config)  # type: ignore[operator]
    assert config == Config(name="a")


def test_with_values_returns_another_config() -> None:
    """The config itself does not change."""
    config = Config(name="a")
    other = config.with_values({"model.units": 7, "train.learning_rate": "1e-2", "seed": 3})
    assert config == Config(name="a")
    named = {"model.units": 7, "train.learning_rate": 0.01, "seed": 3}
    assert other.flat() == {**config.flat(), **named}


@pytest.mark.parametrize("values", [{"model.units": 0}, {"model.unit": 8}, {"model": 8}])
def test_with_values_checks_the_values(values: dict[str, object]) -> None:
    """The same rules apply as for a file."""
    with pytest.raises(ConfigError):
        Config(name="a").with_values(values)


def test_lists_and_mappings_are_flattened_to_text() -> None:
    """Class names are no valid parameter names in MLflow, so such mappings become text."""
    config = Config(name="a").with_values({"train.resample": {"A & B": 3, 5: 2}})
    assert config.flat()["train.resample"] == "{'A & B': 3, '5': 2}"
    assert config.flat()["text.steps"] == "['lowercase', 'punctuation']"


def test_a_flat_config_has_every_key_but_the_space(tmp_path: Path) -> None:
    """Values are found under their dotted keys; the search space is left out."""
    space = "sweep: {space: {model.units: {type: int, low: 1, high: 2}}}"
    flat = load_config(write(tmp_path, space)).flat()
    assert {"name", "seed", "data.source", "text.steps", "model.embedding_dim"} <= set(flat)
    assert flat["name"] == "mine"
    assert not any(key.startswith("sweep.space") for key in flat)
    assert not any(isinstance(value, dict | list | tuple) for value in flat.values())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_to_yaml_is_read_back(path: Path, tmp_path: Path) -> None:
    """`load_config` reads an equal config from it, the search space included."""
    config = load_config(path, ["data.source=Öl & Öfen.csv", "text.steps=[links, digits]"])
    assert load_config(write(tmp_path, config.to_yaml())) == config


def test_class_names_are_read_back_from_yaml(tmp_path: Path) -> None:
    """Class names that look like numbers or booleans are quoted."""
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
    """The message names the path, and the command that writes a config."""
    message = refusal(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in message
    assert "`ecomclf init FILE`" in message


def test_a_folder_instead_of_a_config_is_named(tmp_path: Path) -> None:
    """The message differs from that for a missing file."""
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "nothing"),
        (b"# only a comment\n", "nothing"),
        (b"- a\n- b\n", "list"),
        (b"just words", "str"),
        (b"model: [1, 2", "not valid YAML"),
        (b"model:\n\tunits: 3\n", "not valid YAML"),
        (b"model: !!python/name:os.system", "not valid YAML"),
        (b"name: caf\xe9\n", "0xe9"),
    ],
)
def test_an_unreadable_config_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    """Empty, no mapping, invalid YAML, not UTF-8: the message names the file and the reason."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert str(path) in message
    assert named in message


@pytest.mark.parametrize(
    "section",
    [Config, *(type(value) for _, value in Config(name="a") if isinstance(value, Section))],
)
def test_every_key_is_documented(section: type[Section]) -> None:
    """Each key has a description, from which docs/config.md is generated."""
    assert [key for key, field in section.model_fields.items() if not field.description] == []


def test_an_unquoted_null_is_the_name_of_a_label(tmp_path: Path) -> None:
    """YAML reads `NULL` as no value, numbers as numbers; labels are text."""
    config = load_config(write(tmp_path, "data: {drop_labels: [NULL, 0], rename_labels: {5: 4}}"))
    assert config.data.drop_labels == ("NULL", "0")
    assert config.data.rename_labels == {"5": "4"}
    again = write(tmp_path, config.to_yaml())
    assert load_config(again).data == config.data
