"""The command line: parse, make one call of `api`, print. Heavy imports are inside the commands."""

# In the order in which `--help` lists the commands.
from ecomclf.cli import (  # isort: skip
    labelled_data,
    training,
    studies,
    registered_models,
    prediction,
)
from ecomclf.cli.application import app
from ecomclf.cli.running import main

__all__ = ["app", "labelled_data", "main", "prediction", "registered_models", "studies", "training"]
