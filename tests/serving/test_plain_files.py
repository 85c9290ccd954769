import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from ecomclf.config.loading import Config
from ecomclf.config.schema import ModelConfig, TextConfig
from ecomclf.errors import RequestError
from ecomclf.models.classifier import Classifier
from ecomclf.models.ensemble import Blend, describe, rebuild
from ecomclf.serving.plain_files import export
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer

pytestmark = [
    pytest.mark.slow,
    # Keras only warns of weights that it could not place; the comparison finds them.
    pytest.mark.filterwarnings("ignore:Skipping nested container"),
]

# Without lowercase, so that a tokenizer that lowers by itself would show.
STEPS = ("punctuation",)
WORDS = ["Case", "case", "for", "phone", "with", "a", "naïve", "café"]
CLASSES = ["Büro", "Garten", "Küche"]
MAX_LENGTH = 12
TEXTS = ["Case for phone!", "", "phone with a [UNK] case", "Naïve café", "none of it", "case " * 30]
ARCHITECTURES = {
    "both_directions": {"layers": 2, "pooling": "mean_max", "dense_units": 5},
    "one_direction": {"encoder": "gru", "bidirectional": False, "pooling": "last"},
    "attention": {"pooling": "attention"},
    "padded_before": {"padding": "start", "pooling": "last"},
    "transformer": {"encoder": "transformer", "units": 8, "heads": 2, "layers": 2},
}
BLEND = Blend(members=2, wide_share=0.25, wide_temperature=0.5, temperature=1.5)
H5_READS_NONE = "model.h5: not here: Keras would not read this network back"


def config_of(**options: Any) -> Config:
    """Give a config with a small network."""
    model = ModelConfig(**{"embedding_dim": 8, "units": 6, **options})
    return Config(name="x", text=TextConfig(steps=STEPS), model=model)


def ensemble_of(**options: Any) -> str:
    """Describe two small networks of a kind, blended with the wide path."""
    model = config_of(**options).model
    return describe({3: model, 5: model}, BLEND)


def classify_with(network: keras.Model | None = None, **options: Any) -> Classifier:
    """Build a classifier that knows a few words, with weights large enough for mistakes to show."""
    vectorizer = Vectorizer.fit([" ".join(WORDS)], max_tokens=40, max_length=MAX_LENGTH)
    network = network or rebuild(
        ensemble_of(**options),
        vocabulary_size=vectorizer.vocabulary_size,
        classes=len(CLASSES),
        max_length=MAX_LENGTH,
    )
    generator = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return Classifier(Cleaner(STEPS), vectorizer, network, CLASSES)


def plain_network() -> keras.Model:
    """Build a network of layers only, which Keras reads back from HDF5."""
    layers = keras.layers
    stack = [layers.Embedding(40, 4), layers.GlobalAveragePooling1D()]
    return keras.Sequential(
        [keras.Input((None,), dtype="int32"), *stack, layers.Dense(len(CLASSES), "softmax")]
    )


def export_to(folder: Path, classifier: Classifier, **options: Any) -> list[Path]:
    """Export with what does not matter to a test filled in."""
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


def ids_by_hand(folder: Path, texts: list[str]) -> np.ndarray:
    """Turn raw texts into ids as a reader of README.txt would, with Keras' own tokenizer."""
    import tensorflow as tf

    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = tf.keras.preprocessing.text.tokenizer_from_json(text)
    steps = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["text"]["steps"]
    ids = tokenizer.texts_to_sequences(Cleaner(steps).clean(texts))
    return keras.utils.pad_sequences(ids, MAX_LENGTH, padding="post", truncating="post")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Classifier]:
    """A folder with an export, and its classifier, which was saved and loaded before."""
    options = ARCHITECTURES[request.param]
    place = tmp_path_factory.mktemp(request.param)
    classify_with(**options).save(place / "saved")
    classifier = Classifier.load(place / "saved")
    export_to(place / "new" / "folder", classifier, ensemble_json=ensemble_of(**options))
    return place / "new" / "folder", classifier


@pytest.mark.parametrize("exported", ["both_directions"], indirect=True)
def test_the_keras_model_loads_where_the_package_is_unknown(
    exported: tuple[Path, Classifier],
) -> None:
    """A fresh interpreter that cannot import this package reads `model.keras` and agrees."""
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
    """Make-up, sizes from the other files and weights give the network; raw texts agree by hand."""
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
    answers = network.predict_on_batch(ids_by_hand(folder, TEXTS))
    expected = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_readme_says_why_there_is_no_h5(exported: tuple[Path, Classifier]) -> None:
    """Where Keras would not read the network back, there is no `model.h5` and README.txt says so.

    Should a newer Keras read it, this test fails and the file is there.
    """
    folder, _ = exported
    assert not (folder / "model.h5").exists()
    assert H5_READS_NONE in (folder / "README.txt").read_text(encoding="utf-8")


def test_sample_predictions_are_the_classifiers(exported: tuple[Path, Classifier]) -> None:
    """Each text comes with the label, confidence and probabilities that the classifier gives."""
    folder, classifier = exported
    samples = read_json(folder / "sample_predictions.json")
    expected = classifier.predict_proba(TEXTS)
    assert [sample["text"] for sample in samples] == TEXTS
    for sample, row in zip(samples, expected, strict=True):
        assert list(sample["probabilities"]) == CLASSES
        np.testing.assert_allclose(list(sample["probabilities"].values()), row, atol=1e-5)
        assert sample["label"] == CLASSES[row.argmax()]
        assert sample["confidence"] == max(sample["probabilities"].values())


def test_h5_is_kept_when_it_gives_the_network_back(tmp_path: Path) -> None:
    """A network of layers only has a `model.h5`, which answers as the network does."""
    classifier = classify_with(plain_network())
    written = export_to(tmp_path, classifier)
    assert tmp_path / "model.h5" in written
    assert H5_READS_NONE not in (tmp_path / "README.txt").read_text(encoding="utf-8")
    ids = ids_by_hand(tmp_path, TEXTS)
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    expected = classifier.network.predict_on_batch(ids)
    np.testing.assert_allclose(loaded.predict_on_batch(ids), expected, atol=1e-5)


@pytest.mark.parametrize("other", [{"pooling": "max"}, {"pooling": "last", "layers": 2}])
def test_weights_that_the_make_up_does_not_fit_are_left_out(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """The make-up of another network, even of one that takes the weights, leaves none behind."""
    described = ensemble_of(**other)
    written = export_to(tmp_path, classify_with(pooling="last"), ensemble_json=described)
    assert tmp_path / "model.weights.h5" not in written
    assert not (tmp_path / "model.weights.h5").exists()
    assert "model.weights.h5: not here" in (tmp_path / "README.txt").read_text(encoding="utf-8")


def test_the_tokenizer_knows_the_ids_of_the_network(tmp_path: Path) -> None:
    """Every word has the vectorizer's id, the unknown one 1, and 0 stays free for padding."""
    classifier = classify_with()
    export_to(tmp_path, classifier)
    tokenizer = read_json(tmp_path / "tokenizer.json")
    assert tokenizer["class_name"] == "Tokenizer"
    word_index = json.loads(tokenizer["config"]["word_index"])
    assert word_index.pop(tokenizer["config"]["oov_token"]) == 1
    assert sorted(word_index) == sorted(WORDS)
    ids = classifier.vectorizer.encode([*word_index])
    assert ids.values.tolist() == list(word_index.values())
    assert ids_by_hand(tmp_path, ["phone unheard"])[0, :3].tolist() == [word_index["phone"], 1, 0]


def test_report_and_config_are_kept_as_given(tmp_path: Path) -> None:
    """`report.json` and `config.yaml` hold what was given; the paths returned are the files."""
    written = export_to(tmp_path, classify_with())
    assert read_json(tmp_path / "report.json") == {"rows": 6}
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == config_of().to_yaml()
    assert sorted(written) == sorted(tmp_path.iterdir())


def test_at_most_twenty_texts_are_sampled(tmp_path: Path) -> None:
    """Of many texts the first 20 are predicted; none at all is no error."""
    classifier = classify_with()
    export_to(tmp_path, classifier, texts=[f"case {at}" for at in range(25)])
    samples = read_json(tmp_path / "sample_predictions.json")
    assert [sample["text"] for sample in samples] == [f"case {at}" for at in range(20)]
    export_to(tmp_path, classifier, texts=[], force=True)
    assert read_json(tmp_path / "sample_predictions.json") == []


def test_an_earlier_export_is_replaced_only_when_forced(tmp_path: Path) -> None:
    """Without force the file there is named and kept; with it nothing of the old export stays."""
    export_to(tmp_path, classify_with(plain_network()))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match=r"already holds model\.keras, .*; use --force"):
        export_to(tmp_path, classify_with(), report={"rows": 7})
    assert read_json(tmp_path / "report.json") == {"rows": 6}
    written = export_to(tmp_path, classify_with(), report={"rows": 7}, force=True)
    assert read_json(tmp_path / "report.json") == {"rows": 7}
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", *(p.name for p in written)}
    assert not (tmp_path / "model.h5").exists()


def test_an_export_that_is_killed_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README.txt stands only where all else does, that of an earlier export too."""
    export_to(tmp_path, classify_with())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "move", killed)
    with pytest.raises(KeyboardInterrupt):
        export_to(tmp_path, classify_with(), force=True)
    assert not (tmp_path / "README.txt").exists()


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    """When a file cannot be written, a new folder is not made and an old export stays as it was."""
    classifier = classify_with()
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_to(tmp_path / "new", classifier, report={"figure": object()})
    assert list(tmp_path.iterdir()) == []

    old = tmp_path / "old"
    before = {path: path.read_bytes() for path in export_to(old, classifier)}
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_to(old, classifier, report={"figure": object()}, force=True)
    assert {path: path.read_bytes() for path in old.iterdir()} == before
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("place", ["file", "file/folder"])
def test_a_file_in_the_way_is_named(tmp_path: Path, place: str) -> None:
    """A folder that is a file, or lies under one, is a request that is refused."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RequestError, match=f"cannot export to .*{place}: "):
        export_to(tmp_path / place, classify_with())
    assert (tmp_path / "file").read_text() == "mine"
