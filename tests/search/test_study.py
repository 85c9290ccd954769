from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ecomclf.config.loading import Config, load_config
from ecomclf.config.optuna_space import chosen_values, distributions
from ecomclf.errors import StudyError
from ecomclf.search import study as studies


@pytest.fixture
def config(tiny: Path) -> Config:
    """The tiny config."""
    return load_config(tiny)


@pytest.fixture
def opened(config: Config) -> Callable[..., optuna.Study]:
    """Return a function that opens the study `s`, with overrides of the config."""

    def open_study(**values: object) -> optuna.Study:
        changed = config.with_values(values)
        return studies.open_study("s", studies.study_identity(changed, "data"), None)

    return open_study


def test_a_name_changes_with_what_makes_trials_comparable(config: Config) -> None:
    """Data, split, space and fixed keys make another study; how it is run does not."""

    def name(fingerprint: str = "data", **values: object) -> str:
        changed = config.with_values(values)
        return studies.default_study_name(changed, studies.study_identity(changed, fingerprint))

    plain = name()
    assert plain.startswith("tiny-")
    same = {"sweep.trials": 99, "sweep.workers": 7, "tracking.experiment": "x", "data.source": "y"}
    assert name(**same) == plain
    # A searched key's own value is never used.
    assert name(**{"model.units": 77}) == plain
    other = [
        {"model.layers": 2},
        {"data.split_seed": 1},
        {"data.split": "random_rows"},
        {"train.epochs": 9},
        {"sweep.space.model.units": {"type": "int", "low": 4, "high": 9}},
    ]
    assert len({plain, name("other data"), *(name(**values) for values in other)}) == 7
    drawn = {"data.split": "random_rows", "data.resample": {"Shoes": 9}}
    assert name(**drawn) != name(**{"data.split": "random_rows"})


def test_a_test_size_that_is_not_used_does_not_count(config: Config) -> None:
    """Beside a test file it changes nothing, so the study stays the same."""
    files = {"data.source": "rows.csv", "data.test_source": "test.csv"}
    plain, other = (
        studies.study_identity(config.with_values(files | {"data.test_size": size}), "data")
        for size in (0.1, 0.2)
    )
    assert plain == other
    assert plain != studies.study_identity(config, "data")


def test_another_identity_is_refused_and_said(opened: Callable[..., optuna.Study]) -> None:
    """A study opened with other settings is an error that names each change."""
    opened()
    opened(**{"sweep.trials": 50})
    with pytest.raises(StudyError, match=r"train\.epochs was 2, is 5") as caught:
        opened(**{"train.epochs": 5})
    assert "\n" not in str(caught.value)


def test_killed_trials_do_not_count_and_are_tried_again_once(
    opened: Callable[..., optuna.Study],
) -> None:
    """Complete, pruned and own-error trials count; a killed one's parameters come back."""
    study = opened()
    space = {"x": optuna.distributions.IntDistribution(0, 1000)}
    study.tell(study.ask(space), 0.5)
    study.tell(study.ask(space), state=TrialState.PRUNED)
    failed = study.ask(space)
    failed.set_user_attr(studies.OWN_ERROR, "ValueError")
    study.tell(failed, state=TrialState.FAIL)
    killed = study.ask(space)
    study.tell(killed, state=TrialState.FAIL)
    assert studies.counted(study) == 3
    studies.enqueue_retries(study)
    studies.enqueue_retries(study)
    again = study.ask(space)
    assert again.params == killed.params
    assert not study.get_trials(states=(TrialState.WAITING,))


def test_trials_are_drawn_alike_whether_stopped_or_not(
    config: Config, opened: Callable[..., optuna.Study]
) -> None:
    """The n-th trial depends on the seed and the trials before it, on no sampler's memory."""

    def draw(study: optuna.Study, ordinals: range) -> list[dict[str, object]]:
        drawn = []
        for ordinal in ordinals:
            study.sampler = studies.make_sampler(config.sweep, ordinal)
            trial = study.ask(distributions(config.sweep.space))
            study.tell(trial, trial.params["model.dropout"])
            drawn.append(trial.params)
        return drawn

    first = draw(opened(), range(4)) + draw(opened(), range(4, 8))
    unbroken = draw(optuna.create_study(direction="maximize"), range(8))
    assert first == unbroken
    assert len({str(params) for params in first}) == 8


def test_lists_can_be_searched(config: Config) -> None:
    """A choice between lists comes back as lists."""
    choice = {"type": "choice", "values": [["lowercase"], ["lowercase", "digits"]]}
    space = config.with_values({"sweep.space.text.steps": choice}).sweep.space
    study = optuna.create_study()
    drawn = {
        tuple(chosen_values(space, study.ask(distributions(space)).params)["text.steps"])
        for _ in range(20)
    }
    assert drawn == {("lowercase",), ("lowercase", "digits")}


def test_attempts_count_deaths_and_not_the_users_kills(
    opened: Callable[..., optuna.Study],
) -> None:
    """Parameters whose workers die are known by their attempts; stopping a sweep adds none."""
    study = opened()
    attempts = []
    for after_death in (False, True, True, False):
        study.tell(study.ask(), state=TrialState.FAIL)
        studies.enqueue_retries(study, after_death=after_death)
        attempts.append(study.trials[-1].user_attrs[studies.ATTEMPT])
    assert attempts == [1, 2, 3, 3]


@pytest.mark.parametrize("name", ["a/b", "", "../x", "a'b", ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    """Names are letters, digits and a few marks."""
    with pytest.raises(StudyError, match="must consist of letters"):
        studies.check_study_name(name)


@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_pruners_stop_trials_that_stay_behind(
    config: Config, opened: Callable[..., optuna.Study], pruner: str
) -> None:
    """Of many trials a bad one is stopped early, the best never; without a pruner none is."""
    study = opened()
    chosen = config.with_values({"sweep.pruner": pruner, "sweep.startup_trials": 4}).sweep
    worker = studies.load_worker_study(study.study_name, None, chosen, epochs=9)
    stopped = []
    for level in [0.5, 0.6, 0.7, 0.8, *[0.1, 0.9] * 6]:
        trial = worker.ask()
        for epoch in range(1, 10):
            trial.report(level + 0.01 * epoch, epoch)
            if trial.should_prune():
                stopped.append(level)
                worker.tell(trial, state=TrialState.PRUNED)
                break
        else:
            worker.tell(trial, level)
    assert 0.9 not in stopped
    assert (0.1 in stopped) == (pruner != "none")


def test_first_guesses_are_tried_first_and_once(
    config: Config, opened: Callable[..., optuna.Study]
) -> None:
    """A new study takes them in order and draws what they leave open; a begun one does not."""
    guesses = ({"model.embedding_dim": 8, "model.units": 6}, {"model.dropout": 0.2})
    sweep = config.with_values({"sweep.first": guesses}).sweep
    study = opened()
    studies.enqueue_first(study, sweep)
    studies.enqueue_first(study, sweep)
    space = distributions(sweep.space)
    drawn = [study.ask(space).params for _ in range(3)]
    assert (drawn[0]["model.embedding_dim"], drawn[0]["model.units"]) == (8, 6)
    assert 0 <= drawn[0]["model.dropout"] <= 0.4
    assert drawn[1]["model.dropout"] == 0.2
    assert drawn[2]["model.dropout"] != 0.2
    assert studies.counted(study) == 0


def test_first_guesses_survive_a_kill_between_them(
    config: Config, opened: Callable[..., optuna.Study]
) -> None:
    """The next command enqueues those that the first did not come to, and no other."""
    guesses = ({"model.units": 4}, {"model.units": 6}, {"model.units": 8})
    sweep = config.with_values({"sweep.first": guesses}).sweep
    study = opened()
    study.enqueue_trial(guesses[0], user_attrs={studies.FIRST: 0})
    studies.enqueue_first(study, sweep)
    studies.enqueue_first(study, sweep)
    drawn = [study.ask(distributions(sweep.space)).params for _ in range(3)]
    assert [params["model.units"] for params in drawn] == [4, 6, 8]
    assert len(study.trials) == 3


def test_stop_after_counts_complete_and_pruned_trials_in_a_row(
    config: Config, opened: Callable[..., optuna.Study]
) -> None:
    """A better trial starts anew; failed trials, and those before any is complete, do not count."""
    study = opened()
    sweep = config.with_values({"sweep.stop_after": 2}).sweep
    since = []
    for value in (None, "pruned", 0.5, "pruned", None, 0.5, 0.6, 0.4):
        trial = study.ask(distributions(sweep.space))
        if value is None:
            trial.set_user_attr(studies.OWN_ERROR, "ValueError")
            study.tell(trial, state=TrialState.FAIL)
        elif value == "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
        since.append(studies.trials_since_best(study))
        assert studies.has_ended(study, sweep, 99) == (since[-1] >= 2)
    assert since == [0, 0, 0, 1, 1, 2, 0, 1]
