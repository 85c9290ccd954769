import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ecomclf.config.loading import Config, load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import Split, split_dataset
from ecomclf.search.seed_repeats import repeat_with_seeds
from ecomclf.tracking.connection import connect
from ecomclf.tracking.runs import Tracking


@pytest.fixture
def config(store: Path, tiny: Path) -> Config:
    """A config that trains for one epoch, in a folder with an empty store."""
    return load_config(tiny, ["train.epochs=1", "seed=5"])


@pytest.fixture
def split(config: Config) -> Split:
    """The split of its data."""
    dataset, _ = load(config.data)
    return split_dataset(dataset, config.data)


def test_repeats_differ_in_their_seed_only(config: Config, split: Split) -> None:
    """Each has a finished run of its own without a model; the parent gets mean and deviation."""
    tracking, output = connect("ecomclf"), io.StringIO()
    parent = tracking.start_run("sweep", "s", tags={})
    repeat_with_seeds(config, 2, split, tracking, parent, {"note": "x"}, Console(file=output))
    runs = sorted(tracking.search("repeat"), key=lambda run: run.data.params["seed"])
    assert [run.data.params["seed"] for run in runs] == ["6", "7"]
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert all(run.data.tags["note"] == "x" for run in runs)
    assert not any(tracking.has_artifact(run.info.run_id, "classifier") for run in runs)
    values = [run.data.metrics["repeat/test_f1_weighted"] for run in runs]
    (sweep,) = tracking.search("sweep")
    assert sweep.data.metrics["repeat/test_f1_weighted_mean"] == pytest.approx(np.mean(values))
    assert sweep.data.metrics["repeat/test_f1_weighted_std"] == pytest.approx(
        np.std(values, ddof=1)
    )
    *_, last = output.getvalue().splitlines()
    assert last == (
        f"repeats: 2, weighted F1 on test {np.mean(values):.4f}, from {min(values):.4f} to "
        f"{max(values):.4f}"
    )


def test_one_repeat_has_no_deviation(config: Config, split: Split) -> None:
    """The deviation of a single value is undefined, so it is not logged."""
    tracking: Tracking = connect("ecomclf")
    parent = tracking.start_run("sweep", "s", tags={})
    repeat_with_seeds(config, 1, split, tracking, parent, {}, Console(quiet=True))
    (sweep,) = tracking.search("sweep")
    assert "repeat/test_accuracy_mean" in sweep.data.metrics
    assert not any(name.endswith("_std") for name in sweep.data.metrics)
