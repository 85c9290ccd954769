"""Speed of prediction: CSV to CSV, one text, over HTTP, and from the registry to the first answer.

    python experiments/bench_predict.py --data ROWS.csv [--rows N] [--full] [--json FILE]
        [--model models:/ecomclf/1]

A BiLSTM 64 with embedding 64 and 4 classes over the texts of ROWS.csv (label,text). Weights are
left as initialised, because speed does not depend on them. With --model it is a registered version
of the store of the working directory. Each result is a median of three rounds; compared variants
run in turns. --full adds the peak memory of `classify` at 10 thousand and 1 million rows.
"""

import argparse
import csv
import functools
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROUNDS = 3
SINGLE = 200
KERAS_ROWS = 2_000


def main() -> None:
    """Run all parts in a temporary folder with its own MLflow store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/ecommerceDataset.csv"))
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model")
    options = parser.parse_args()
    if not options.data.exists():
        sys.exit(f"no rows at {options.data}; name a CSV of label,text with --data")
    source = options.data.resolve()
    model = load_model(options.model) if options.model else None
    with tempfile.TemporaryDirectory() as folder:
        target = options.json.resolve() if options.json else None
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        figures = measure(source, options.rows, model, full=options.full)
    print("| metric | value |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:,.4g} |" if value < 100 else f"| {name} | {value:,.0f} |")
    if target:
        target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def load_model(source: str) -> Any:
    """Return a registered classifier."""
    import ecomclf
    from ecomclf.runtime.tensorflow_setup import count_cores, quiet_mlflow, start_tensorflow

    quiet_mlflow()
    start_tensorflow(count_cores())
    return ecomclf.load(source)


def measure(source: Path, rows: int, model: Any, *, full: bool) -> dict[str, float]:
    """Return every result by name."""
    from ecomclf.runtime.tensorflow_setup import count_cores, quiet_mlflow, start_tensorflow

    quiet_mlflow()
    start_tensorflow(count_cores())
    from ecomclf.config.data_section import DataConfig
    from ecomclf.data.sources import read_file

    texts = read_file(source, DataConfig(source=str(source))).texts
    classifier = model or build(texts)
    register(classifier)
    figures = batch(classifier, texts, rows)
    figures |= single(classifier, texts)
    figures["registry to the first answer, fresh process, s"] = first_answer()
    if full:
        for count in (10_000, 1_000_000):
            figures[f"peak memory of classify, {count:,} rows, MiB"] = peak_memory(texts, count)
    return figures


def build(texts: Sequence[str]) -> Any:
    """Build a classifier without training it."""
    from ecomclf.config.schema import ModelConfig
    from ecomclf.models.architecture import build_model
    from ecomclf.models.classifier import Classifier
    from ecomclf.text.cleaning import Cleaner
    from ecomclf.text.vectorizer import Vectorizer

    cleaner = Cleaner(["lowercase", "punctuation"])
    vectorizer = Vectorizer.fit(cleaner.clean(texts), max_tokens=20_000, max_length=250)
    size = vectorizer.vocabulary_size
    plain = ModelConfig(embedding_dim=64, filters=None, units=64)
    network = build_model(plain, vocabulary_size=size, classes=4, max_length=250)
    return Classifier(cleaner, vectorizer, network, ["B", "C", "E", "H"])


def register(classifier: Any) -> None:
    """Register a classifier as the Production version."""
    from ecomclf.tracking.connection import connect
    from ecomclf.tracking.registry import Registry

    tracking = connect("bench")
    run = tracking.start_run("train", "bench", tags={})
    registry = Registry(tracking.uri, "ecomclf")
    model = run.log_model(classifier, {}, {})
    registry.register(run, model, study="bench", study_id="bench", trials="0", recipe="bench")
    registry.promote("1", "Production")


def write_rows(path: Path, texts: Sequence[str], count: int) -> None:
    """Write `count` rows, repeating the texts."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows([number, texts[number % len(texts)]] for number in range(count))


def batch(classifier: Any, texts: Sequence[str], rows: int) -> dict[str, float]:
    """Classify a CSV, in turns with Keras' `model.predict` on the string model in batches of 32.

    Keras runs in its own process, with TensorFlow's default threads.
    """
    from rich.console import Console

    from ecomclf.runtime.tensorflow_setup import count_cores, start_tensorflow
    from ecomclf.serving.file_batch import Columns, classify_file

    write_rows(Path("in.csv"), texts, rows)
    write_rows(Path("different.csv"), list(dict.fromkeys(texts)), rows)
    cleaned = classifier.cleaner.clean(texts[:KERAS_ROWS])
    quiet = Console(file=Path(os.devnull).open("w"))  # noqa: SIM115 - lives as long as the process

    def ours(name: str) -> None:
        classify_file(
            classifier,
            Path(name),
            Path("out.csv"),
            Columns(),
            console=quiet,
            threads=count_cores(),
        )

    ours("in.csv")
    rates: dict[str, list[float]] = {"ours": [], "different": [], "keras": []}
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=start_tensorflow) as other:
        other.submit(keras_seconds, cleaned).result()
        for _ in range(ROUNDS):
            rates["ours"].append(rows / seconds(lambda: ours("in.csv")))
            rates["different"].append(rows / seconds(lambda: ours("different.csv")))
            rates["keras"].append(len(cleaned) / other.submit(keras_seconds, cleaned).result())

    def ratio(name: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[name], rates["keras"], strict=True))

    return {
        "classify, CSV to CSV, rows a second": statistics.median(rates["ours"]),
        "the same without copies, rows a second": statistics.median(rates["different"]),
        "model.predict, batches of 32, rows a second": statistics.median(rates["keras"]),
        "ratio": ratio("ours"),
        "ratio without copies": ratio("different"),
    }


def keras_seconds(cleaned: Sequence[str]) -> float:
    """Return the seconds of `model.predict` of the registered version, loaded as users load it."""
    import tensorflow as tf

    model, strings = keras_model(), tf.constant(cleaned)
    return seconds(lambda: model.predict(strings, batch_size=32, verbose=0))


@functools.cache
def keras_model() -> Any:
    """Load the registered Keras model once."""
    import mlflow

    return mlflow.keras.load_model("models:/ecomclf@production")


def single(classifier: Any, texts: Sequence[str]) -> dict[str, float]:
    """Return the median milliseconds of single texts, in process and over HTTP."""
    chosen = [texts[number * 7 % len(texts)] for number in range(SINGLE)]
    classifier.predict_proba(chosen[:1])
    inside = [seconds(lambda t=text: classifier.predict_proba([t])) for text in chosen]
    return {
        "one text in process, median ms": 1000 * statistics.median(inside),
        "one text over HTTP, median ms": 1000 * over_http(chosen),
    }


def over_http(texts: Sequence[str]) -> float:
    """Return the median seconds of a request to `mlflow models serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "mlflow", "models", "serve", "-m", "models:/ecomclf@production"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    server = subprocess.Popen(
        [sys.executable, *command, "-h", "127.0.0.1", "-p", str(port), "--env-manager", "local"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PATH": path},
    )

    def ask(text: str) -> None:
        body = json.dumps({"inputs": [text]}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).read()

    try:
        limit = time.monotonic() + 90
        while True:
            try:
                ask("wait")
                break
            except OSError:
                if time.monotonic() > limit or server.poll() is not None:
                    raise
                time.sleep(0.3)
        return statistics.median(seconds(lambda t=text: ask(t)) for text in texts)
    finally:
        server.terminate()
        server.wait()


def first_answer() -> float:
    """Return the median seconds of `ecomclf predict` in a fresh process, including imports."""
    command = [sys.executable, "-m", "ecomclf", "predict", "a case for a phone"]

    def run() -> None:
        subprocess.run(command, check=True, capture_output=True)

    return statistics.median(seconds(run) for _ in range(ROUNDS))


def peak_memory(texts: Sequence[str], count: int) -> float:
    """Return the peak memory of one `ecomclf classify` process in MiB."""
    write_rows(Path("many.csv"), texts, count)
    command = [sys.executable, "-m", "ecomclf", "classify", "many.csv", "done.csv", "--force"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"classify ended with status {status}")
    assert isinstance(usage, resource.struct_rusage)
    return usage.ru_maxrss / 1024


def seconds(function: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
