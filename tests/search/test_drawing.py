from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ecomclf.config.optuna_space import distributions
from ecomclf.config.schema import SweepConfig
from ecomclf.errors import ConfigError, RequestError
from ecomclf.search import plan
from ecomclf.search import study as studies
from ecomclf.search.drawing import count_combinations, draw_trial

GRID = {
    "model.encoder": {"type": "choice", "values": ["lstm", "gru"]},
    "model.units": {"type": "int", "low": 16, "high": 48, "step": 16},
    "model.dropout": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.2},
}
CONTINUOUS = {"model.dropout": {"type": "float", "low": 0.1, "high": 0.3}}


def config_of(space: dict[str, Any], **values: Any) -> SweepConfig:
    """Return a sweep's config with this search space."""
    return SweepConfig(space=space, **values)


@pytest.fixture
def study() -> optuna.Study:
    """An empty study in memory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize")


def test_combinations_are_counted() -> None:
    """A continuous range has no number of values, unless it holds one only."""
    assert count_combinations(distributions(config_of(GRID).space)) == 12
    assert count_combinations(distributions(config_of(CONTINUOUS).space)) is None
    one = {"model.dropout": {"type": "float", "low": 0.2, "high": 0.2}}
    assert count_combinations(distributions(config_of(one).space)) == 1


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_all_combinations_of_a_finite_space_are_tried_once(
    study: optuna.Study, sampler: str
) -> None:
    """Whatever the sampler prefers, twelve trials have twelve combinations."""
    config = config_of(GRID, sampler=sampler, startup_trials=2)
    for ordinal in range(12):
        trial = draw_trial(study, config, ordinal)
        study.tell(trial, 1.0 if trial.params["model.units"] == 16 else 0.0)
    counted = [study.trials[number] for number in studies.counted_trials(study)]
    assert len({str(sorted(trial.params.items())) for trial in counted}) == len(counted) == 12


def test_values_of_a_running_or_waiting_trial_are_not_drawn(study: optuna.Study) -> None:
    """Two workers that ask at the same time get different values, also beside an enqueued trial."""
    choices = {"model.units": {"type": "choice", "values": [8, 16, 24]}}
    config = config_of(choices)
    running = draw_trial(study, config, 0)
    other = draw_trial(study, config, 1)
    third = draw_trial(study, config, 2)
    assert {trial.params["model.units"] for trial in (running, other, third)} == {8, 16, 24}
    study.tell(third, state=TrialState.FAIL)  # as a killed worker leaves it
    studies.enqueue_retries(study)
    assert draw_trial(study, config, 3).params == third.params


def test_a_repetition_fails_without_counting(study: optuna.Study) -> None:
    """It is not tried again as if it had been killed."""
    config = config_of(GRID, sampler="random")
    first = draw_trial(study, config, 0)
    study.tell(first, 0.5)
    study.enqueue_trial(first.params)
    second = draw_trial(study, config, 1)
    assert second.params != first.params
    (repetition,) = [each for each in study.trials if studies.REPETITION_OF in each.user_attrs]
    assert repetition.user_attrs[studies.REPETITION_OF] == first.number
    assert studies.counted_trials(study) == [first.number]
    studies.enqueue_retries(study)
    assert not study.get_trials(states=(TrialState.WAITING,))


def test_a_grid_is_in_seeded_order_and_resumes(study: optuna.Study) -> None:
    """Another call goes on where the first one has ended."""
    config = config_of(GRID, sampler="grid", seed=3)
    for ordinal in range(5):
        study.tell(draw_trial(study, config, ordinal), 0.0)
    whole = optuna.create_study()
    for ordinal in range(12):
        whole.tell(draw_trial(whole, config, ordinal), 0.0)
    for ordinal in range(5, 12):
        study.tell(draw_trial(study, config, ordinal), 0.0)
    assert [trial.params for trial in study.trials] == [trial.params for trial in whole.trials]
    other = draw_trial(optuna.create_study(), config_of(GRID, sampler="grid", seed=4), 0)
    assert other.params != whole.trials[0].params


def test_a_continuous_space_goes_on_after_repetitions(study: optuna.Study) -> None:
    """The same seed draws the same values; then others are drawn."""
    config = config_of(CONTINUOUS, sampler="random")
    first, second = draw_trial(study, config, 0), draw_trial(study, config, 0)
    assert first.params != second.params


@pytest.mark.parametrize(
    ("sampler", "space", "error", "message"),
    [
        ("grid", CONTINUOUS, ConfigError, r"sweep\.space\.model\.dropout is a continuous range"),
        ("gp", GRID, RequestError, r"needs the package torch"),
    ],
)
def test_samplers_that_cannot_be_used_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    make_config: Callable[..., Any],
    sampler: str,
    space: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """Before anything is read or started."""
    monkeypatch.setattr(plan.importlib.util, "find_spec", lambda name: None)
    config = make_config(config_of(space, sampler=sampler))
    with pytest.raises(error, match=message):
        plan.check_sweep_request(config, study=None, storage=None)


@pytest.fixture
def make_config() -> Callable[..., Any]:
    """Return a function that returns a config with this sweep section."""
    from ecomclf.config.loading import Config

    return lambda sweep: Config(name="x", sweep=sweep)
