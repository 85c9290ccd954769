import json
from dataclasses import replace

import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.data_report import DataReport
from ecomclf.data.dataset import load
from ecomclf.data.splitting import Split, split_dataset
from ecomclf.tracking.datasets import describe_datasets


@pytest.fixture
def loaded() -> tuple[Split, DataReport]:
    """A split of the embedded sample, and the report of its rows."""
    config = DataConfig(source="sample", sample_rows=400)
    dataset, report = load(config)
    return split_dataset(dataset, config), report


def test_one_dataset_says_what_a_run_reads(loaded: tuple[Split, DataReport]) -> None:
    """Name, digest, hashes, rows of each subset, context; a trial reads no test rows."""
    split, report = loaded
    (found,) = describe_datasets(split, report, test=False)
    profile = json.loads(found.dataset.profile)
    assert profile["training_rows"] == len(split.train)
    assert profile["num_rows"] == len(split.train) + len(split.validation)
    assert profile["fingerprint"] == split.fingerprint
    assert profile["sha256"] == report.sha256
    assert "test_rows" not in profile
    assert [tag.value for tag in found.tags] == ["training, validation"]
    (evaluated,) = describe_datasets(split, report, test=True)
    assert evaluated.dataset.digest != found.dataset.digest
    assert json.loads(evaluated.dataset.profile)["test_rows"] == len(split.test)


def test_a_test_file_is_a_dataset_of_its_own(loaded: tuple[Split, DataReport]) -> None:
    """Its name and hash are those of its file."""
    split, report = loaded
    given = replace(report, test_source="folder/test.csv", test_sha256="ab")
    rows, test = describe_datasets(split, given, test=True)
    assert (rows.tags[0].value, test.tags[0].value) == ("training, validation", "test")
    assert test.dataset.name == "test.csv"
    assert json.loads(test.dataset.source) == {"uri": "folder/test.csv", "sha256": "ab"}
    assert json.loads(test.dataset.profile)["num_rows"] == len(split.test)
