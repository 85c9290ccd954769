"""The registry: versions, and which of them holds a stage."""

from typing import TYPE_CHECKING

from ecomclf.config.schema import DEFAULT_MODEL
from ecomclf.tracking.model_source import open_registry

if TYPE_CHECKING:
    import pandas as pd

    from ecomclf.tracking.registry import Move


def models(model: str = DEFAULT_MODEL) -> "pd.DataFrame":
    """Return the registered versions, the newest first: stage, metrics, decision of the gate."""
    registry = open_registry(model)
    from ecomclf.tracking.version_table import version_table

    return version_table(registry)


def promote(version: str, stage: str, *, model: str = DEFAULT_MODEL) -> "Move":
    """Give a stage to a version; the version that held it is archived."""
    return open_registry(model).promote(version, stage)


def rollback(stage: str, *, model: str = DEFAULT_MODEL) -> "Move":
    """Give a stage back to the version that held it before."""
    return open_registry(model).rollback(stage)
