from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow.entities import Run

from ecomclf.config.loading import Config, load_config
from ecomclf.config.optuna_space import distributions
from ecomclf.data.splitting import Split, Subset
from ecomclf.errors import JobError
from ecomclf.models.classifier import Classifier
from ecomclf.models.ensemble import Blend
from ecomclf.search import study as studies
from ecomclf.search.blending import (
    Winner,
    _candidates,
    delete_other_models,
    fit_weighted_path,
    ranked,
)
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer
from ecomclf.tracking.connection import connect
from ecomclf.tracking.runs import CLASSIFIER_FOLDER, TRIAL, Tracking


@pytest.fixture
def config(store: Path, tiny: Path) -> Config:
    """A config whose two best trials keep their models, in a folder with an empty store."""
    return load_config(tiny, ["sweep.keep_models=2"])


def study_of(config: Config, scores: Sequence[float | None]) -> optuna.Study:
    """Make a study whose trials have these scores; None for one that failed."""
    study = studies.open_study("s", studies.study_identity(config, "data"), None)
    for score in scores:
        trial = study.ask(distributions(config.sweep.space))
        if score is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, score)
    return study


def trial_runs(study: optuna.Study, tracking: Tracking, with_model: set[int]) -> dict[int, Run]:
    """Make the runs of a study's trials; some of them hold a file of a classifier."""
    for trial in study.trials:
        tags = studies.run_tags(study) | {TRIAL: trial.number}
        run = tracking.start_run("trial", "t", parent="p", tags=tags)
        if trial.number in with_model:
            run.log_text("a model", f"{CLASSIFIER_FOLDER}/model.keras")
    return tracking.trial_runs(study.user_attrs[studies.ID])


def test_complete_trials_are_ranked_the_earlier_first_when_equal(config: Config) -> None:
    """Failed trials have no rank."""
    assert ranked(study_of(config, [0.2, 0.9, None, 0.9, 0.5])) == [1, 3, 4, 0]


def test_candidates_are_best_trials_that_have_their_model(config: Config) -> None:
    """Their configs hold the trials' own values; others and those without a model are left out."""
    study, tracking = study_of(config, [0.2, 0.9, 0.8]), connect("ecomclf")
    runs = trial_runs(study, tracking, with_model={0, 1, 2})
    found = _candidates(config, study, tracking, runs)
    assert list(found) == [1, 2]
    for number, candidate in found.items():
        assert candidate.model.units == study.trials[number].params["model.units"]
    assert tracking.delete_artifact(runs[1].info.run_id, CLASSIFIER_FOLDER)
    assert list(_candidates(config, study, tracking, runs)) == [2]


def test_no_candidate_is_one_error_with_a_remedy(config: Config) -> None:
    """When the models of all best trials are gone."""
    study, tracking = study_of(config, [0.2, 0.9, 0.8]), connect("ecomclf")
    runs = trial_runs(study, tracking, with_model={0})
    with pytest.raises(JobError, match=r"none of the best trials \(1, 2\) has its model left .*--"):
        _candidates(config, study, tracking, runs)


def test_models_of_other_trials_are_deleted(config: Config) -> None:
    """All but the best lose their model."""
    study, tracking = study_of(config, [0.2, 0.9, 0.8]), connect("ecomclf")
    runs = trial_runs(study, tracking, with_model={0, 1, 2})
    assert delete_other_models(study, tracking, 2) == 0
    kept = {
        number
        for number, run in runs.items()
        if tracking.has_artifact(run.info.run_id, CLASSIFIER_FOLDER)
    }
    assert kept == {1, 2}


@dataclass(frozen=True)
class ReadOnly(Tracking):
    """An artifact store that allows nothing to be deleted."""

    asked: list[str] = field(default_factory=list)

    def delete_artifact(self, run_id: str, artifact: str) -> bool:
        """Refuse."""
        self.asked.append(run_id)
        return False


def test_models_that_cannot_be_deleted_are_counted(config: Config) -> None:
    """The sweep prints how many."""
    study, tracking = study_of(config, [0.2, 0.9, 0.8]), connect("ecomclf")
    trial_runs(study, tracking, with_model={0, 1, 2})
    store = ReadOnly(tracking.uri, tracking.experiment_id)
    assert delete_other_models(study, store, 1) == 2
    assert len(store.asked) == 2


def test_the_linear_path_weighs_classes_as_the_config_says() -> None:
    """A weighted class has higher decision values, for texts that fit several classes too."""
    texts = (*(f"hat {n}" for n in range(30)), "hat red", "hat blue")
    rows = Subset(texts, np.array([0] * 30 + [1] * 2, np.int32), np.arange(32, dtype=np.int32))
    split = Split(rows, rows, rows, ("Hats", "Toys"), "f")
    vectorizer = Vectorizer.fit(texts, max_tokens=99, max_length=9)
    ids, asked = vectorizer.encode(texts), vectorizer.encode(["hat", "hat red"])
    toys = {}
    for weight in ("none", "balanced", {"Toys": 99}):
        config = Config(name="c", train={"class_weight": weight})
        path = fit_weighted_path(config, split, vectorizer.words, ids)
        toys[str(weight)] = path.decide(asked)[:, 1].tolist()
    plain, balanced, heavy = toys.values()
    assert plain < balanced
    assert balanced[1] > 0
    assert heavy[1] > balanced[1] - 0.1


@pytest.mark.parametrize(
    ("reviews", "said"),
    [(5, None), (6, "60 % of the validation rows need a review: "), (10, "100 %")],
)
def test_a_winner_says_that_most_rows_need_a_review(reviews: int, said: str | None) -> None:
    """With the key that changes that; half of the rows are not most."""
    config = Config(name="c", winner={"target_precision": 0.95})
    classifier = Classifier(Cleaner(()), Vectorizer(["", "[UNK]"], 9), None, ("a", "b"))
    needs_review = np.arange(10) < reviews
    blend = Blend(1, 0.0, 1.0, 1.0)
    winner = Winner((0,), (config,), blend, classifier, np.zeros((10, 2)), needs_review)
    notice = winner.review_notice()
    if said is None:
        assert notice is None
    else:
        assert notice is not None
        assert notice.startswith(said)
        assert "winner.target_precision is 0.95" in notice
