"""What a job runs on: versions, platform, cores."""

import importlib.metadata
import platform

from ecomclf.runtime.tensorflow_setup import count_cores

_PACKAGES = (
    "ecomclf",
    "tensorflow",
    "keras",
    "mlflow",
    "optuna",
    "pandas",
    "numpy",
    "scikit-learn",
    "nltk",
)


def describe_environment() -> dict[str, str]:
    """Return the version of Python and of each core package, the platform and the cores.

    Example:
        >>> list(describe_environment())[:3]
        ['python', 'platform', 'cores']

    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": str(count_cores()),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
