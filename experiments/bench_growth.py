"""Growth of a sweep's time with the number of rows, and of its memory with the number of trials.

    python experiments/bench_growth.py --data ROWS.csv [--trials 40] [--json OUT.json]

Rows: sweeps of two trials of two epochs over distinct texts of ROWS.csv (label,text) and over the
embedded sample. Trials: one sweep of many short trials; workers are replaced after a few of them.
"""

import argparse
import csv
import json
import random
import tempfile
from pathlib import Path

from measured import Measured, measure_sweep

ROWS = (2_500, 5_000, 10_000)
SAMPLES = (10_000, 100_000)
CONFIGS = Path(__file__).parent.parent / "configs"
SPACE = {"model.dropout": {"type": "float", "low": 0.1, "high": 0.6}}
SHORT = ("data.sample_rows=1000", "train.epochs=1", "text.max_length=20")
# Peaks are compared between this many trials at the beginning and at the end.
SPAN = 10


def main() -> None:
    """Run all sweeps, print two tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seconds = by_rows(options.data, Path(name))
        peaks = by_trials(options.trials, Path(name))
    print("| texts | seconds | a thousand texts |\n|---|---|---|")
    for title, (count, taken) in seconds.items():
        print(f"| {title} | {taken:.0f} | {1000 * taken / count:.1f} |")
    print("\n| trials | peak of all processes, MiB |\n|---|---|")
    for title, peak in peaks.items():
        print(f"| {title} | {peak:.0f} |")
    if options.json:
        results = {"seconds": seconds, "peaks": peaks}
        options.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


def by_rows(data: Path, folder: Path) -> dict[str, tuple[int, float]]:
    """Return the number of texts and the seconds of each sweep, by title."""
    found: dict[str, tuple[int, float]] = {}
    with data.open(newline="", encoding="utf-8") as file:
        rows = list({text: (label, text) for label, text in csv.reader(file) if text}.values())
    random.Random(0).shuffle(rows)
    for count in ROWS:
        few = folder / f"{count}.csv"
        with few.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows[:count])
        done, _ = sweep(folder / str(count), "ecommerce", 2, f"data.source={few}", "train.epochs=2")
        found[f"{data.name}, {count:,}"] = min(count, len(rows)), done.seconds
    for count in SAMPLES:
        wanted = (f"data.sample_rows={count}", "train.epochs=2")
        done, _ = sweep(folder / f"sample {count}", "sample", 2, *wanted)
        found[f"the sample, {count:,}"] = count, done.seconds
    return found


def by_trials(trials: int, folder: Path) -> dict[str, float]:
    """Return the peak memory of all processes (MiB) during the first and last trials."""
    done, times = sweep(folder / "trials", "sample", trials, *SHORT)
    spans = {"1 to": times[:SPAN], f"{trials - SPAN + 1} to": times[-SPAN:]}
    return {
        f"{title} {times.index(span[-1]) + 1}": done.peak(span[0][0], max(end for _, end in span))
        for title, span in spans.items()
    }


def sweep(
    place: Path, config: str, trials: int, *overrides: str
) -> tuple[Measured, list[tuple[float, float]]]:
    """Run a sweep in its own folder; return its measurements and each trial's start and end."""
    done, tracking = measure_sweep(
        CONFIGS / f"{config}.yaml",
        place,
        (f"sweep.space={json.dumps(SPACE)}", "sweep.pruner=none", *overrides),
        "--trials",
        str(trials),
    )
    runs = tracking.search("trial")
    times = [(run.info.start_time / 1000, run.info.end_time / 1000) for run in runs]
    return done, sorted(times)


if __name__ == "__main__":
    main()
