"""Compare the published systems, ours and the linear baseline, with random rows and leak-free.

    python experiments/published.py --config configs/ecommerce.yaml --data ROWS.csv
        [--leave-out OWNER …]

Runs a sweep of one trial for each config in `configs/published/`, and the sweep of `--config`,
under both protocols: `random_rows`, with copies of a text on both sides of the split, as published,
and `groups`, which is leak-free. Rows, columns and split are those of `--config`. The same command
resumes after a kill. At the end a table is printed, and logged with a plot as an MLflow run.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PUBLISHED = Path(__file__).parent.parent / "configs" / "published"
# What the authors report on their own test rows: accuracy, macro F1, weighted F1.
CLAIMS = {
    "MuhdAhnaf-dot": (0.94, 0.93, None),
    "Sabaruddin94": (0.9584, None, 0.9585),
    "AshrafZainalAbidin": (0.94, 0.94, None),
    "nadhirahzlkfl": (0.97, 0.97, None),
    "alyy10": (None, None, None),
}
OURS, BASELINE = "winner", "TF-IDF + LinearSVC"
PROTOCOLS = {"random_rows": "random rows", "groups": "leak-free split"}
FIGURES = ("accuracy", "f1_macro", "f1_weighted", "mean_absolute_error")
# A registered model of their own: these versions are not candidates for production.
MODEL = "ecomclf-published"


@dataclass(frozen=True)
class System:
    """A config and the `overrides` that set its rows and protocol."""

    name: str
    path: Path
    overrides: tuple[str, ...]
    protocol: str


def main() -> None:
    """Run the missing sweeps, then print and log the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="OWNER")
    options = parser.parse_args()

    from ecomclf.runtime.tensorflow_setup import quiet_mlflow

    quiet_mlflow()
    every = list_systems(options.config, options.data)
    systems = [system for system in every if system.name not in options.leave_out]
    for system in systems:
        command = ["sweep", "--config", str(system.path)]
        for override in system.overrides:
            command += ["--set", override]
        subprocess.run([sys.executable, "-m", "ecomclf", *command], check=True)
    record(table_of(systems))


def list_systems(config: Path, data: Path) -> list[System]:
    """Return every system under both protocols, on the rows of one config."""
    import yaml

    from ecomclf.config.loading import load_config
    from ecomclf.data.dataset import load

    base = load_config(config, [f"data.source={data}"])
    dataset, _ = load(base.data)
    if base.data.test_source is not None:
        sys.exit(f"{config} has a file of test rows, which cannot be split at random; name another")
    columns = {"source", "header", "text_columns", "label_column"}
    sides = {"validation_size", "test_size", "split_seed"}
    rows = base.data.model_dump(mode="json", include=columns | sides)
    paths = {path.stem: path for path in sorted(PUBLISHED.glob("*.yaml"))} | {OURS: config}
    systems = []
    for protocol in PROTOCOLS:
        for name, path in paths.items():
            wanted = {f"data.{key}": value for key, value in rows.items()}
            wanted |= {"data.split": protocol, "registry.model": MODEL}
            resample = dict(load_config(path).train.resample)
            if not set(resample) <= set(dataset.classes):
                resample = {}
            # The author resampled before the split, which only random_rows allows.
            early = protocol == "random_rows"
            wanted["data.resample"] = resample if early else {}
            wanted["train.resample"] = {} if early else resample
            overrides = tuple(
                f"{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}"
                for key, value in wanted.items()
            )
            systems.append(System(name, path, overrides, protocol))
    return systems


def table_of(systems: list[System]) -> "pd.DataFrame":
    """Return one row per system: its claims, then its test metrics under both protocols."""
    import pandas as pd

    rows: dict[str, dict[str, Any]] = {}
    for system in systems:
        metrics, seconds = figures_of(system)
        row = rows.setdefault(system.name, {"system": system.name})
        claims = CLAIMS.get(system.name, (None, None, None))
        row |= {f"claims {name}": value for name, value in zip(FIGURES, claims, strict=False)}
        side = PROTOCOLS[system.protocol]
        row |= {f"{side} {name}": metrics.get(f"test_{name}") for name in FIGURES}
        row |= {f"{side} seconds": seconds, f"{side} against baseline": difference(metrics)}
        if system.name == OURS:
            row = rows.setdefault(BASELINE, {"system": BASELINE})
            row |= {f"{side} {name}": metrics.get(f"baseline/test_{name}") for name in FIGURES}
    return pd.DataFrame(rows.values()).dropna(axis="columns", how="all")


def difference(metrics: dict[str, float]) -> str:
    """Return the difference to the baseline, with its interval; by `train.monitor`'s metric."""
    value = metrics["baseline/difference"]
    low, high = (metrics[f"intervals/baseline_difference_{end}"] for end in ("low", "high"))
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def figures_of(system: System) -> tuple[dict[str, float], int]:
    """Return the metrics of a system's newest finished sweep, and the seconds of its longest.

    The longest, because a study that is only evaluated again trains nothing.
    """
    from ecomclf.config.loading import load_config
    from ecomclf.data.dataset import load
    from ecomclf.search.study import default_study_name, study_identity
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.runs import STUDY

    config = load_config(system.path, system.overrides)
    dataset, _ = load(config.data)
    name = default_study_name(config, study_identity(config, dataset.fingerprint))
    tracking = connect(config.tracking.experiment)
    runs = [
        run
        for run in tracking.search("sweep")
        if run.data.tags[STUDY] == name and run.info.status == "FINISHED"
    ]
    seconds = max((run.info.end_time - run.info.start_time) / 1000 for run in runs)
    return runs[0].data.metrics, round(seconds)


def record(table: "pd.DataFrame") -> None:
    """Print the table as Markdown, and log it with a plot as a run."""
    from ecomclf.tracking.connection import connect

    text = markdown(table)
    print(text)
    run = connect("ecomclf").start_run("comparison", "published systems", tags={})
    run.log_text(text, "published.md")
    run.log_table(table, "published.json")
    run.log_figure(plot(table), "published.png")
    run.finish("FINISHED")
    print(f"run {run.run_id}")


def markdown(table: "pd.DataFrame") -> str:
    """Return the table as Markdown: one cell for the metrics of a protocol, dashes for missing."""
    has_stars = any("mean_absolute_error" in column for column in table)
    figures = FIGURES if has_stars else FIGURES[:-1]
    stars = " / mean absolute error" if has_stars else ""

    def cell(row: dict[str, Any], side: str) -> str:
        values = [row.get(f"{side} {figure}") for figure in figures]
        known = [value is not None and value == value for value in values]
        if not any(known):
            return "—"
        pairs = zip(values, known, strict=True)
        return " / ".join(f"{value:.4f}" if is_known else "—" for value, is_known in pairs)

    random, leak_free = PROTOCOLS.values()
    lines = [
        f"Cells are accuracy / macro F1 / weighted F1{stars} on test rows; differences are of the"
        " metric that train.monitor names.",
        "",
        f"| | claims | {random} | {leak_free} | {leak_free}: minus {BASELINE} | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        against = row.get(f"{leak_free} against baseline")
        seconds = [row.get(f"{side} seconds") for side in PROTOCOLS.values()]
        cells = [
            row["system"],
            cell(row, "claims"),
            cell(row, random),
            cell(row, leak_free),
            against if isinstance(against, str) else "—",
            " / ".join(f"{each:.0f}" if each == each else "—" for each in seconds),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(table: "pd.DataFrame") -> "Figure":
    """Plot the weighted F1 of every system, by protocol."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 * len(table) + 1.5), layout="constrained")
    axes = figure.subplots()
    colours = ("lightgrey", "tab:blue")
    for offset, (side, colour) in enumerate(zip(PROTOCOLS.values(), colours, strict=True)):
        places = [row + 0.4 * offset for row in range(len(table))]
        axes.barh(places, table[f"{side} f1_weighted"], 0.38, label=side, color=colour)
    axes.set_yticks([row + 0.2 for row in range(len(table))], table["system"])
    lowest = min(table[f"{side} f1_weighted"].min() for side in PROTOCOLS.values())
    axes.set(xlim=(max(0.0, lowest - 0.05), 1), xlabel="weighted F1 on test rows")
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()
