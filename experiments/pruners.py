"""Replay a recorded sweep through pruners: epochs saved, and how often the best trial is lost.

    python experiments/pruners.py --study NAME [--orders 200]

The study's trials must have been trained without a pruner (`sweep.pruner: none`). Their curves are
replayed to Optuna's pruners in random orders, one trial after the other.
"""

import argparse
import statistics
from collections.abc import Sequence

import numpy as np
import optuna

Curve = Sequence[float]


def main() -> None:
    """Read the curves, replay them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True)
    parser.add_argument("--orders", type=int, default=200)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = read_curves(options.study)
    longest = max(map(len, curves))
    print(f"{len(curves)} trials of {longest} epochs at most")
    print("| pruner | epochs trained | best lost | lost by it, mean | most |")
    print("|---|---|---|---|---|")
    pruners: dict[str, optuna.pruners.BasePruner] = {}
    for first in range(1, min(4, longest)):
        for startup in (2, 4):
            pruners[f"median, from epoch {first} on, after {startup} trials"] = (
                optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=first)
            )
        for share in (25, 35):
            pruners[f"best {share} %, from epoch {first} on, after 2 trials"] = (
                optuna.pruners.PercentilePruner(share, n_startup_trials=2, n_warmup_steps=first)
            )
    for name, pruner in pruners.items():
        report(name, pruner, curves, options.orders)


def read_curves(name: str) -> list[Curve]:
    """Return the monitored metric per epoch of each finished trial of the newest sweep."""
    import mlflow

    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.runs import MONITOR, STUDY, STUDY_ID

    tracking = connect("ecomclf")
    sweep = next(run for run in tracking.search("sweep") if run.data.tags[STUDY] == name)
    client = mlflow.MlflowClient(tracking.uri)
    curves = []
    for run in tracking.search("trial", study_id=sweep.data.tags[STUDY_ID]):
        if run.info.status == "FINISHED":
            found = client.get_metric_history(run.info.run_id, sweep.data.tags[MONITOR])
            by_epoch = sorted(found, key=lambda metric: metric.step)
            # The last value repeats that of the kept epoch.
            curves.append([metric.value for metric in by_epoch[:-1]])
    return curves


def report(name: str, pruner: optuna.pruners.BasePruner, curves: list[Curve], orders: int) -> None:
    """Replay the curves in many orders and print a row of the table."""
    generator = np.random.default_rng(0)
    best = max(map(max, curves))
    every = sum(map(len, curves))
    played = [play(pruner, [curves[at] for at in generator.permutation(len(curves))])
              for _ in range(orders)]  # fmt: skip
    losses = [best - reached for _, reached in played]
    epochs = statistics.mean(trained for trained, _ in played) / every
    lost = statistics.mean(loss > 0 for loss in losses)
    print(f"| {name} | {epochs:.0%} | {lost:.0%} | {statistics.mean(losses):.4f} | "
          f"{max(losses):.4f} |")  # fmt: skip


def play(pruner: optuna.pruners.BasePruner, curves: list[Curve]) -> tuple[int, float]:
    """Return the number of epochs trained, and the best value of the trials not pruned."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trained, reached = 0, -np.inf
    for curve in curves:
        trial = study.ask()
        for epoch, value in enumerate(curve, start=1):
            trained += 1
            trial.report(value, epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, max(curve))
            reached = max(reached, *curve)
    return trained, reached


if __name__ == "__main__":
    main()
