"""The table of registered versions."""

import contextlib

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from ecomclf.tracking.registry import GATE_REASON, Registry
from ecomclf.tracking.runs import STUDY, TRIALS


def version_table(registry: Registry) -> pd.DataFrame:
    """Return a row per version, the newest first: stage, test metrics, decision of the gate.

    The stage is the one that the aliases give. Metrics are missing if the run was deleted.
    """
    client = mlflow.MlflowClient(registry.uri)
    rows = []
    versions, stages = registry.versions(), registry.stages()
    for version in versions:
        metrics = {}
        # The run may have been deleted, and a version can be registered without one.
        with contextlib.suppress(MlflowException):
            metrics = client.get_run(str(version.run_id)).data.metrics
        rows.append(
            {
                "version": version.version,
                "stage": stages.get(str(version.version)),
                "study": version.tags.get(STUDY),
                "winner_trials": version.tags.get(TRIALS),
                "test_f1_weighted": metrics.get("test_f1_weighted"),
                "test_f1_macro": metrics.get("test_f1_macro"),
                # Versions before 0.3.0 have the name without a slash.
                "baseline_test_f1_weighted": metrics.get(
                    "baseline/test_f1_weighted", metrics.get("baseline_test_f1_weighted")
                ),
                "gate": version.tags.get(GATE_REASON),
            }
        )
    return pd.DataFrame(rows)
