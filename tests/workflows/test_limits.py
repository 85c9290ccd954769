"""Sweeps that end before their number of trials: nothing left to try, or no time left."""

from pathlib import Path

import mlflow
import pytest

from ecomclf import api
from ecomclf.config.loading import load_config
from ecomclf.tracking.runs import STOPPED

pytestmark = pytest.mark.slow

FOUR_POINTS = {
    "sweep.space.model.embedding_dim.values": [4],
    "sweep.space.model.units.high": 6,
    "sweep.space.model.dropout.step": 0.4,
    "sweep.space.model.subwords.values": ["ngrams"],
}


def trial_runs() -> list[mlflow.entities.Run]:
    """Return the runs of all trials."""
    return list(
        mlflow.MlflowClient().search_runs(["1"], "tags.`ecomclf.role` = 'trial'", max_results=100)
    )


def test_a_finite_space_is_exhausted_without_repetition(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers try each of four combinations once; the same call has nothing to do then."""
    config = load_config(tiny, {**FOUR_POINTS, "train.epochs": 1})
    result = api.sweep(config, trials=9, workers=2)
    assert "no more than these 4 combinations" in capsys.readouterr().out
    searched = sorted(config.sweep.space)
    drawn = [tuple(run.data.params[key] for key in searched) for run in trial_runs()]
    assert len(set(drawn)) == len(drawn) == 4
    again = api.sweep(config, trials=9, workers=2)
    assert "nothing to do" in capsys.readouterr().out
    assert (again.version, len(trial_runs())) == (result.version, 4)


def test_a_time_limit_ends_the_sweep_with_what_is_there(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trial that still runs is stopped and tagged, and the winner is chosen among the others."""
    endless, short = 100_000, 1
    config = load_config(
        tiny,
        {
            "train.patience": endless,
            "sweep.space.train.epochs": {"type": "choice", "values": [short, endless]},
            "sweep.first": [{"train.epochs": short}, {"train.epochs": endless}],
        },
    )
    result = api.sweep(config, trials=2, workers=2, time_limit="25s")
    assert "the time limit is reached with 1 of 2 trials" in capsys.readouterr().out
    states = {
        int(run.data.params["train.epochs"]): (run.info.status, run.data.tags.get(STOPPED))
        for run in trial_runs()
    }
    assert states == {short: ("FINISHED", None), endless: ("KILLED", "time limit")}
    assert result.version == "1"


def test_a_first_trial_that_takes_too_long_is_kept_as_far_as_it_came(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends after an epoch, is complete, and becomes the winner."""
    endless = {"train.epochs": 100_000, "train.patience": 100_000}
    result = api.sweep(load_config(tiny, endless), trials=2, workers=1, time_limit="25s")
    assert "the time limit is reached with 1 of 2 trials" in capsys.readouterr().out
    (run,) = trial_runs()
    assert (run.info.status, run.data.tags[STOPPED]) == ("FINISHED", "time limit")
    assert result.version == "1"
