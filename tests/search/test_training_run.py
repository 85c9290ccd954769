import json
from pathlib import Path

import pytest

from ecomclf.config.loading import load_config
from ecomclf.data.dataset import load
from ecomclf.data.splitting import split_dataset
from ecomclf.runtime.timing import Stopwatch
from ecomclf.search.training_run import train_in_run
from ecomclf.text.encoded_texts import encode_texts
from ecomclf.tracking.connection import connect


@pytest.mark.usefixtures("store")
def test_a_run_names_the_classes_it_never_predicts(tiny: Path, tmp_path: Path) -> None:
    """With one known word, all texts are the same to the network, which predicts one class."""
    rows = [(("a", "b")[number % 2], f"item {number}") for number in range(60)]
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{label},{text}\n" for label, text in rows), encoding="utf-8")
    columns = {"data.text_columns": [1], "data.label_column": 0, "data.source": str(file)}
    config = load_config(tiny, columns | {"train.epochs": 1, "text.max_tokens": 3})
    split = split_dataset(load(config.data)[0], config.data)
    run = connect("ecomclf").start_run("train", "t", tags={})
    texts = encode_texts(split, config.text)
    fitted = train_in_run(run, config, split, texts, lambda *_: None, watch=Stopwatch())
    run.finish("FINISHED")
    never = fitted.report.never_predicted
    assert len(never) == 1
    (found,) = connect("ecomclf").search("train")
    assert found.data.tags["never_predicted"] == repr(never[0])
    report = connect("ecomclf").download(run.run_id, "report.json", tmp_path)
    assert json.loads(report.read_text(encoding="utf-8"))["never_predicted"] == list(never)
