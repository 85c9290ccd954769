"""Train the same configs with and without the GPU of this machine, to see that both agree.

    python experiments/gpu_check.py --data ROWS.csv

For each encoder one training of two epochs on each device, then a sweep of four trials in two
workers that share the GPU. Prints lines of JSON; exits with 1 where there is no GPU. On an H100 it
is meant to take less than eight minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parent.parent / "configs" / "ecommerce.yaml"
DEVICES = {"GPU": {}, "CPU": {"CUDA_VISIBLE_DEVICES": "-1"}}
SHORT = {"train.epochs": 2, "train.patience": 2}


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--any-device", action="store_true", help="go on without a GPU")
    options = parser.parse_args()
    found = list_gpus()
    print(json.dumps({"GPUs": found}), flush=True)
    if not found and not options.any_device:
        sys.exit("no GPU on this machine: nothing to compare")
    with tempfile.TemporaryDirectory() as name:
        for encoder in ("lstm", "gru"):
            for device, variables in DEVICES.items():
                values = SHORT | {"model.encoder": encoder}
                figures = run("train", options.data, Path(name), values, variables)
                print(json.dumps({"encoder": encoder, "device": device} | figures), flush=True)
        values = SHORT | {"sweep.workers": 2, "sweep.trials": 4}
        figures = run("sweep", options.data, Path(name), values, {})
        print(json.dumps({"sweep": "4 trials, 2 workers"} | figures), flush=True)


def list_gpus() -> list[str]:
    """Return the names of the GPUs that TensorFlow sees, from a process of its own."""
    program = "import tensorflow as tf; print(*tf.config.list_physical_devices('GPU'), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if line]


def run(
    command: str, data: Path, folder: Path, values: dict[str, Any], variables: dict[str, str]
) -> dict[str, Any]:
    """Run a command; return its seconds and the metrics of its last epoch."""
    begun = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ecomclf", command, "--config", str(CONFIG)),
            *("--set", json.dumps(values | {"data.source": str(data.resolve())})),
        ],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    told = [line for line in done.stdout.splitlines() if "val_f1_macro" in line]
    return {"seconds": round(time.perf_counter() - begun, 1), "last": told[-1][:120]}


if __name__ == "__main__":
    main()
