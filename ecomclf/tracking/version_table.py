"""The registered versions as a table."""

import contextlib

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from ecomclf.tracking.registry import GATE_REASON, Registry
from ecomclf.tracking.runs import STUDY, TRIALS


def version_table(registry: Registry) -> pd.DataFrame:
    """List versions, the newest first, with their stage, test figures and the gate's reason."""
    client = mlflow.MlflowClient(registry.uri)
    rows = []
    for version in registry.versions():
        metrics = {}
        # A version outlives its run, and may have been made without one.
        with contextlib.suppress(MlflowException):
            metrics = client.get_run(str(version.run_id)).data.metrics
        rows.append(
            {
                "version": version.version,
                "stage": version.current_stage,
                "study": version.tags.get(STUDY),
                "trials": version.tags.get(TRIALS),
                "test_f1_weighted": metrics.get("test_f1_weighted"),
                "test_f1_macro": metrics.get("test_f1_macro"),
                "baseline_test_f1_weighted": metrics.get("baseline_test_f1_weighted"),
                "gate": version.tags.get(GATE_REASON),
            }
        )
    return pd.DataFrame(rows)
