"""`SweepConfig`: the section `sweep` of a config."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ecomclf.config.duration import parse_duration
from ecomclf.config.search_space import Dimension
from ecomclf.config.section import Section

# What a user may write, for the JSON schema of a config.
_WrittenDuration = (
    Annotated[float, Field(gt=0)] | Annotated[str, Field(pattern=r"^(\d+h)?(\d+m)?(\d+s?)?$")]
)
Duration = Annotated[
    float, BeforeValidator(parse_duration, json_schema_input_type=_WrittenDuration)
]


class SweepConfig(Section):
    """The search: number of trials, worker processes, sampler, pruner, search space.

    Example:
        >>> space = {"model.units": {"type": "int", "low": 16, "high": 64, "step": 16}}
        >>> config = SweepConfig(trials=6, space=space)
        >>> config.space["model.units"]
        IntRange(type='int', low=16, high=64, step=16, log=False)

    """

    trials: int = Field(
        10,
        ge=1,
        description="Total number of trials of the study, those of earlier calls included; "
        "`--trials` overrides it.",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="Where trials run: in processes on this machine, or on a Ray cluster, which "
        "needs the extra `ecomclf[ray]`; `--engine` overrides it.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="Number of worker processes; by default as many as this machine, whose "
        "container may have a quota, or the Ray cluster has room for. `--workers` overrides it.",
    )
    cpus: int | None = Field(
        None,
        ge=1,
        description="CPUs of a worker, and threads of its TensorFlow; by default 1 on a Ray "
        "cluster, and this machine's cores divided among its workers.",
    )
    gpus: float = Field(
        0.0,
        ge=0,
        description="GPUs of a worker on a Ray cluster, which may be less than one. On this "
        "machine all workers share those that there are.",
    )
    seed: int = Field(0, ge=0, description="Random seed of the sampler.")
    sampler: Literal["tpe", "random", "grid", "gp"] = Field(
        "tpe",
        description="How values are drawn, never the same ones twice: Optuna's `tpe` or `gp`, "
        "which needs the package torch; `random`; or `grid`, every combination of a finite space "
        "in random order.",
    )
    time_limit: Duration | None = Field(
        None,
        description="Time that one call of the sweep may take, such as `10m` or `1h30m`, the "
        "winner's evaluation and registration included; trials that cannot end in time are not "
        "begun, and the next call goes on. `--time-limit` overrides it.",
    )
    stop_after: int | None = Field(
        None,
        ge=1,
        description="Number of trials in a row without a new best one after which the sweep ends.",
    )
    pruner: Literal["median", "hyperband", "none"] = Field(
        "median",
        description="The median pruner stops a trial whose best epoch so far is worse than the "
        "median of the complete trials at the same epoch; `hyperband` is Optuna's.",
    )
    first: tuple[dict[str, Any], ...] = Field(
        (),
        description="Trials that a new study runs before any other: a list of mappings from "
        "searched keys to values in `space`. Keys that a mapping leaves out are sampled.",
    )
    startup_trials: int = Field(
        4,
        ge=0,
        description="Number of trials sampled at random before TPE or GP takes over. The `median` "
        "pruner compares once this many trials are complete.",
    )
    warmup_epochs: int = Field(
        2, ge=0, description="Number of epochs before which no trial is pruned."
    )
    keep_models: int = Field(
        4, ge=1, description="Number of best trials whose models are kept after the sweep."
    )
    trials_per_worker: int = Field(
        8,
        ge=1,
        description="Number of trials after which a worker process is replaced, since its memory "
        "use grows.",
    )
    space: dict[str, Dimension] = Field(
        default_factory=dict,
        description="What is searched: a mapping from dotted keys to dimensions. A sweep needs at "
        "least one.",
    )
