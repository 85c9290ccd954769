"""The Python API. Each command of the command line is one of these calls, and printing."""

from ecomclf.api.labelled_data import check_data, init, load_data, suggest_config
from ecomclf.api.prediction import classify, export, load, predict
from ecomclf.api.registered_models import models, promote, rollback
from ecomclf.api.studies import leaderboard, report, tensorboard
from ecomclf.api.training import sweep, train

__all__ = [
    "check_data",
    "classify",
    "export",
    "init",
    "leaderboard",
    "load",
    "load_data",
    "models",
    "predict",
    "promote",
    "report",
    "rollback",
    "suggest_config",
    "sweep",
    "tensorboard",
    "train",
]
