"""What the published projects leave behind: a classifier as plain files, read without a registry.

No file is a pickle. What Keras may refuse to read back is read back before it is left behind.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mlflow.entities.model_registry import ModelVersion

from ecomclf.errors import RequestError
from ecomclf.models.classifier import Classifier
from ecomclf.models.ensemble import rebuild
from ecomclf.tracking.registry import (
    CONFIG_FILE,
    ENSEMBLE_FILE,
    REPORT_FILE,
    SAMPLES_FILE,
    Registry,
)

MOST_SAMPLES = 20

_CONFIG, _ENSEMBLE, _README = "config.yaml", "ensemble.json", "README.txt"
_WEIGHTS, _H5 = "model.weights.h5", "model.h5"
_ABOUT = {
    "model.keras": "cleaned texts -> probabilities; keras.models.load_model, then "
    'model(tf.constant(["cleaned text"]))',
    _CONFIG: "the config of the best trial; text.steps is the cleaning",
    _ENSEMBLE: "what is averaged: the trials' networks, and the share of the wide path",
    _WEIGHTS: "weights of the network (ids -> probabilities); load_weights into this package's "
    "ensemble.rebuild(text of ensemble.json, vocabulary_size={vocabulary_size}, "
    "classes={classes}, max_length={max_length})",
    _H5: 'the network in the old format; keras.models.load_model("model.h5", compile=False)',
    "tokenizer.json": "word -> id; tf.keras.preprocessing.text.tokenizer_from_json",
    "label_encoder.json": "the names of the classes, in the order of the probabilities",
    "report.json": "figures of the evaluation",
    "sample_predictions.json": "some texts with their label, confidence and probabilities",
}
# The README is moved in last: it stands only where all else does.
FILES = (*_ABOUT, _README)


def export_version(registry: Registry, version: ModelVersion, folder: Path, *, force: bool) -> None:
    """Write a version's classifier as files that need no MLflow; prints their names."""
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
    """Write a classifier as files into a folder, which is made if need be.

    Args:
        classifier: what is exported.
        folder: where to; other files in it stay.
        config_yaml: the config that the best trial was trained with.
        ensemble_json: the make-up of the network, as `ensemble.describe` gives it.
        report: figures of the evaluation, plain values.
        texts: as they come; the first 20 make the sample predictions.
        force: replace an earlier export.

    Returns:
        The paths of the files, without `model.h5` or `model.weights.h5` where these would not give
        the network back; README.txt then says so.

    Raises:
        RequestError: the folder holds one of the files already or cannot be written.

    """
    try:
        _check(folder, force=force)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
            part = Path(temporary)
            (part / _CONFIG).write_text(config_yaml, encoding="utf-8")
            (part / _ENSEMBLE).write_text(ensemble_json, encoding="utf-8")
            classifier.string_model().save(part / "model.keras")
            _write_network(classifier, part)
            _write_json(part / "tokenizer.json", _tokenizer(classifier))
            _write_json(part / "label_encoder.json", {"classes": classifier.classes})
            _write_json(part / "report.json", report)
            _write_json(part / "sample_predictions.json", _predictions(classifier, texts))
            (part / _README).write_text(_readme(classifier, part), encoding="utf-8")
            return _move(part, folder)
    except OSError as error:
        raise RequestError(f"cannot export to {folder}: {error}; name another folder") from error


def _check(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"cannot export to {folder}: it is a file; name a folder")
    present = [name for name in FILES if (folder / name).exists()]
    if present and not force:
        raise RequestError(f"{folder} already holds {', '.join(present)}; use --force to replace")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")


def _write_network(classifier: Classifier, part: Path) -> None:
    """Write the network in the older ways, each kept only if it gives the network back."""

    def rebuilt() -> Any:
        description = (part / _ENSEMBLE).read_text(encoding="utf-8")
        return rebuild(description, **_sizes(classifier))

    def write_weights(weights: Path) -> None:
        # The file goes by the order of layers, which is another one once a network was loaded.
        network = rebuilt()
        _copy_weights(classifier.network, network)
        network.save_weights(weights)

    def load_weights(weights: Path) -> Any:
        network = rebuilt()
        network.load_weights(weights)
        return network

    def load(h5: Path) -> Any:
        return keras.models.load_model(h5, compile=False)

    # Keras calls the format legacy on each save; that is why it is asked for.
    logging.getLogger("absl").setLevel(logging.ERROR)
    network = classifier.network
    # Eight padded texts, of 0 to 7 tokens.
    tokens = np.random.default_rng(0).integers(1, classifier.vectorizer.vocabulary_size, (8, 8))
    ids = np.tril(tokens, -1).astype(np.int32)
    for path, write, read in (
        (part / _WEIGHTS, write_weights, load_weights),
        (part / _H5, network.save, load),
    ):
        if not _gives_back(network, ids, path, write, read):
            path.unlink(missing_ok=True)


def _copy_weights(source: Any, target: Any) -> None:
    """Give a network the weights of another, layer by layer of the same name."""
    for layer in target.layers:
        if isinstance(layer, keras.Model):
            _copy_weights(source.get_layer(layer.name), layer)
        elif layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _gives_back(
    network: Any,
    ids: np.ndarray,
    path: Path,
    write: Callable[[Path], None],
    read: Callable[[Path], Any],
) -> bool:
    """Write a network and say whether the one read back answers some ids alike."""
    try:
        write(path)
        expected, answers = (
            np.asarray(each(ids, training=False)) for each in (network, read(path))
        )
    except Exception:  # Keras raises many types, and with any of them the file is of no use.
        return False
    return np.allclose(answers, expected, atol=1e-5)


def _tokenizer(classifier: Classifier) -> dict[str, Any]:
    """Give the vocabulary as `Tokenizer.to_json` of Keras 2 wrote it, for cleaned texts.

    Dictionaries are JSON text within the JSON. Counts of words were not kept, so they are empty.
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
    texts = texts[:MOST_SAMPLES]
    return [
        {
            "text": text,
            "label": classifier.classes[row.argmax()],
            "confidence": float(row.max()),
            "probabilities": dict(zip(classifier.classes, row.tolist(), strict=True)),
        }
        for text, row in zip(texts, classifier.predict_proba(texts), strict=True)
    ]


def _sizes(classifier: Classifier) -> dict[str, int]:
    """Give what `rebuild` needs to know besides the make-up."""
    return {
        "vocabulary_size": classifier.vectorizer.vocabulary_size,
        "classes": len(classifier.classes),
        "max_length": classifier.vectorizer.max_length,
    }


def _readme(classifier: Classifier, part: Path) -> str:
    sizes = _sizes(classifier)
    absent = "not here: Keras would not read this network back from it; take model.keras"
    lines = [
        f"{name}: {about.format(**sizes) if (part / name).exists() else absent}"
        for name, about in _ABOUT.items()
    ]
    steps = ", ".join(classifier.cleaner.steps) or "none"
    filled = classifier.cleaner.fill_missing
    lines += [
        "",
        f"Texts are cleaned first; steps in their order: {steps}; words joined by one space.",
        *([f"An empty text is first taken for {filled!r}."] if filled else []),
        "Ids for the network: tokenizer.texts_to_sequences(cleaned), then",
        f'pad_sequences(ids, maxlen={sizes["max_length"]}, padding="post", truncating="post").',
    ]
    return "\n".join(lines) + "\n"


def _move(part: Path, folder: Path) -> list[Path]:
    """Move the files in; what an earlier export left and this one does not have is removed."""
    folder.mkdir(exist_ok=True)
    (folder / _README).unlink(missing_ok=True)
    for name in FILES:
        if (part / name).exists():
            shutil.move(part / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in FILES if (folder / name).exists()]
