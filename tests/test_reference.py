import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ecomclf.config.json_schema import build_json_schema
from ecomclf.config.loading import parse_config
from ecomclf.errors import ConfigError
from experiments.reference import ROOT, fill_sections, render

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
CHECKER = jsonschema.Draft202012Validator(build_json_schema())

# What a user may write instead of a key's own type.
ACCEPTED = [
    "sweep: {time_limit: 1h30m}",
    "sweep: {time_limit: 600}",
    "data: {drop_labels: [NULL, 0, other], rename_labels: {5: 4, 4.5: 4}}",
    "data: {source: [a.csv, '2026/*.parquet'], text_columns: [1, title], label_column: 0}",
    "data: {separator: tab, quote: none, header: true}",
    "data: {separator: ';', header: auto}",
    "train: {class_weight: {Books: 2, 5: 0.5}, resample: {5: 600}}",
    "train: {class_weight: balanced, learning_rate: 1}",
    "model: {filters: null, embeddings: vectors.txt.gz}",
    "sweep: {space: {seed: {type: int, low: 1, high: 4}}, first: [{seed: 2}]}",
    "sweep: {space: {text.steps: {type: choice, values: [[lowercase], [lowercase, html]]}}}",
    "{}",
]
REFUSED = [
    "model: {unit: 64}",
    "modle: {units: 64}",
    "model: {units: many}",
    "model: {units: 0}",
    "model: {units: true}",
    "model: {encoder: rnn}",
    "model: 64",
    "text: {steps: [lowercase, upper]}",
    "text: {language: klingon}",
    "data: {separator: ', '}",
    "data: {text_columns: [true]}",
    "train: {class_weight: heavy}",
    "train: {class_weight: {Books: 0}}",
    "sweep: {time_limit: soon}",
    "sweep: {space: {model.unit: {type: int, low: 1, high: 4}}}",
    "sweep: {space: {train.monitor: {type: choice, values: [val_accuracy]}}}",
    "sweep: {space: {model.units: {type: int, low: 1, hihg: 4}}}",
    "sweep: {space: {model.units: {type: range, low: 1, high: 4}}}",
]


def read(text: str) -> Any:
    """Return YAML as an editor sees it, where every key is a string."""
    return json.loads(json.dumps(yaml.safe_load(text)))


@pytest.mark.parametrize("path", render(), ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    """The tables of the two pages and the schema say what the code says."""
    assert path.read_text(encoding="utf-8") == render()[path], "run `make reference`"


def test_text_outside_of_marked_sections_is_kept() -> None:
    """Only what stands between the marks is replaced, and an old table is gone."""
    page = "before\n<!-- generated: a -->\nold\n<!-- end -->\nafter\n"
    filled = fill_sections(page, {"a": "new\n"})
    assert filled == "before\n<!-- generated: a -->\n\nnew\n\n<!-- end -->\nafter\n"
    assert fill_sections(filled, {"a": "new\n"}) == filled


def test_the_schema_is_valid() -> None:
    """The schema follows the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(build_json_schema())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_fit_the_schema(path: Path) -> None:
    """No shipped config is marked as wrong in an editor, which finds the schema from line one."""
    text = path.read_text(encoding="utf-8")
    assert [error.message for error in CHECKER.iter_errors(read(text))] == []
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named
    assert (path.parent / named[1]).resolve() == ROOT / "configs" / "schema.json"


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_loader_takes_fits_the_schema(text: str) -> None:
    """Numbers as labels, durations, lists of files: the schema takes what the loader takes."""
    parse_config({"name": "mine", **yaml.safe_load(text)})
    assert [error.message for error in CHECKER.iter_errors(read(text))] == []


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_loader_refuses_does_not_fit_the_schema(text: str) -> None:
    """A misspelt key, a wrong type, a value out of its limits."""
    with pytest.raises(ConfigError):
        parse_config({"name": "mine", **yaml.safe_load(text)})
    assert not CHECKER.is_valid(read(text))
