"""A sweep: Optuna's study, worker processes, the winner and its final evaluation."""
