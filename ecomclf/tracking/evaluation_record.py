"""`FinalEvaluation`: what a winner reached on the test rows, as its run records it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ecomclf.evaluation.intervals import Interval
from ecomclf.evaluation.report import SCORE_NAMES, Report
from ecomclf.tracking.promotion_gate import Comparison
from ecomclf.tracking.runs import Tracking

# Artifacts of a final evaluation.
EVALUATION_FILE = "evaluation.json"
CONFIDENCE_FILE = "confidence.json"
CLASS_INTERVALS_FILE = "class_intervals.json"


@dataclass(frozen=True)
class FinalEvaluation:
    """What a winner reached on the test rows, and what became of it.

    Attributes:
        test: metrics on the test rows.
        baselines: metrics of each baseline, by its name.
        differences: `metric` of the winner minus that of each baseline, by its name.
        metric: the metric of `Report` that `train.monitor` names.
        model: name of the registered model.
        version: number of the version.
        gate: decision of the promotion gate, with its reasons.
        stage: what the version holds now, None for no stage.
        intervals: of the winner's metrics, by name.
        champion: the comparison with the version in Production; None where there was none.

    """

    test: Report
    baselines: dict[str, Report]
    differences: dict[str, Interval]
    metric: str
    model: str
    version: str
    gate: str
    stage: str | None
    intervals: dict[str, Interval] = field(default_factory=dict)
    champion: Comparison | None = None

    def lines(self) -> list[str]:
        """Return the evaluation as lines to print."""
        return [
            f"winner: {self.test.summary('test')}",
            *(
                f"{name.replace('_', ' ')}: {report.summary('test')}; winner minus it, "
                f"{SCORE_NAMES[self.metric]}, {self.differences[name].as_text()}"
                for name, report in self.baselines.items()
            ),
            f"winner is version {self.version} of the model {self.model}, "
            + (f"in {self.stage}" if self.stage else "without a stage"),
            f"gate: {self.gate}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, which `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the evaluation of which these are the values."""
        reports = {name: Report.from_dict(each) for name, each in values["baselines"].items()}
        champion = values.get("champion")
        read = {
            "test": Report.from_dict(values["test"]),
            "baselines": reports,
            "differences": _intervals(values["differences"]),
            "intervals": _intervals(values.get("intervals", {})),
            "champion": None if champion is None else Comparison(**champion),
        }
        return cls(**{**values, **read})


def _intervals(values: Mapping[str, Mapping[str, float]]) -> dict[str, Interval]:
    return {name: Interval(**each) for name, each in values.items()}


def read_evaluation(tracking: Tracking, run_id: str) -> FinalEvaluation:
    """Read the final evaluation that a sweep has recorded in its run."""
    with tempfile.TemporaryDirectory() as folder:
        path = tracking.download(run_id, EVALUATION_FILE, Path(folder))
        return FinalEvaluation.from_dict(json.loads(path.read_text(encoding="utf-8")))
