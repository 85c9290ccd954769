import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.data_report import DataReport
from ecomclf.data.dataset import load
from ecomclf.data.splitting import Split, split_dataset
from ecomclf.tracking.connection import connect
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
    assert profile["num_rows"] == profile["training_rows"] + profile["validation_rows"] + len(
        split.test
    )
    assert profile["fingerprint"] == split.fingerprint
    assert profile["sha256"] == report.sha256
    assert [tag.value for tag in found.tags] == ["training, validation"]
    (evaluated,) = describe_datasets(split, report, test=True)
    assert [tag.value for tag in evaluated.tags] == ["training, validation, test"]
    # The parent's dataset and its trials' are one, which the parent has stored before they begin.
    assert evaluated.dataset == found.dataset


def test_a_test_file_is_a_dataset_of_its_own(loaded: tuple[Split, DataReport]) -> None:
    """Its name and hash are those of its file."""
    split, report = loaded
    given = replace(report, test_source="folder/test.csv", test_sha256="ab")
    (trial,) = describe_datasets(split, given, test=False)
    rows, test = describe_datasets(split, given, test=True)
    assert trial.dataset == rows.dataset
    assert (rows.tags[0].value, test.tags[0].value) == ("training, validation", "test")
    assert test.dataset.name == "test.csv"
    assert json.loads(test.dataset.source) == {"uri": "folder/test.csv", "sha256": "ab"}
    assert json.loads(test.dataset.profile)["num_rows"] == len(split.test)


LOGGER = """if True:
    import sys
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from ecomclf.tracking.connection import connect
    run = connect("shared").start_run("train", "one", tags={})
    data = [DatasetInput(Dataset("rows.csv", digest, "local", "{}"), [InputTag("a", "b")])
            for digest in map(str, range(40))]
    print("ready", flush=True)
    sys.stdin.readline()
    for each in data:
        run.log_datasets([each])
"""


@pytest.mark.slow
def test_two_processes_log_the_same_new_datasets(store: Path) -> None:
    """MLflow's look-up before it inserts collides; neither process fails for that."""
    connect("shared")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", LOGGER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
