"""Sort product texts into shop categories: leak-free splits, sweeps, a registered model.

Example:
    import ecomclf
    config = ecomclf.suggest_config("reviews.csv")
    result = ecomclf.sweep(config, trials=6)
    classifier = ecomclf.load("models:/ecomclf/Staging")
    classifier.predict(["steel mug, 300 ml"])

"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecomclf.api import load, suggest_config, sweep, train
    from ecomclf.config.loading import Config, load_config
    from ecomclf.errors import EcomclfError
    from ecomclf.evaluation.report import Report
    from ecomclf.models.classifier import Classifier
    from ecomclf.search.result import SweepResult

    __version__: str

__all__ = [
    "Classifier",
    "Config",
    "EcomclfError",
    "Report",
    "SweepResult",
    "__version__",
    "load",
    "load_config",
    "suggest_config",
    "sweep",
    "train",
]

# Where each name is defined. They are imported when they are first used, so that `import ecomclf`
# takes no time and TensorFlow is loaded only when it is needed.
_MODULES = {
    "Classifier": "ecomclf.models.classifier",
    "Config": "ecomclf.config.loading",
    "EcomclfError": "ecomclf.errors",
    "Report": "ecomclf.evaluation.report",
    "SweepResult": "ecomclf.search.result",
    "load": "ecomclf.api",
    "load_config": "ecomclf.config.loading",
    "suggest_config": "ecomclf.api",
    "sweep": "ecomclf.api",
    "train": "ecomclf.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ecomclf")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
