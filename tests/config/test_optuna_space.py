import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ecomclf.config.loading import Config
from ecomclf.config.optuna_space import as_params, chosen_values, distributions, parse_params

CONFIG = Config.model_validate(
    {
        "name": "any",
        "sweep": {
            "space": {
                "text.steps": {"type": "choice", "values": [["lowercase"], []]},
                "model.filters": {"type": "choice", "values": [None, 32]},
                "model.units": {"type": "int", "low": 8, "high": 16, "step": 4},
                "train.learning_rate": {"type": "choice", "values": [1, 0.5]},
                "train.class_weight": {"type": "choice", "values": ["none", {"Books": 2, 5: 1}]},
                "model.dropout": {"type": "float", "low": 0.0, "high": 0.5},
            }
        },
    }
)
SPACE = CONFIG.sweep.space
VALUES = {
    "text.steps": ["lowercase"],
    "model.filters": None,
    "model.units": 12,
    "train.learning_rate": 1,
    "train.class_weight": {"Books": 2, 5: 1},
    "model.dropout": 0.25,
}


def test_each_dimension_becomes_its_distribution() -> None:
    """Choices become categories, lists among them JSON; ranges keep their bounds and step."""
    found = distributions(SPACE)
    assert found["text.steps"] == CategoricalDistribution(['["lowercase"]', "[]"])
    assert found["model.units"] == IntDistribution(8, 16, step=4)
    assert found["model.dropout"] == FloatDistribution(0.0, 0.5)


def test_values_survive_the_way_to_optuna_and_back() -> None:
    """What a config holds is what comes back from a trial's parameters."""
    params = as_params(SPACE, VALUES)
    assert params["text.steps"] == '["lowercase"]'
    assert chosen_values(SPACE, params) == VALUES


def test_values_survive_the_way_through_a_runs_parameters() -> None:
    """A run holds config values as text; they are read back as the trial's parameters."""
    flat = Config(name="any").with_values(VALUES).flat()
    texts = {key: str(value) for key, value in flat.items()}
    assert parse_params(CONFIG, texts) == as_params(SPACE, VALUES)


@pytest.mark.parametrize(
    ("key", "text"), [("model.units", "13"), ("model.units", "many"), ("text.steps", "['html']")]
)
def test_a_value_outside_of_the_space_is_no_parameter(key: str, text: str) -> None:
    """Such a run cannot stand beside the study's other trials."""
    flat = Config(name="any").with_values(VALUES).flat()
    texts = {name: str(value) for name, value in flat.items()} | {key: text}
    assert parse_params(CONFIG, texts) is None
