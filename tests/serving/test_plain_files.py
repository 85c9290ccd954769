import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from ecomclf.config.loading import Config, load_config
from ecomclf.config.schema import ModelConfig, TextConfig
from ecomclf.errors import RequestError
from ecomclf.models.classifier import Classifier
from ecomclf.models.ensemble import Blend, describe, rebuild
from ecomclf.models.linear_path import LinearPath, fit_linear_path
from ecomclf.serving.plain_files import export
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer

pytestmark = [
    pytest.mark.slow,
    # Keras only warns about weights that it could not load; comparing probabilities finds them.
    pytest.mark.filterwarnings("ignore:Skipping nested container"),
]

# Without lowercase, to notice a tokenizer that lowercases by itself.
STEPS = ("punctuation",)
WORDS = ["Case", "case", "for", "phone", "with", "a", "naïve", "café"]
CLASSES = ["Büro", "Garten", "Küche"]
MAX_LENGTH = 12
TEXTS = ["Case for phone!", "", "phone with a [UNK] case", "Naïve café", "none of it", "case " * 30]
PUBLISHED = sorted(Path(__file__).parents[2].joinpath("configs", "published").glob("*.yaml"))
ARCHITECTURES = {
    "both_directions": {"layers": 2, "pooling": "mean_max", "dense_units": 5},
    "one_direction": {"encoder": "gru", "bidirectional": False, "pooling": "last"},
    "attention": {"pooling": "attention"},
    "padded_before": {"padding": "start", "pooling": "last"},
    "transformer": {"encoder": "transformer", "units": 8, "heads": 2, "layers": 2},
}
BLEND = Blend(members=2, wide_share=0.25, wide_temperature=0.5, temperature=1.5)
ALONE = Blend(members=1, wide_share=0.0, wide_temperature=1.0, temperature=1.7)
# Options of a network that `model.h5` can hold.
STACKED = {"padding": "end", "filters": None, "pooling": "last"}


def config_of(**options: Any) -> Config:
    """Return a config with a small network."""
    model = ModelConfig(**{"embedding_dim": 8, "units": 6, **options})
    return Config(name="x", text=TextConfig(steps=STEPS), model=model)


def ensemble_of(*, alone: bool = False, **options: Any) -> str:
    """Describe two small networks blended with the linear path, or one network alone."""
    model = config_of(**options).model
    return describe({3: model}, ALONE) if alone else describe({3: model, 5: model}, BLEND)


def make_classifier(ensemble: str = "") -> Classifier:
    """Build a classifier that knows a few words, with weights large enough for mistakes to show."""
    vectorizer = Vectorizer.fit([" ".join(WORDS)], max_tokens=40, max_length=MAX_LENGTH)
    network = rebuild(
        ensemble or ensemble_of(),
        vocabulary_size=vectorizer.vocabulary_size,
        classes=len(CLASSES),
        max_length=MAX_LENGTH,
    )
    generator = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    with_path = len(network.inputs) > 1
    return Classifier(
        Cleaner(STEPS),
        vectorizer,
        network,
        CLASSES,
        linear_path=make_linear_path(vectorizer) if with_path else None,
    )


def make_linear_path(vectorizer: Vectorizer) -> LinearPath:
    """Fit a linear path on a few words of each class."""
    ids = vectorizer.encode(["Case for phone", "naïve café", "a case with phone"] * 4)
    labels = np.arange(12, dtype=np.int32) % len(CLASSES)
    return fit_linear_path(vectorizer.words, ids, labels, classes=len(CLASSES))


def export_to(folder: Path, classifier: Classifier, **options: Any) -> list[Path]:
    """Export, with defaults for the arguments that do not matter to a test."""
    given = {
        "config_yaml": config_of().to_yaml(),
        "ensemble_json": ensemble_of(),
        "report": {"rows": 6},
        "texts": TEXTS,
    }
    return export(classifier, folder, **{**given, **options})


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def ids_by_hand(folder: Path, texts: list[str], padding: str = "post") -> np.ndarray:
    """Turn raw texts into ids as a reader of README.txt would, with Keras' own tokenizer."""
    import tensorflow as tf

    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = tf.keras.preprocessing.text.tokenizer_from_json(text)
    steps = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["text"]["steps"]
    ids = tokenizer.texts_to_sequences(Cleaner(steps).clean(texts))
    return keras.utils.pad_sequences(ids, MAX_LENGTH, padding=padding, truncating="post")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Classifier]:
    """A folder with an export, and its classifier, which was saved and loaded before."""
    ensemble = ensemble_of(**ARCHITECTURES[request.param])
    place = tmp_path_factory.mktemp(request.param)
    make_classifier(ensemble).save(place / "saved")
    classifier = Classifier.load(place / "saved")
    export_to(place / "new" / "folder", classifier, ensemble_json=ensemble)
    return place / "new" / "folder", classifier


@pytest.mark.parametrize("exported", ["both_directions"], indirect=True)
def test_the_keras_model_loads_without_the_package(
    exported: tuple[Path, Classifier],
) -> None:
    """`model.keras` gives the same probabilities in a process without this package."""
    folder, classifier = exported
    script = """if True:
        import sys
        sys.modules["ecomclf"] = None  # importing it raises
        import json, keras, tensorflow as tf
        model = keras.models.load_model("model.keras")
        print(json.dumps(model(tf.constant(json.loads(sys.argv[1]))).numpy().tolist()))
    """
    cleaned = json.dumps(classifier.cleaner.clean(TEXTS))
    done = subprocess.run(
        [sys.executable, "-c", script, cleaned],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = np.array(json.loads(done.stdout))
    np.testing.assert_allclose(answers, classifier.predict_proba(TEXTS), atol=1e-5)


def test_weights_fit_the_network_rebuilt_from_the_files(exported: tuple[Path, Classifier]) -> None:
    """`rebuild` with the sizes that README.txt names, then `load_weights`, gives the network.

    Raw texts that are cleaned and encoded by hand get the classifier's probabilities, with the
    decision values of its linear path.
    """
    folder, classifier = exported
    classes = read_json(folder / "label_encoder.json")["classes"]
    sizes = {
        "vocabulary_size": read_json(folder / "tokenizer.json")["config"]["num_words"],
        "classes": len(classes),
        "max_length": MAX_LENGTH,
    }
    said = ", ".join(f"{name}={size}" for name, size in sizes.items())
    assert f"ensemble.rebuild(text of ensemble.json, {said})" in (folder / "README.txt").read_text()
    network = rebuild((folder / "ensemble.json").read_text(encoding="utf-8"), **sizes)
    network.load_weights(folder / "model.weights.h5")
    assert classifier.linear_path is not None
    decisions = classifier.linear_path.decide(classifier.encode(TEXTS))
    answers = network.predict_on_batch([ids_by_hand(folder, TEXTS), decisions])
    expected = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_readme_says_why_there_is_no_h5(exported: tuple[Path, Classifier]) -> None:
    """An average of networks has no `model.h5`, and README.txt names that reason."""
    folder, _ = exported
    assert not (folder / "model.h5").exists()
    reason = "model.h5: not written: the model averages 2 networks"
    assert reason in (folder / "README.txt").read_text(encoding="utf-8")


def test_the_folder_loads_as_a_classifier(exported: tuple[Path, Classifier]) -> None:
    """`Classifier.load` reads the folder; labels, confidences and threshold are the same."""
    folder, classifier = exported
    loaded = Classifier.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(TEXTS), classifier.predict(TEXTS), atol=1e-5)
    assert loaded.threshold == classifier.threshold


def test_sample_predictions_are_the_classifiers(exported: tuple[Path, Classifier]) -> None:
    """Each text is listed with the classifier's label, confidence and probabilities."""
    folder, classifier = exported
    samples = read_json(folder / "sample_predictions.json")
    expected = classifier.predict_proba(TEXTS)
    assert [sample["text"] for sample in samples] == TEXTS
    for sample, row in zip(samples, expected, strict=True):
        assert list(sample["probabilities"]) == CLASSES
        np.testing.assert_allclose(list(sample["probabilities"].values()), row, atol=1e-5)
        assert sample["label"] == CLASSES[row.argmax()]
        assert sample["confidence"] == max(sample["probabilities"].values())


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_configs_have_an_h5(tmp_path: Path, path: Path) -> None:
    """`model.h5` gives the classifier's probabilities for ids padded as README.txt says."""
    config = load_config(path)
    sizes = {"embedding_dim": 8, "units": 6, "dense_units": config.model.dense_units and 5}
    model = config.model.model_copy(update=sizes)
    ensemble = describe({0: model}, ALONE)
    make_classifier(ensemble).save(tmp_path / "saved")
    classifier = Classifier.load(tmp_path / "saved")
    written = export_to(tmp_path / "out", classifier, ensemble_json=ensemble)
    assert tmp_path / "out" / "model.h5" in written
    padding = {"start": "pre", "end": "post"}[model.padding]
    (line,) = [
        line
        for line in (tmp_path / "out" / "README.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("model.h5: ")
    ]
    assert f'maxlen={MAX_LENGTH}, padding="{padding}", truncating="post"' in line
    loaded = keras.models.load_model(tmp_path / "out" / "model.h5", compile=False)
    answers = loaded.predict_on_batch(ids_by_hand(tmp_path / "out", TEXTS, padding))
    expected = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.001


def test_the_h5_is_left_out_unless_it_gives_the_same_probabilities(tmp_path: Path) -> None:
    """With a description of another network, README.txt says that the check failed."""
    classifier = make_classifier(ensemble_of(alone=True, **STACKED))
    described = ensemble_of(alone=True, **{**STACKED, "padding": "start"})
    written = export_to(tmp_path, classifier, ensemble_json=described)
    assert tmp_path / "model.h5" not in written
    reason = "model.h5: not written: it would not give the same probabilities"
    assert reason in (tmp_path / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("other", [{"pooling": "max"}, {"pooling": "last", "layers": 2}])
def test_weights_are_left_out_unless_they_fit_the_description(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """The description of another network, even with weights of equal shape, is noticed."""
    classifier = make_classifier(ensemble_of(pooling="last"))
    written = export_to(tmp_path, classifier, ensemble_json=ensemble_of(**other))
    assert tmp_path / "model.weights.h5" not in written
    assert not (tmp_path / "model.weights.h5").exists()
    reason = "model.weights.h5: not written: the network rebuilt from ensemble.json would not"
    assert reason in (tmp_path / "README.txt").read_text(encoding="utf-8")


def test_the_tokenizer_has_the_ids_of_the_network(tmp_path: Path) -> None:
    """Every word has the vectorizer's id, the unknown token has 1, and 0 is for padding."""
    classifier = make_classifier()
    export_to(tmp_path, classifier)
    tokenizer = read_json(tmp_path / "tokenizer.json")
    assert tokenizer["class_name"] == "Tokenizer"
    word_index = json.loads(tokenizer["config"]["word_index"])
    assert word_index.pop(tokenizer["config"]["oov_token"]) == 1
    assert sorted(word_index) == sorted(WORDS)
    ids = classifier.vectorizer.encode([*word_index])
    assert ids.values.tolist() == list(word_index.values())
    assert ids_by_hand(tmp_path, ["phone unheard"])[0, :3].tolist() == [word_index["phone"], 1, 0]


def test_report_and_config_are_written_unchanged(tmp_path: Path) -> None:
    """`report.json` and `config.yaml` hold the arguments; all written paths are returned."""
    written = export_to(tmp_path, make_classifier())
    assert read_json(tmp_path / "report.json") == {"rows": 6}
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == config_of().to_yaml()
    assert sorted(written) == sorted(tmp_path.iterdir())


def test_at_most_twenty_texts_are_sampled(tmp_path: Path) -> None:
    """The first 20 texts are predicted; an empty list of texts is no error."""
    classifier = make_classifier()
    export_to(tmp_path, classifier, texts=[f"case {at}" for at in range(25)])
    samples = read_json(tmp_path / "sample_predictions.json")
    assert [sample["text"] for sample in samples] == [f"case {at}" for at in range(20)]
    export_to(tmp_path, classifier, texts=[], force=True)
    assert read_json(tmp_path / "sample_predictions.json") == []


def test_an_earlier_export_is_replaced_only_when_forced(tmp_path: Path) -> None:
    """Without `force` the existing files are named and kept; with it they are all replaced."""
    stacked = ensemble_of(alone=True, **STACKED)
    export_to(tmp_path, make_classifier(stacked), ensemble_json=stacked)
    assert (tmp_path / "model.h5").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match=r"already holds model\.keras, .*; use --force"):
        export_to(tmp_path, make_classifier(), report={"rows": 7})
    assert read_json(tmp_path / "report.json") == {"rows": 6}
    written = export_to(tmp_path, make_classifier(), report={"rows": 7}, force=True)
    assert read_json(tmp_path / "report.json") == {"rows": 7}
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", *(p.name for p in written)}
    assert not (tmp_path / "model.h5").exists()


def test_an_interrupted_export_has_no_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README.txt marks a complete export; that of an earlier export is removed first."""
    export_to(tmp_path, make_classifier())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "move", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_to(tmp_path, make_classifier(), force=True)
    assert not (tmp_path / "README.txt").exists()


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    """If a file cannot be written, no folder is created and an earlier export is unchanged."""
    classifier = make_classifier()
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_to(tmp_path / "new", classifier, report={"metric": object()})
    assert list(tmp_path.iterdir()) == []

    old = tmp_path / "old"
    before = {path: path.read_bytes() for path in export_to(old, classifier)}
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_to(old, classifier, report={"metric": object()}, force=True)
    assert {path: path.read_bytes() for path in old.iterdir()} == before
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("place", ["file", "file/folder"])
def test_a_target_that_is_a_file_is_refused(tmp_path: Path, place: str) -> None:
    """The target can neither be a file nor lie below one."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RequestError, match=f"cannot export to .*{place}: "):
        export_to(tmp_path / place, make_classifier())
    assert (tmp_path / "file").read_text() == "mine"
