import warnings

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from ecomclf.data.splitting import Split, Subset
from ecomclf.models import baseline
from ecomclf.models.baseline import fit_baseline, fit_baselines, tune_baseline


def make_rows(labels: dict[str, int]) -> Subset:
    """Return rows from a mapping of text to label, each in its own group."""
    values = np.array(list(labels.values()), np.int32)
    return Subset(tuple(labels), values, np.arange(len(labels), dtype=np.int32))


TRAIN = make_rows(
    {
        "leather shoe with laces": 0,
        "running shoe": 0,
        "shoe for walking": 0,
        "straw hat": 1,
        "wool hat for winter": 1,
        "hat with feathers": 1,
    }
)


CLASSES = ("Shoes", "Hats")


def test_classes_with_a_distinctive_word_are_separated() -> None:
    """Every row is classified correctly, and there is no loss."""
    report = fit_baseline(TRAIN, CLASSES).evaluate(make_rows({"hat": 1, "SHOE!": 0, "old hat": 1}))
    assert (report.rows, report.f1_macro, report.loss) == (3, 1.0, None)
    assert report.confusion == ((1, 0), (0, 2))


def test_metrics_are_those_of_the_given_rows() -> None:
    """Accuracy is computed from the labels of the rows passed to `evaluate`."""
    fitted = fit_baseline(TRAIN, CLASSES)
    assert fitted.evaluate(make_rows({"blue shoe": 0, "green hat": 1})).accuracy == 1.0
    assert fitted.evaluate(make_rows({"hat": 0, "shoe": 0})).accuracy == 0.5


def test_tuning_chooses_the_best_settings_on_validation_rows() -> None:
    """Word pairs are chosen where the classes differ only in the order of words."""
    fillers = ("red", "blue", "green", "black", "white", "grey")
    train = make_rows(
        {f"phone case {word}": 0 for word in fillers}
        | {f"case phone {word}": 1 for word in fillers}
    )
    rows = make_rows({"phone case pink": 0, "case phone brown": 1})
    assert fit_baseline(train, CLASSES).evaluate(rows).accuracy < 1
    tuned = tune_baseline(train, rows, CLASSES, "accuracy").baseline
    assert tuned.settings()["baseline.ngrams"] == 2
    assert tuned.evaluate(rows).accuracy == 1.0


def test_tuning_prefers_the_defaults_among_equals() -> None:
    """scikit-learn's default settings come first in the grid."""
    tuned = tune_baseline(TRAIN, make_rows({"hat": 1, "shoe": 0}), CLASSES, "accuracy").baseline
    assert tuned.settings() == fit_baseline(TRAIN, CLASSES).settings()
    assert tuned.settings() == {
        "baseline.ngrams": 1,
        "baseline.sublinear": False,
        "baseline.characters": False,
        "baseline.c": 1.0,
        "baseline.class_weight": "none",
        "baseline.rows": 6,
    }


@pytest.mark.parametrize("limit", [("_MAX_FEATURES", 2), ("_MAX_WEIGHTS", 5)])
def test_only_the_most_frequent_features_are_kept_above_the_limits(
    monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    """Features per class and weights in total are limited with all settings."""
    monkeypatch.setattr(baseline, *limit)
    rows = make_rows({"shoe one": 0, "shoe two": 0, "hat three": 1, "hat four": 1})
    tuned = tune_baseline(rows, rows, CLASSES, "accuracy").baseline
    for fitted in (fit_baseline(rows, CLASSES), tuned):
        assert set(fitted.features.get_feature_names_out()) == {"hat", "shoe"}
        assert fitted.evaluate(rows).accuracy == 1.0


def test_texts_without_words_of_two_letters_have_a_baseline_too() -> None:
    """They are split at spaces instead."""
    rows = make_rows({"5 3 1": 0, "5 5": 0, "☎": 1, "☎ 7": 1})
    for fitted in (
        fit_baseline(rows, CLASSES),
        tune_baseline(rows, rows, CLASSES, "accuracy").baseline,
    ):
        assert fitted.evaluate(rows).accuracy == 1.0


def test_an_svm_that_does_not_converge_prints_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's ConvergenceWarning is suppressed for both baselines, and only there."""
    monkeypatch.setitem(LinearSVC.__init__.__kwdefaults__, "max_iter", 1)
    split = Split(TRAIN, TRAIN, TRAIN, CLASSES, fingerprint="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        fitted = fit_baselines(split, "val_accuracy")
        assert warnings.filters == filters
    assert [str(warning.message) for warning in caught] == []
    assert set(fitted) == {"baseline", "tuned_baseline"}


def test_tuning_chooses_characters_where_words_are_new() -> None:
    """Words of the validation rows that no training row has share letters with theirs."""
    tuned = tune_baseline(
        TRAIN, make_rows({"hats": 1, "shoes": 0, "hatty": 1}), CLASSES, "accuracy"
    ).baseline
    assert tuned.settings()["baseline.characters"] is True
    assert tuned.evaluate(make_rows({"shoelace": 0, "hatbox": 1})).accuracy == 1.0


def test_characters_of_long_texts_are_fitted_on_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of rows is among the settings."""
    monkeypatch.setattr(baseline, "_MAX_CHARACTERS", sum(map(len, TRAIN.texts)) - 1)
    rows = make_rows({"hats": 1, "shoes": 0, "hatty": 1})
    settings = tune_baseline(TRAIN, rows, CLASSES, "accuracy").baseline.settings()
    assert (settings["baseline.characters"], settings["baseline.rows"]) == (True, 5)


def test_many_classes_are_tuned_on_a_short_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """C stays 1; words alone and words with characters are compared."""
    monkeypatch.setattr(baseline, "MANY_CLASSES", 1)
    rows = make_rows({"hats": 1, "shoes": 0, "hatty": 1})
    settings = tune_baseline(TRAIN, rows, CLASSES, "accuracy").baseline.settings()
    assert (settings["baseline.characters"], settings["baseline.c"]) == (True, 1.0)


def test_both_baselines_weigh_classes() -> None:
    """A text that is mostly of one class is predicted as a class that weighs more."""
    # Words of one letter are no features of the default baseline.
    rows = make_rows({f"hat {n}": 0 for n in range(8)} | {"hat a": 1, "hat b": 1})
    split = Split(rows, rows, rows, CLASSES, fingerprint="")
    plain, weighted = (
        fit_baselines(split, "val_accuracy", weight) for weight in ("none", {"Hats": 9.0})
    )
    assert plain["baseline"].baseline.predict(("hat",)).tolist() == [0]
    assert weighted["baseline"].baseline.predict(("hat",)).tolist() == [1]
    settings = [each.baseline.settings()["baseline.class_weight"] for each in weighted.values()]
    assert settings == ["{'Hats': 9.0}"] * 2
