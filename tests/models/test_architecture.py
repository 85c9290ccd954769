import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ecomclf.config.schema import ModelConfig
from ecomclf.errors import RequestError
from ecomclf.models.architecture import build_model, summarise
from ecomclf.models.classifier import Classifier
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer
from tests.conftest import assert_independent_of_padding

pytestmark = pytest.mark.slow

VOCABULARY, CLASSES = 40, 3
PLAIN = {"filters": None, "word_dropout": 0.0, "embedding_dropout": None}
# Units must be a multiple of twice the heads.
TRANSFORMER = {"encoder": "transformer", "units": 8, "heads": 2}
TEXTS = ["Case for phone!", "", "phone with a case", "phone", "unknown words only", "case " * 50]


def network(**options: object) -> keras.Model:
    """Build a small network with weights large enough for mistakes to show."""
    keras.utils.set_random_seed(0)
    config = ModelConfig(**{"embedding_dim": 8, "units": 6, **PLAIN, **options})
    model = build_model(config, vocabulary_size=VOCABULARY, classes=CLASSES, max_length=25)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return model


def small_classifier(**options: object) -> Classifier:
    """Build a classifier whose vocabulary has words of TEXTS."""
    vectorizer = Vectorizer.fit(["case for phone with a"], max_tokens=VOCABULARY, max_length=20)
    cleaner = Cleaner(["lowercase", "punctuation"])
    return Classifier(cleaner, vectorizer, network(**options), ["x", "y", "z"])


@pytest.mark.parametrize(
    ("encoder", "bidirectional", "pooling", "layers"),
    [
        *product(["lstm"], [True, False], ["last", "max", "mean_max", "attention"], [1, 2]),
        ("gru", True, "attention", 2),
        ("gru", False, "last", 1),
    ],
)
def test_probabilities_do_not_depend_on_padding_or_batch(
    encoder: str, bidirectional: bool, pooling: str, layers: int
) -> None:
    """A text gets the same probabilities within 1e-5 alone, padded, and in a batch."""
    model = network(encoder=encoder, bidirectional=bidirectional, pooling=pooling, layers=layers)
    assert_independent_of_padding(model, 25)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    ("width", "pool", "pooling"), [(3, 1, "mean_max"), (4, 2, "last"), (3, 3, "attention")]
)
def test_convolved_probabilities_do_not_depend_on_padding(
    width: int, pool: int, pooling: str, bidirectional: bool
) -> None:
    """The length of the batch need not be a multiple of the pool width."""
    convolution = {"filters": 5, "filter_width": width, "filter_pool": pool}
    layers = 2 if pool == 2 else 1
    model = network(bidirectional=bidirectional, pooling=pooling, layers=layers, **convolution)
    for length in (7, 8, 9):
        assert_independent_of_padding(model, length)


@pytest.mark.parametrize("padding", ["end", "start"])
@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "last"},
        {"pooling": "mean_max", "layers": 2},
        {"pooling": "attention", "encoder": "gru", "bidirectional": False},
        {"pooling": "last", "filters": 5, "filter_pool": 3},
        {**TRANSFORMER, "pooling": "attention"},
    ],
    ids=str,
)
def test_fixed_length_networks_do_not_depend_on_the_batch(
    padding: str, options: dict[str, Any]
) -> None:
    """With `padding`, texts are padded to `max_length` whatever the length of the batch."""
    model = network(padding=padding, **options)
    for length in (7, 25):
        assert_independent_of_padding(model, length)


@pytest.mark.parametrize(
    ("layers", "pooling"), [*product([1, 2], ["mean_max", "attention", "last"])]
)
def test_a_transformer_does_not_depend_on_padding(layers: int, pooling: str) -> None:
    """Words do not attend to padding."""
    model = network(**TRANSFORMER, layers=layers, pooling=pooling)
    assert_independent_of_padding(model, 25)


@pytest.mark.parametrize(("layers", "pool"), [(1, 1), (2, 2), (1, 3)])
def test_a_convolved_transformer_does_not_depend_on_padding(layers: int, pool: int) -> None:
    """Pooled positions do not attend to padding either."""
    model = network(**TRANSFORMER, layers=layers, filters=5, filter_pool=pool)
    for length in (7, 8, 9):
        assert_independent_of_padding(model, length)


def pad_to_25(texts: list[list[int]], side: str) -> np.ndarray:
    """Pad texts to 25 ids at their end or start."""
    lines = [
        text + [0] * (25 - len(text)) if side == "end" else [0] * (25 - len(text)) + text
        for text in texts
    ]
    return np.array(lines, np.int32)


def stock_network(model: keras.Model, layers: int) -> keras.Model:
    """Build a stack of Keras' bidirectional layers over 25 ids, with a network's weights."""
    embedding = keras.layers.Embedding(VOCABULARY, 8)
    encoder = [
        keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=number < layers))
        for number in range(1, layers + 1)
    ]
    dense = keras.layers.Dense(CLASSES, activation="softmax")
    stock = keras.Sequential([keras.Input((25,), dtype="int32"), embedding, *encoder, dense])
    embedding.set_weights(model.get_layer("embedding").get_weights())
    for number, layer in enumerate(encoder, start=1):
        layer.forward_layer.set_weights(model.get_layer(f"forward_{number}").get_weights())
        layer.backward_layer.set_weights(model.get_layer(f"backward_{number}").get_weights())
    dense.set_weights(model.get_layer("probabilities").get_weights())
    return stock


@pytest.mark.parametrize(("padding", "layers"), [*product(["end", "start"], [1, 2])])
def test_fixed_length_networks_agree_with_stock_layers(padding: str, layers: int) -> None:
    """Stock layers without a mask, on texts padded by hand, agree within 1e-5."""
    model = network(padding=padding, pooling="last", layers=layers)
    texts = [[5, 9, 3], [7], [], [2, 4, 6, 8, 10], list(range(1, 26))]
    expected = stock_network(model, layers).predict_on_batch(pad_to_25(texts, padding))
    answers = model.predict_on_batch(pad_to_25(texts, "end"))
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    # A batch padded to its longest text only.
    short = model.predict_on_batch(pad_to_25(texts[:4], "end")[:, :5])
    np.testing.assert_allclose(short, expected[:4], atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


@pytest.mark.parametrize("padding", ["none", "end", "start"])
@pytest.mark.parametrize("filters", [None, 5])
def test_a_square_batch_is_read_like_any_other(padding: str, filters: int | None) -> None:
    """A batch may have as many texts as positions, before or after pooling.

    Keras takes [n, n] + [n, 1] for the addition of a bias when the shapes are static.
    """
    model = network(padding=padding, filters=filters, filter_pool=2, pooling="last")
    for width in (4, 8, 25):
        for rows in (width, (width + 1) // 2):
            ids = np.zeros((rows, width), np.int32)
            for row in range(rows):
                ids[row, : 1 + row % width] = 1 + (np.arange(1 + row % width) + row) % 20
            alone = np.concatenate([model(ids[row : row + 1]) for row in range(rows)])
            np.testing.assert_allclose(model(ids), alone, atol=1e-5)


def test_the_side_of_the_padding_matters() -> None:
    """`padding: none`, `end` and `start` give different probabilities."""
    ids = np.array([[5, 9, 3]], np.int32)
    none, end, start = (
        network(padding=padding, pooling="last").predict_on_batch(ids)[0]
        for padding in ("none", "end", "start")
    )
    for one, other in ((none, end), (none, start), (end, start)):
        assert np.abs(one - other).max() > 1e-3


def test_a_convolution_is_max_pooled_in_steps() -> None:
    """Seven words pooled by 3 become three positions, each the maximum of its words."""
    model = network(filters=5, filter_pool=3, bidirectional=False)
    pooled, convolved = (
        keras.Model(model.inputs, model.get_layer(name).output).predict_on_batch(
            np.array([[2, 4, 6, 8, 10, 12, 14]], np.int32)
        )[0]
        for name in ("filter_pool", "convolution")
    )
    expected = [convolved[start : start + 3].max(axis=0) for start in (0, 3, 6)]
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_the_embedding_starts_from_the_given_vectors() -> None:
    """The given vectors are the layer's weights, and the layer is trainable."""
    vectors = np.random.default_rng(0).normal(0, 0.3, (VOCABULARY, 8)).astype(np.float32)
    model = build_model(
        ModelConfig(embedding_dim=8, units=6),
        vocabulary_size=VOCABULARY,
        classes=CLASSES,
        max_length=25,
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
def test_training_drops_whole_words_or_dimensions(options: dict[str, float], axis: int) -> None:
    """About half of them are dropped in each text; `embedding_dropout` defaults to `dropout`."""
    model = network(pooling="max", bidirectional=False, **{"dropout": 0.0, **options})
    dropped = keras.Model(model.inputs[0], model.get_layer("forward_1").input)
    ids = np.random.default_rng(0).integers(2, VOCABULARY, (30, 20)).astype(np.int32)
    lost = np.asarray(dropped(ids, training=True)) == 0
    np.testing.assert_array_equal(lost.all(axis=axis), lost.any(axis=axis))
    assert 0.3 < lost.mean() < 0.7
    assert not (np.asarray(dropped(ids)) == 0).any()


@pytest.mark.parametrize("options", [{}, TRANSFORMER, {**TRANSFORMER, "filters": 5}], ids=str)
def test_word_order_matters(options: dict[str, Any]) -> None:
    """The same words in another order get different probabilities."""
    model = network(pooling="mean_max", **options)
    answers = model.predict_on_batch(np.array([[5, 9, 3], [3, 9, 5]], np.int32))
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_each_word_of_a_transformer_attends_to_the_others() -> None:
    """The state of the first word changes if the last word is replaced or removed."""
    model = network(**TRANSFORMER)
    states = keras.Model(model.inputs, model.get_layer("encoder_norm").output)
    ids = np.array([[5, 9, 3], [5, 9, 4], [5, 9, 0]], np.int32)
    one, other, shorter = states.predict_on_batch(ids)[:, 0]
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(one - shorter).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"dropout": 0.0, "pooled_dropout": 0.5}, 0.3, 0.7),
        ({"dropout": 0.5}, 0.3, 0.7),
        ({"dropout": 0.5, "pooled_dropout": 0.0}, 0, 0),
    ],
)
def test_pooled_features_are_dropped_before_the_dense_layer(
    options: dict[str, float], least: float, most: float
) -> None:
    """`pooled_dropout` is the rate in training; it defaults to `dropout`."""
    model = network(dense_units=5, embedding_dropout=0.0, **options)
    dropped = keras.Model(model.inputs[0], model.get_layer("dense").input)
    ids = np.random.default_rng(0).integers(2, VOCABULARY, (30, 20)).astype(np.int32)
    lost = np.asarray(dropped(ids, training=True)) == 0
    assert least <= lost.mean() <= most
    assert not (np.asarray(dropped(ids)) == 0).any()


def test_the_backward_direction_starts_at_the_end_of_each_text() -> None:
    """With equal weights in both directions, a palindrome has equal last states."""
    model = network(pooling="last", dropout=0.0)
    forward, backward = model.get_layer("forward_1"), model.get_layer("backward_1")
    backward.set_weights(forward.get_weights())
    states = keras.Model(model.inputs, model.get_layer("last_dropout").input)
    palindrome = np.array([[4, 9, 7, 9, 4, 0, 0, 0]], np.int32)
    both = states.predict_on_batch(palindrome)[0]
    np.testing.assert_allclose(both[:6], both[6:], atol=1e-6)


def test_the_network_has_the_configured_layers() -> None:
    """Units, number of layers, directions and the dense layer are those of the config."""
    names = {layer.name for layer in network(layers=2, dense_units=5).layers}
    assert {"forward_1", "backward_1", "forward_2", "backward_2", "dense"} <= names
    plain = network(bidirectional=False, units=7)
    assert plain.get_layer("forward_1").units == 7
    assert "backward_1" not in {layer.name for layer in plain.layers}
    attentive = network(**TRANSFORMER, layers=2, bidirectional=True)
    names = {layer.name for layer in attentive.layers}
    assert {"attention_1", "feed_narrow_1", "attention_2", "feed_narrow_2"} <= names
    assert not {name for name in names if name.startswith(("forward", "backward"))}
    assert attentive.get_layer("attention_1").num_heads == 2


@pytest.mark.parametrize(
    "options",
    [{"layers": 2, "dense_units": 5, "filters": 5}, {**TRANSFORMER, "layers": 2}],
    ids=["lstm", "transformer"],
)
def test_the_summary_lists_the_layers_and_counts_the_weights(options: dict[str, Any]) -> None:
    """It has the name of each layer with weights, and the total number of weights."""
    model = network(**options)
    text = summarise(model)
    for layer in model.layers:
        if layer.weights:
            assert f" {layer.name} " in text
    weights = sum(weight.size for weight in model.get_weights())
    assert f"Total params: {weights:,} " in text


def test_a_classifiers_probabilities_do_not_depend_on_the_batch() -> None:
    """Raw texts, including empty and overlong ones, get the same probabilities alone."""
    classifier = small_classifier()
    together = classifier.predict_proba(TEXTS)
    assert together.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    for row, text in enumerate(TEXTS):
        alone = classifier.predict_proba([text])[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_the_string_model_agrees_with_the_classifier() -> None:
    """The Keras model of cleaned texts gives the classifier's probabilities."""
    import tensorflow as tf

    classifier = small_classifier()
    cleaned = classifier.cleaner.clean(TEXTS)
    answers = classifier.string_model()(tf.constant(cleaned)).numpy()
    np.testing.assert_allclose(answers, classifier.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"filters": 5, "filter_pool": 3, "word_dropout": 0.1},
        {"padding": "start", "layers": 2},
        {**TRANSFORMER, "dense_units": 5, "pooled_dropout": 0.2},
    ],
    ids=str,
)
def test_saving_and_loading_change_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    """A loaded classifier has the same probabilities and class names."""
    classifier = small_classifier(**options)
    classifier.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved")
    assert loaded.classes_ == classifier.classes_
    np.testing.assert_allclose(
        loaded.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6
    )


def test_missing_texts_are_replaced_by_the_fill_word(tmp_path: Path) -> None:
    """A blank text gets the probabilities of that word, also after loading."""
    vectorizer = Vectorizer.fit(["case for phone none"], max_tokens=VOCABULARY, max_length=20)
    steps, classes = ["lowercase"], ["x", "y", "z"]
    filling = Classifier(Cleaner(steps, fill_missing="None"), vectorizer, network(), classes)
    filling.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    assert loaded.cleaner.fill_missing == "None"
    missing = ["", "  ", "\n", "", ""]
    for classifier in (filling, loaded):
        (word,) = classifier.predict_proba(["none"])
        for texts in (missing[:1], missing):
            for row in classifier.predict_proba(texts):
                np.testing.assert_allclose(row, word, atol=1e-6)
    plain = Classifier(Cleaner(steps), vectorizer, network(), classes)
    assert np.abs(plain.predict_proba([""])[0] - word).max() > 1e-3


def test_files_of_two_classifiers_are_refused(tmp_path: Path) -> None:
    """A model next to the description of another is an error that names both files."""
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
            "does not describe this model.keras: the network has 3 classes",
        ),
        (lambda about: about.pop("steps"), "lacks steps"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    """The description must match the network and be complete."""
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
    """The error is one line and names the file."""
    small_classifier().save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(RequestError) as caught:
        Classifier.load(tmp_path)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_saved_models_load_without_the_package(tmp_path: Path) -> None:
    """Each `model.keras` gives the same probabilities in a process without this package."""
    networks = {
        "last": {"pooling": "last"},
        "mean_max": {"pooling": "mean_max", "filters": 5},
        "attention": {"pooling": "attention"},
        "padded_behind": {"pooling": "last", "padding": "end"},
        "padded_before": {"pooling": "mean_max", "filters": 5, "padding": "start"},
        "transformer": {**TRANSFORMER, "pooling": "mean_max"},
        "convolved_transformer": {**TRANSFORMER, "pooling": "attention", "filters": 5},
    }
    classifiers = {
        name: small_classifier(**options, layers=2, dense_units=5)
        for name, options in networks.items()
    }
    for name, classifier in classifiers.items():
        classifier.save(tmp_path / name)
    script = """if True:
        import sys
        sys.modules["ecomclf"] = None  # importing it raises
        import json, keras, tensorflow as tf
        texts = tf.constant(["case for phone", ""])
        for name in sys.argv[1:]:
            model = keras.models.load_model(name + "/model.keras")
            print(json.dumps(model(texts).numpy().tolist()))
    """
    command = [sys.executable, "-c", script, *classifiers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line, classifier in zip(done.stdout.splitlines(), classifiers.values(), strict=True):
        expected = classifier.predict_proba(["case for phone", ""])
        np.testing.assert_allclose(np.array(json.loads(line)), expected, atol=1e-5)
