import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest

from ecomclf.classifier import Classifier
from ecomclf.config import ModelConfig
from ecomclf.errors import RequestError
from ecomclf.model import build_model
from ecomclf.text import Cleaner, Vectorizer
from tests.conftest import assert_independent_of_padding

pytestmark = pytest.mark.slow

VOCABULARY, CLASSES = 40, 3
PLAIN = {"filters": None, "word_dropout": 0.0, "embedding_dropout": None}
TEXTS = ["Case for phone!", "", "phone with a case", "phone", "unknown words only", "case " * 50]


def network(**options: object) -> keras.Model:
    """Build a small network with weights large enough for mistakes to show."""
    keras.utils.set_random_seed(0)
    config = ModelConfig(**{"embedding_dim": 8, "units": 6, **PLAIN, **options})
    model = build_model(config, vocabulary_size=VOCABULARY, classes=CLASSES)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return model


def small_classifier(**options: object) -> Classifier:
    """Build a classifier whose network knows the words of TEXTS."""
    vectorizer = Vectorizer.fit(["case for phone with a"], max_tokens=VOCABULARY, max_length=20)
    cleaner = Cleaner(["lowercase", "punctuation"])
    return Classifier(cleaner, vectorizer, network(**options), ["x", "y", "z"])


@pytest.mark.parametrize(
    ("recurrent", "bidirectional", "pooling", "layers"),
    [
        *product(["lstm"], [True, False], ["last", "max", "mean_max", "attention"], [1, 2]),
        ("gru", True, "attention", 2),
        ("gru", False, "last", 1),
    ],
)
def test_probabilities_do_not_depend_on_padding_or_batch(
    recurrent: str, bidirectional: bool, pooling: str, layers: int
) -> None:
    """A text gets the same probabilities within 1e-5 alone, padded, and beside other texts."""
    model = network(
        recurrent=recurrent, bidirectional=bidirectional, pooling=pooling, layers=layers
    )
    assert_independent_of_padding(model, 25)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    ("width", "pool", "pooling"), [(3, 1, "mean_max"), (4, 2, "last"), (3, 3, "attention")]
)
def test_convolved_probabilities_do_not_depend_on_padding(
    width: int, pool: int, pooling: str, bidirectional: bool
) -> None:
    """Nor do they with a convolution, whether or not the padded length divides by its pool."""
    convolution = {"filters": 5, "filter_width": width, "filter_pool": pool}
    layers = 2 if pool == 2 else 1
    model = network(bidirectional=bidirectional, pooling=pooling, layers=layers, **convolution)
    for length in (7, 8, 9):
        assert_independent_of_padding(model, length)


def test_a_convolution_pools_words_in_steps() -> None:
    """Of 7 words in steps of 3 the recurrent layer reads 3, each the largest of its words."""
    model = network(filters=5, filter_pool=3, bidirectional=False)
    pooled, convolved = (
        keras.Model(model.inputs, model.get_layer(name).output).predict_on_batch(
            np.array([[2, 4, 6, 8, 10, 12, 14]], np.int32)
        )[0]
        for name in ("filter_pool", "convolution")
    )
    expected = [convolved[start : start + 3].max(axis=0) for start in (0, 3, 6)]
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_the_embedding_starts_from_what_is_given() -> None:
    """Vectors that are given are the layer's weights, and are trained on."""
    vectors = np.random.default_rng(0).normal(0, 0.3, (VOCABULARY, 8)).astype(np.float32)
    model = build_model(
        ModelConfig(embedding_dim=8, units=6),
        vocabulary_size=VOCABULARY,
        classes=CLASSES,
        embeddings=vectors,
    )
    layer = model.get_layer("embedding")
    np.testing.assert_array_equal(layer.get_weights()[0], vectors)
    assert layer.trainable


@pytest.mark.parametrize(
    ("options", "axis"),
    [
        ({"word_dropout": 0.5, "embedding_dropout": 0.0}, 2),
        ({"embedding_dropout": 0.5}, 1),
        ({"dropout": 0.5}, 1),
    ],
)
def test_words_and_dimensions_are_dropped_whole_while_training(
    options: dict[str, float], axis: int
) -> None:
    """About half the words, or dimensions, of each text; of these by `dropout` if not given."""
    model = network(pooling="max", bidirectional=False, **{"dropout": 0.0, **options})
    dropped = keras.Model(model.inputs[0], model.get_layer("forward_1").input)
    ids = np.random.default_rng(0).integers(2, VOCABULARY, (30, 20)).astype(np.int32)
    lost = np.asarray(dropped(ids, training=True)) == 0
    np.testing.assert_array_equal(lost.all(axis=axis), lost.any(axis=axis))
    assert 0.3 < lost.mean() < 0.7
    assert not (np.asarray(dropped(ids)) == 0).any()


def test_word_order_matters() -> None:
    """The same words in another order get other probabilities."""
    answers = network().predict_on_batch(np.array([[5, 9, 3], [3, 9, 5]], np.int32))
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_the_backward_direction_reads_each_text_from_its_own_end() -> None:
    """With both directions' weights alike, a palindrome's two last states are alike."""
    model = network(pooling="last", dropout=0.0)
    forward, backward = model.get_layer("forward_1"), model.get_layer("backward_1")
    backward.set_weights(forward.get_weights())
    states = keras.Model(model.inputs, model.get_layer("last_dropout").input)
    palindrome = np.array([[4, 9, 7, 9, 4, 0, 0, 0]], np.int32)
    both = states.predict_on_batch(palindrome)[0]
    np.testing.assert_allclose(both[:6], both[6:], atol=1e-6)


def test_options_change_the_network() -> None:
    """Units, layers, direction and the dense layer are what the config says."""
    names = {layer.name for layer in network(layers=2, dense_units=5).layers}
    assert {"forward_1", "backward_1", "forward_2", "backward_2", "dense"} <= names
    plain = network(bidirectional=False, units=7)
    assert plain.get_layer("forward_1").units == 7
    assert "backward_1" not in {layer.name for layer in plain.layers}


def test_a_classifier_answers_alike_in_any_batch() -> None:
    """Raw texts, empty and overlong ones too, get the same answer alone and together."""
    classifier = small_classifier()
    together = classifier.predict_probabilities(TEXTS)
    assert together.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    for row, text in enumerate(TEXTS):
        alone = classifier.predict_probabilities([text])[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_the_string_model_agrees_with_the_classifier() -> None:
    """The Keras model of cleaned texts gives the classifier's probabilities."""
    import tensorflow as tf

    classifier = small_classifier()
    cleaned = classifier.cleaner.clean(TEXTS)
    answers = classifier.string_model()(tf.constant(cleaned)).numpy()
    np.testing.assert_allclose(answers, classifier.predict_probabilities(TEXTS), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"filters": 5, "filter_pool": 3, "word_dropout": 0.1}])
def test_saving_and_loading_change_nothing(tmp_path: Path, options: dict[str, float]) -> None:
    """A classifier read back gives the same answers and knows its classes."""
    classifier = small_classifier(**options)
    classifier.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved")
    assert loaded.classes == classifier.classes
    np.testing.assert_allclose(
        loaded.predict_probabilities(TEXTS), classifier.predict_probabilities(TEXTS), atol=1e-6
    )


def test_files_of_two_classifiers_are_refused(tmp_path: Path) -> None:
    """A model beside another one's description is an error that names both files."""
    small_classifier().save(tmp_path / "a")
    small_classifier(units=7).save(tmp_path / "b")
    (tmp_path / "a" / "model.keras").replace(tmp_path / "b" / "model.keras")
    with pytest.raises(
        RequestError, match=r"classifier\.json was written for another model\.keras"
    ):
        Classifier.load(tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda about: about.update(classes=["x", "y"]),
            "the network has 3 classes, and its description others",
        ),
        (lambda about: about.pop("steps"), "lacks steps"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    """What is described must be what was built."""
    small_classifier().save(tmp_path)
    about = json.loads((tmp_path / "classifier.json").read_text())
    change(about)
    (tmp_path / "classifier.json").write_text(json.dumps(about))
    with pytest.raises(RequestError, match=said):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("file", ["model.keras", "classifier.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00rubbish"])
def test_missing_and_damaged_files_are_refused(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    """One line names the file."""
    small_classifier().save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(RequestError) as caught:
        Classifier.load(tmp_path)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_saved_models_load_where_the_package_is_unknown(tmp_path: Path) -> None:
    """A fresh interpreter that cannot import this package reads each `model.keras` and agrees."""
    classifiers = {
        pooling: small_classifier(pooling=pooling, layers=2, dense_units=5, filters=filters)
        for pooling, filters in (("last", None), ("mean_max", 5), ("attention", None))
    }
    for pooling, classifier in classifiers.items():
        classifier.save(tmp_path / pooling)
    script = """if True:
        import sys
        sys.modules["ecomclf"] = None  # importing it raises
        import json, keras, tensorflow as tf
        texts = tf.constant(["case for phone", ""])
        for pooling in sys.argv[1:]:
            model = keras.models.load_model(pooling + "/model.keras")
            print(json.dumps(model(texts).numpy().tolist()))
    """
    command = [sys.executable, "-c", script, *classifiers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line, classifier in zip(done.stdout.splitlines(), classifiers.values(), strict=True):
        expected = classifier.predict_probabilities(["case for phone", ""])
        np.testing.assert_allclose(np.array(json.loads(line)), expected, atol=1e-5)
