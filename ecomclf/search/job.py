"""`Job`: what a winner comes from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecomclf.config.loading import Config
from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split
from ecomclf.tracking.runs import Run

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Job:
    """What a winner comes from: the config, the data and its split, and the run it belongs to.

    `study` and `study_id` name the study; of a single training they name its run.
    """

    config: Config
    data: DataReport
    split: Split
    run: Run
    study: str
    study_id: str

    @property
    def metric(self) -> str:
        """Return the metric of `Report` that `train.monitor` names."""
        return self.config.train.monitor.removeprefix("val_")
