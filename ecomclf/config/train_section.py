"""`TrainConfig`: the section `train` of a config."""

from typing import Literal

from pydantic import Field

from ecomclf.config.section import Section
from ecomclf.config.values import ClassWeight, RowsPerClass


class TrainConfig(Section):
    """How one network is trained."""

    learning_rate: float = Field(
        0.002,
        gt=0,
        description="Learning rate of Adam, the highest one where `schedule` varies it.",
    )
    schedule: Literal["constant", "plateau", "cosine"] = Field(
        "cosine",
        description="`constant`; `plateau`, which multiplies the rate by `reduce_factor` when "
        "`val_loss` has not improved for `reduce_patience` epochs; or `cosine`, which rises "
        "linearly during `warmup`, then falls along a cosine to 0 at the end of `epochs`.",
    )
    warmup: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Fraction of all training steps in which the `cosine` schedule rises.",
    )
    reduce_factor: float = Field(0.5, gt=0, lt=1, description="Factor of the `plateau` schedule.")
    reduce_patience: int = Field(1, ge=1, description="Number of epochs of the `plateau` schedule.")
    batch_size: int = Field(64, ge=1, description="Number of texts per training step.")
    epochs: int = Field(10, ge=1, description="Largest number of epochs.")
    patience: int = Field(
        3,
        ge=1,
        description="Number of epochs without improvement of `stop_on` after which training stops.",
    )
    monitor: Literal["val_f1_macro", "val_f1_weighted", "val_accuracy"] = Field(
        "val_f1_macro",
        description="Metric on the validation rows that decides which epoch is kept, which trials "
        "are pruned and which are best.",
    )
    stop_on: Literal["val_loss"] | None = Field(
        None,
        description="Metric of early stopping: by default the one of `monitor`; `val_loss` stops "
        "by the validation loss, which then also decides which epoch is kept.",
    )
    keep: Literal["best", "last"] = Field(
        "best", description="Which weights are kept: those of the best epoch or of the last."
    )
    resample: RowsPerClass = Field(
        default_factory=dict,
        description="Number of training rows to draw from each class, such as `{Books: 600}`, "
        "with repetition where a class has fewer. Classes that are not named keep their rows.",
    )
    class_weight: ClassWeight = Field(
        "none",
        description="Weight of each class in the loss, of the linear path and the baselines too: "
        "`none`, by which every row weighs the same; `balanced`, rows / (classes × rows of the "
        "class), as in scikit-learn; or weights by class name, such as `{Books: 2}`, where other "
        "classes weigh 1.",
    )
    word_swap: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Fraction of words swapped in each training text, resampled every epoch.",
    )
    suspects: Literal["keep", "weigh", "drop"] = Field(
        "keep",
        description="What becomes of training rows whose label the predictions of models fitted "
        "on other rows contradict: `keep` them, `weigh` them less in the loss, or `drop` them.",
    )
