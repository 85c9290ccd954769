"""`export`: a classifier as plain files that are read without a registry and without pickle."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from ecomclf.errors import RequestError
from ecomclf.models.classifier import ABOUT_FILE, MODEL_FILE, Classifier
from ecomclf.models.ensemble import read_description
from ecomclf.serving.json_lines import answers
from ecomclf.serving.network_files import H5_FILE, WEIGHTS_FILE, network_sizes, write_network
from ecomclf.tracking.registry import Registry
from ecomclf.tracking.runs import as_json
from ecomclf.tracking.version_files import CONFIG_FILE, ENSEMBLE_FILE, REPORT_FILE, SAMPLES_FILE

MAX_SAMPLES = 20

_CONFIG, _ENSEMBLE, _README = "config.yaml", "ensemble.json", "README.txt"
_TOKENIZER, _LABELS = "tokenizer.json", "label_encoder.json"
_REPORT, _PREDICTIONS = "report.json", "sample_predictions.json"
_CONTENTS = {
    MODEL_FILE: "cleaned texts -> probabilities; keras.models.load_model, then "
    'model(tf.constant(["cleaned text"]))',
    ABOUT_FILE: "what model.keras lacks: cleaning, class names, threshold; with both files, "
    "ecomclf.load(folder) takes raw texts",
    _CONFIG: "the config of the best trial; text.steps are the cleaning steps",
    _ENSEMBLE: "the networks that are averaged, the share of the linear path, the temperature",
    WEIGHTS_FILE: "weights of the network: ids, and decision values of the linear path if "
    "there is one, -> probabilities; load_weights into "
    "ecomclf.models.ensemble.rebuild(text of ensemble.json, vocabulary_size={vocabulary_size}, "
    "classes={classes}, max_length={max_length})",
    H5_FILE: "the network as a keras.Sequential, ids -> probabilities; "
    'keras.models.load_model("model.h5", compile=False), then model.predict(pad_sequences(ids, '
    'maxlen={max_length}, padding="{padding}", truncating="post"))',
    _TOKENIZER: "word -> id; tf.keras.preprocessing.text.tokenizer_from_json",
    _LABELS: "class names, in the order of the probabilities",
    _REPORT: "metrics of the evaluation",
    _PREDICTIONS: "some texts with their label, confidence and probabilities",
}
# README.txt is moved in last, so that its presence marks a complete export.
_FILES = (*_CONTENTS, _README)


def export_version(
    registry: Registry, version: ModelVersion, folder: Path, *, force: bool
) -> list[Path]:
    """Write a registered version as plain files; see `export`.

    Args:
        registry: the registered model.
        version: a version that a sweep registered.
        folder: where to write; created if necessary.
        force: replace an earlier export.

    Returns:
        The paths of the files.

    Raises:
        RequestError: the version has no description of its network, the folder holds an export
            already, or the folder cannot be written.

    """
    with tempfile.TemporaryDirectory() as temporary:
        files = registry.download(version, Path(temporary))
        needed = (CONFIG_FILE, ENSEMBLE_FILE, REPORT_FILE, SAMPLES_FILE)
        missing = [name for name in needed if not (files / name).exists()]
        if missing:
            raise RequestError(
                f"version {version.version} of {version.name} has no {', '.join(missing)}; export "
                "a version that a sweep of this release registered"
            )
        return export(
            Classifier.load(files),
            folder,
            config_yaml=(files / CONFIG_FILE).read_text(encoding="utf-8"),
            ensemble_json=(files / ENSEMBLE_FILE).read_text(encoding="utf-8"),
            report=json.loads((files / REPORT_FILE).read_text(encoding="utf-8")),
            texts=json.loads((files / SAMPLES_FILE).read_text(encoding="utf-8")),
            force=force,
        )


def export(
    classifier: Classifier,
    folder: Path,
    *,
    config_yaml: str,
    ensemble_json: str,
    report: dict[str, Any],
    texts: Sequence[str],
    force: bool = False,
) -> list[Path]:
    """Write a classifier as plain files.

    The folder then holds the Keras model, its weights, the vocabulary as a Keras tokenizer, the
    class names, the config, the metrics and some predictions. README.txt says how to read each
    file. `model.h5` is written for networks that are a plain stack of layers, which includes those
    of `configs/published`. `ecomclf.load(folder)` reads the classifier back.

    Files are written to a temporary folder first: if one fails, an earlier export is unchanged.

    Args:
        classifier: the classifier.
        folder: where to write; created if necessary, and other files in it are kept.
        config_yaml: the config of the best trial.
        ensemble_json: the network, as `ecomclf.models.ensemble.describe` describes it.
        report: metrics of the evaluation, as JSON values.
        texts: raw texts; the first 20 are written with their predictions.
        force: replace an earlier export.

    Returns:
        The paths of the files. `model.h5` and `model.weights.h5` are left out where they would not
        give the classifier's probabilities; README.txt says why.

    Raises:
        RequestError: the folder holds one of the files already, or cannot be written.

    """
    try:
        _require_free(folder, force=force)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
            part = Path(temporary)
            classifier.save(part)
            left_out = write_network(classifier, ensemble_json, part)
            contents = {
                _CONFIG: config_yaml,
                _ENSEMBLE: ensemble_json,
                _TOKENIZER: as_json(_tokenizer(classifier)),
                _LABELS: as_json({"classes": classifier.classes_}),
                _REPORT: as_json(report),
                _PREDICTIONS: as_json(_predictions(classifier, texts)),
                _README: _readme(classifier, ensemble_json, left_out),
            }
            for name, text in contents.items():
                (part / name).write_text(text, encoding="utf-8")
            return _move(part, folder)
    except OSError as error:
        raise RequestError(f"cannot export to {folder}: {error}; name another folder") from error


def _require_free(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"cannot export to {folder}: it is a file; name a folder")
    present = [name for name in _FILES if (folder / name).exists()]
    if present and not force:
        raise RequestError(f"{folder} already holds {', '.join(present)}; use --force to replace")


def _tokenizer(classifier: Classifier) -> dict[str, Any]:
    """Return the vocabulary in the format of Keras 2's `Tokenizer.to_json`, for cleaned texts.

    In this format dictionaries are JSON text within the JSON. The word counts are empty, because
    they are not kept after training.
    """
    vocabulary = classifier.vectorizer.words
    ids = {word: at for at, word in enumerate(vocabulary) if at > 0}
    config: dict[str, Any] = {
        "num_words": len(vocabulary),
        "filters": "",
        "lower": False,
        "split": " ",
        "char_level": False,
        "oov_token": vocabulary[1],
        "document_count": 0,
        "word_counts": "{}",
        "word_docs": "{}",
        "index_docs": "{}",
        "index_word": json.dumps({at: word for word, at in ids.items()}),
        "word_index": json.dumps(ids),
    }
    return {"class_name": "Tokenizer", "config": config}


def _predictions(classifier: Classifier, texts: Sequence[str]) -> list[dict[str, Any]]:
    texts = texts[:MAX_SAMPLES]
    predicted = answers(classifier, texts)
    return [{"text": text, **answer} for text, answer in zip(texts, predicted, strict=True)]


def _readme(classifier: Classifier, ensemble_json: str, left_out: Mapping[str, str]) -> str:
    members, _ = read_description(ensemble_json)
    at_start = any(config.padding == "start" for config in members.values())
    values = {**network_sizes(classifier), "padding": "pre" if at_start else "post"}
    lines = [
        f"{name}: not written: {left_out[name]}; use {MODEL_FILE}"
        if name in left_out
        else f"{name}: {about.format(**values)}"
        for name, about in _CONTENTS.items()
    ]
    steps = ", ".join(classifier.cleaner.steps) or "none"
    filled = classifier.cleaner.fill_missing
    lines += [
        "",
        f"Cleaning: these steps, in this order: {steps}; then words are joined by one space.",
        *([f"An empty text is first replaced by {filled!r}."] if filled else []),
        f"Ids: tokenizer.texts_to_sequences(cleaned); for {WEIGHTS_FILE} then",
        f'pad_sequences(ids, maxlen={values["max_length"]}, padding="post", truncating="post").',
        f"Review: predictions with a confidence below the threshold of {ABOUT_FILE} need one, and",
        f"so do those of texts without a word of {_TOKENIZER}.",
    ]
    return "\n".join(lines) + "\n"


def _move(part: Path, folder: Path) -> list[Path]:
    """Move the files into the folder, remove other files of an earlier export, return the paths."""
    folder.mkdir(exist_ok=True)
    (folder / _README).unlink(missing_ok=True)
    for name in _FILES:
        if (part / name).exists():
            shutil.move(part / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in _FILES if (folder / name).exists()]
