"""The data of a run as MLflow's UI shows it: name, digest, rows and context of each subset."""

import json
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from ecomclf.data.data_report import DataReport
from ecomclf.data.splitting import Split

# Characters of the fingerprint in a digest; MLflow takes 36.
_DIGEST_LETTERS = 8
_MAX_NAME = 500


def describe_datasets(split: Split, data: DataReport, *, test: bool) -> list[DatasetInput]:
    """Return the subsets of a split as dataset inputs of a run.

    MLflow's own digest covers the first 10,000 rows only. The digest here begins with the
    fingerprint of all kept texts and labels; the profile has the whole fingerprint, and the sha256
    of the file.

    Args:
        split: the rows.
        data: report of the file they come from.
        test: include the test rows, for a run that reads them.

    """
    sides = {"training": split.train, "validation": split.validation}
    if test:
        sides["test"] = split.test
    return [_describe(side, len(rows), split, data) for side, rows in sides.items()]


def _describe(side: str, rows: int, split: Split, data: DataReport) -> DatasetInput:
    from_test_file = side == "test" and data.test_source is not None
    source = str(data.test_source) if from_test_file else data.source
    sha256 = data.test_sha256 if from_test_file else data.sha256
    columns = [*(split.text_columns or ("text",)), "label"]
    profile = {
        "num_rows": rows,
        "num_classes": len(split.classes),
        "sha256": sha256,
        "fingerprint": split.fingerprint,
        "split": split.protocol,
    }
    dataset = Dataset(
        name=(Path(source).name or source)[:_MAX_NAME],
        digest=f"{split.fingerprint[:_DIGEST_LETTERS]}-{side}",
        source_type="local",
        source=json.dumps({"uri": source, "sha256": sha256}),
        schema=json.dumps(
            {"mlflow_colspec": [
                {"type": "string", "name": name, "required": True} for name in columns
            ]}
        ),
        profile=json.dumps(profile),
    )  # fmt: skip
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, side)])
