"""MLflow: runs, the model flavor, the registry and the promotion gate."""
