"""Estimate how long a sweep takes on this machine, from the speed of a matrix product."""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from ecomclf.runtime.tensorflow_setup import count_cores

# Floating-point operations of a matrix product [64, 192] x [192, 256], like a step of an LSTM.
_ROWS, _INNER, _COLUMNS = 64, 192, 256
_PROBES, _PRODUCTS = 10, 50
# Operations of such products in the time that a sweep takes for a token, an epoch and a trial,
# early stopping and pruning included. From sweeps of `configs/sample.yaml` and of the e-commerce
# rows (filters 64, filter_pool 4) on 2 cores, where the products reach 191 billion a second.
_OPERATIONS, _OPERATIONS_POOLED = 2.0e6, 0.8e6
# Imports, reading, baselines, the winner's evaluation and registration; and the start of a trial.
_AROUND, _START = 25.0, 2.0


def estimate_seconds(tokens: float, *, epochs: int, trials: int, pooled: bool) -> float:
    """Return how long a sweep takes, in seconds.

    The estimate may be wrong by a factor of two.

    Args:
        tokens: of all training texts.
        epochs: of a trial.
        trials: of the sweep.
        pooled: whether the network keeps one position in four before its LSTM.

    """
    operations = _OPERATIONS_POOLED if pooled else _OPERATIONS
    training = trials * epochs * tokens * operations / _measure_speed()
    return _AROUND + trials * _START + training


def _measure_speed() -> float:
    """Return floating-point operations a second of small matrix products, on all cores."""
    left = np.ones((_ROWS, _INNER), np.float32)
    right = np.ones((_INNER, _COLUMNS), np.float32)
    fastest = 0.0
    # One thread, because products this small wait for each other; the best of several probes,
    # because other programs may run meanwhile.
    with threadpool_limits(1):
        for _ in range(_PROBES):
            start = time.perf_counter()
            for _ in range(_PRODUCTS):
                left @ right
            fastest = max(fastest, _PRODUCTS / (time.perf_counter() - start))
    return 2.0 * _ROWS * _INNER * _COLUMNS * fastest * count_cores()
