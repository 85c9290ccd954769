"""Compare the sweep that tutorials teach with ours on the same rows, space and number of trials.

    python experiments/bench_sweep.py --data ROWS.csv [--trials 3] [--seeds 0] [--json OUT.json]

The full comparison, `--trials 12 --seeds 0 1 2`, takes hours. Neither side gets initial guesses.
The loop is `tutorial_loop.py`; ours is `ecomclf sweep` with `configs/ecommerce.yaml`, the loop's
search space, and the same split. Ours also fits two baselines, evaluates the winner with intervals
and registers it; all of that is included in its time.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured import Measured, measure, measure_sweep

if TYPE_CHECKING:
    from ecomclf.tracking.runs import Tracking

HERE = Path(__file__).parent
CONFIG = HERE.parent / "configs" / "ecommerce.yaml"
SPACE = {
    "model.embedding_dim": {"type": "choice", "values": [32, 64, 128]},
    "model.units": {"type": "int", "low": 16, "high": 128, "step": 16},
    "model.dropout": {"type": "float", "low": 0.1, "high": 0.6},
}
PARTS = ("encoding", "vectors", "building", "fitting", "evaluating", "logging")


def main() -> None:
    """Run both sides, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--workers", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        results.append(run_both(options, seed))
        # Written after each seed: a later failure must not lose hours of results.
        if options.json:
            options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")
    print_table(results)


def run_both(options: argparse.Namespace, seed: int) -> dict[str, dict[str, Any]]:
    """Run the loop and then ours with one seed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = [
            f"data.source={options.data.resolve()}",
            f"sweep.space={json.dumps(SPACE)}",
            f"sweep.seed={seed}",
            f"seed={seed}",
            *options.set,
        ]
        write_sides(folder, overrides)
        loop = run_loop(folder, options.trials, seed)
        return {"loop": loop, "ours": run_ours(folder, options, overrides, loop["validation"])}


def write_sides(folder: Path, overrides: list[str]) -> None:
    """Write training, validation and test rows of our split as the loop reads them."""
    from ecomclf.config.loading import load_config
    from ecomclf.data.dataset import load
    from ecomclf.data.splitting import split_dataset

    config = load_config(CONFIG, overrides)
    dataset, _ = load(config.data)
    split = split_dataset(dataset, config.data)
    for name in ("train", "validation", "test"):
        rows = getattr(split, name)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            labels = (split.classes[label] for label in rows.labels)
            csv.writer(file).writerows(zip(labels, rows.texts, strict=True))


def run_loop(folder: Path, trials: int, seed: int) -> dict[str, Any]:
    """Run the tutorial loop and return its metrics."""
    place = folder / "loop"
    place.mkdir()
    program = [sys.executable, str(HERE / "tutorial_loop.py"), str(folder)]
    done = measure([*program, "--trials", str(trials), "--seed", str(seed)], place, {})
    lines = [json.loads(line) for line in done.lines if line.startswith("{")]
    best = lines[-1]
    reached = next(line["end"] for line in lines if line.get("score") == best["validation"])
    return {
        "seconds": done.seconds,
        "seconds_to_best": reached - done.begin,
        "validation": best["validation"],
        "test": best["test"],
        "peak_mib": done.peak(),
    }


def run_ours(
    folder: Path, options: argparse.Namespace, overrides: list[str], goal: float
) -> dict[str, Any]:
    """Run our sweep; `goal` is the loop's best weighted F1 on validation rows."""
    workers = ["--workers", str(options.workers)] if options.workers else []
    trials = ["--trials", str(options.trials)]
    done, tracking = measure_sweep(CONFIG, folder / "ours", overrides, *trials, *workers)
    return {"seconds": done.seconds, "peak_mib": done.peak(), **read_runs(tracking, done, goal)}


def read_runs(tracking: "Tracking", done: Measured, goal: float) -> dict[str, Any]:
    """Return a sweep's metrics and where its time went, read from its runs."""
    (parent,) = tracking.search("sweep")
    trials = sorted(tracking.search("trial"), key=lambda run: run.info.start_time)
    finished = [run for run in trials if run.info.status == "FINISHED"]
    passed = [
        run.info.end_time / 1000 for run in finished if run.data.metrics["val_f1_weighted"] >= goal
    ]
    first = trials[0]
    # Learning word vectors is not part of the start; it is reported separately.
    before_fit = sum(
        first.data.metrics.get(f"seconds/{part}", 0.0) for part in ("encoding", "building")
    )
    busy = sum((run.info.end_time - run.info.start_time) / 1000 for run in trials)
    last = max(run.info.end_time for run in trials) / 1000
    return {
        "seconds_to_goal": min(passed) - done.begin if passed else None,
        "validation": max(run.data.metrics["val_f1_weighted"] for run in finished),
        "winner_validation": parent.data.metrics["val_f1_weighted"],
        "test": parent.data.metrics["test_f1_weighted"],
        "pruned": len(trials) - len(finished),
        "until_first_batch": first.info.start_time / 1000 + before_fit - done.begin,
        "after_last_trial": done.end - last,
        "trials": busy,
        **{
            part: sum(run.data.metrics.get(f"seconds/{part}", 0.0) for run in trials)
            for part in PARTS
        },
    }


def print_table(results: list[dict[str, dict[str, Any]]]) -> None:
    """Print medians over the seeds, and ratios within each."""

    def middle(side: str, figure: str) -> float:
        values = [each[side][figure] for each in results if each[side].get(figure) is not None]
        return statistics.median(values) if values else float("nan")

    def ratio(theirs: str, own: str) -> float:
        """Return how many times as long the loop took; 0 where ours never reached the goal."""
        return statistics.median(
            each["loop"][theirs] / each["ours"][own] if each["ours"][own] else 0.0
            for each in results
        )

    rows = [
        ("seconds to finish", "seconds", "{:.0f}"),
        ("best on validation rows, weighted F1", "validation", "{:.4f}"),
        ("on test rows", "test", "{:.4f}"),
        ("peak memory, MiB", "peak_mib", "{:.0f}"),
    ]
    print("| | the loop | ours |")
    print("|---|---|---|")
    for title, figure, form in rows:
        print(f"| {title} | {form.format(middle('loop', figure))} | "
              f"{form.format(middle('ours', figure))} |")  # fmt: skip
    print(f"| until the loop's best is passed, s | {middle('loop', 'seconds_to_best'):.0f} | "
          f"{middle('ours', 'seconds_to_goal'):.0f} |")  # fmt: skip
    finish, goal = ratio("seconds", "seconds"), ratio("seconds_to_best", "seconds_to_goal")
    print(f"\n{finish:.1f} times as fast to finish, {goal:.1f} times to the loop's best")
    print("\nwhere ours spends its time, seconds (parts of trials: of all workers together):")
    for part in ("until_first_batch", "trials", *PARTS, "after_last_trial", "pruned"):
        print(f"  {part:18} {middle('ours', part):8.1f}")


if __name__ == "__main__":
    main()
