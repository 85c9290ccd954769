"""Registered versions as users see them: the table of `models`, `predict`, `export`."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from ecomclf.errors import RequestError
from ecomclf.registry import (
    CONFIG_FILE,
    ENSEMBLE_FILE,
    GATE_REASON,
    REPORT_FILE,
    SAMPLES_FILE,
    Registry,
)
from ecomclf.tracking import STUDY, TRIALS

if TYPE_CHECKING:
    from ecomclf.classifier import Classifier

_BYTES_AT_ONCE = 2**16


def version_table(registry: Registry) -> pd.DataFrame:
    """List versions, the newest first, with their stage, test figures and the gate's reason."""
    client = mlflow.MlflowClient(registry.uri)
    rows = []
    for version in registry.versions():
        metrics = {}
        # A version outlives its run, and may have been made without one.
        with contextlib.suppress(MlflowException):
            metrics = client.get_run(str(version.run_id)).data.metrics
        rows.append(
            {
                "version": version.version,
                "stage": version.current_stage,
                "study": version.tags.get(STUDY),
                "trials": version.tags.get(TRIALS),
                "test_f1_weighted": metrics.get("test_f1_weighted"),
                "test_f1_macro": metrics.get("test_f1_macro"),
                "baseline_test_f1_weighted": metrics.get("baseline_test_f1_weighted"),
                "gate": version.tags.get(GATE_REASON),
            }
        )
    return pd.DataFrame(rows)


def export_version(registry: Registry, version: ModelVersion, folder: Path, *, force: bool) -> None:
    """Write a version's classifier as files that need no MLflow; prints their names."""
    from ecomclf.classifier import Classifier
    from ecomclf.export import export

    with tempfile.TemporaryDirectory() as temporary:
        files = registry.download(version, Path(temporary))
        needed = (CONFIG_FILE, ENSEMBLE_FILE, REPORT_FILE, SAMPLES_FILE)
        missing = [name for name in needed if not (files / name).exists()]
        if missing:
            raise RequestError(
                f"version {version.version} of {version.name} has no {', '.join(missing)}, so no "
                "sweep of this release registered it; run one, and export its version"
            )
        written = export(
            Classifier.load(files),
            folder,
            config_yaml=(files / CONFIG_FILE).read_text(encoding="utf-8"),
            ensemble_json=(files / ENSEMBLE_FILE).read_text(encoding="utf-8"),
            report=json.loads((files / REPORT_FILE).read_text(encoding="utf-8")),
            texts=json.loads((files / SAMPLES_FILE).read_text(encoding="utf-8")),
            force=force,
        )
    for path in written:
        print(path)


def lines_as_they_come(descriptor: int) -> Iterator[list[str]]:
    """Read lines of UTF-8 from an open file; some at a time, but none that is there is held back.

    So a person at a terminal has an answer to each line, and a program at the end of a pipe too.
    """
    rest = b""
    while block := os.read(descriptor, _BYTES_AT_ONCE):
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield [line.decode(errors="replace").removesuffix("\r") for line in lines]
    if rest:
        yield [rest.decode(errors="replace").removesuffix("\r")]


def json_lines(classifier: "Classifier", chunks: Iterable[Sequence[str]]) -> Iterator[str]:
    """Classify some texts after the other; a line of JSON each, in their order."""
    for chunk in chunks:
        for row in classifier.predict_probabilities(chunk):
            best = int(row.argmax())
            answer = {
                "label": classifier.classes[best],
                "confidence": round(float(row[best]), 6),
                "needs_review": bool(row[best] < classifier.threshold),
                "probabilities": {
                    name: round(float(value), 6)
                    for name, value in zip(classifier.classes, row, strict=True)
                },
            }
            yield json.dumps(answer, ensure_ascii=False)
