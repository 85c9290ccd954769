"""The data of a run as MLflow's UI shows it: name, digest, rows, and what they were used for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split

# Characters of the fingerprint in a digest; MLflow takes 36.
_DIGEST_CHARACTERS = 12
_MAX_NAME = 500


def describe_datasets(split: Split, data: DataReport, *, test: bool) -> list[DatasetInput]:
    """Return what a run reads: the file, and the file of test rows where that is another one.

    MLflow's own digest covers the first 10,000 rows only. The digest here begins with the
    fingerprint of all kept texts and labels; the profile has the whole fingerprint, the sha256 of
    the file and the rows of each subset.

    Args:
        split: the rows.
        data: report of the file they come from.
        test: include the test rows, for a run that reads them.

    """
    rows = {
        "training": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
    }
    read = ["training", "validation"]
    if data.test_source is None:
        used = [*read, "test"] if test else read
        return [_describe(data.source, data.sha256, rows, used, split)]
    tested = {"test": rows.pop("test")}
    found = [_describe(data.source, data.sha256, rows, read, split)]
    if test:
        found.append(_describe(data.test_source, str(data.test_sha256), tested, ["test"], split))
    return found


def _describe(
    source: str, sha256: str, rows: Mapping[str, int], used: Sequence[str], split: Split
) -> DatasetInput:
    """Return a file with the rows of its subsets, and which of them are used.

    A file has one digest, whichever subsets a run uses: MLflow stores it once.
    """
    columns = [*(split.text_columns or ("text",)), "label"]
    colspec = [{"type": "string", "name": name, "required": True} for name in columns]
    profile = {
        "num_rows": sum(rows.values()),
        **{f"{side}_rows": count for side, count in rows.items()},
        "num_classes": len(split.classes),
        "sha256": sha256,
        "fingerprint": split.fingerprint,
        "split": split.protocol,
    }
    dataset = Dataset(
        name=(Path(source).name or source)[:_MAX_NAME],
        digest=split.fingerprint[:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": source, "sha256": sha256}),
        schema=json.dumps({"mlflow_colspec": colspec}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, ", ".join(used))])
