from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ecomclf.config.schema import ModelConfig
from ecomclf.models.architecture import build_model
from ecomclf.models.classifier import Classifier
from ecomclf.models.cpu_lstm import with_fast_lstms
from ecomclf.models.ensemble import Blend, build_ensemble
from ecomclf.models.linear_path import fit_linear_path
from ecomclf.models.subword_layers import SUBWORD_BUCKETS, fold_subwords
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.subwords import Subwords
from ecomclf.text.vectorizer import Vectorizer
from tests.conftest import assert_independent_of_padding

pytestmark = pytest.mark.slow

LENGTH, CLASSES = 8, 3
TRAINED = ["red shoe", "straw hat x900", "blue mug", "naïve 日本語 phone"] * 3
# Unknown words, empty texts, more words than are read, and words longer than n-grams are read.
TEXTS = [
    *("", "red shoe", "unheard", "redd shoes", "x900b 日本 x900c", "shoe shoe"),
    *("a b c d e f g h i j k", f"{'ab' * 150} hat", "red unheard red unheard", "[UNK] 9"),
]


def network(vectorizer: Vectorizer, seed: int, **model: object) -> object:
    """Build a network with weights large enough for mistakes to show."""
    built = build_model(
        ModelConfig(embedding_dim=6, units=5, **model),  # type: ignore[arg-type]
        vocabulary_size=vectorizer.vocabulary_size,
        classes=CLASSES,
        max_length=LENGTH,
    )
    generator = np.random.default_rng(seed)
    for weight in built.weights:
        weight.assign(generator.normal(0, 0.6, weight.shape))
    return built


def classifier(**model: object) -> Classifier:
    """Return a classifier of an ensemble: with subwords, without, and the linear path."""
    vectorizer = Vectorizer.fit(TRAINED, max_tokens=8, max_length=LENGTH)
    ids = vectorizer.encode(TRAINED)
    labels = np.arange(len(TRAINED), dtype=np.int32) % CLASSES
    path = fit_linear_path(vectorizer.words, ids, labels, classes=CLASSES)
    members = {
        1: network(vectorizer, 1, subwords="ngrams", **model),
        4: network(vectorizer, 4),
    }
    ensemble = build_ensemble(members, Blend(2, 0.5, 1.0, 0.9))
    names = [f"class {number}" for number in range(CLASSES)]
    ngrams = CharacterNgrams.of_words(vectorizer.words, ids, buckets=SUBWORD_BUCKETS)
    return Classifier(Cleaner(()), vectorizer, ensemble, names, linear_path=path, ngrams=ngrams)


def test_folding_changes_no_prediction() -> None:
    """Looking up all words before and the unknown ones after gives the same within 1e-5."""
    vectorizer = Vectorizer.fit(TRAINED, max_tokens=8, max_length=LENGTH)
    ids = vectorizer.encode([*TRAINED, *TEXTS])
    ngrams = CharacterNgrams.of_words(vectorizer.words, ids, buckets=SUBWORD_BUCKETS)
    model = network(vectorizer, 0, subwords="ngrams")
    everything = np.arange(len(ids))
    of_all, of_unknown = (
        look_up(ids, vectorizer, ngrams) for look_up in (Subwords.of_all, Subwords.of_unknown)
    )
    before = model.predict_on_batch(list(of_all.inputs(of_all.numbers.padded(everything))))
    fold_subwords(model, vectorizer, ngrams)
    after = model.predict_on_batch(list(of_unknown.inputs(of_unknown.numbers.padded(everything))))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_an_unknown_word_is_read_by_its_letters() -> None:
    """Two texts with different unknown words get different probabilities."""
    one, other = classifier().predict_proba(["unheard", "x900b"])
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("model", [{}, {"padding": "start"}, {"padding": "end", "filters": None}])
def test_the_string_model_agrees_also_when_it_was_loaded(
    tmp_path: Path, model: dict[str, object]
) -> None:
    """Strings, our own path and a saved classifier give the same probabilities."""
    original = classifier(**model)
    expected = original.predict_proba(TEXTS)
    answers = original.string_model()(tf.constant(original.cleaner.clean(TEXTS))).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    original.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), expected, atol=1e-6)
    assert loaded.ngrams == original.ngrams


def test_probabilities_do_not_depend_on_the_batch() -> None:
    """A text gets the same within 1e-5 alone and among texts with other unknown words."""
    together = classifier().predict_proba(TEXTS)
    for text, expected in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(classifier().predict_proba(text)[0], expected, atol=1e-5)


def test_fast_copies_have_the_same_probabilities() -> None:
    """The fast LSTMs leave the subwords as they are."""
    vectorizer = Vectorizer.fit(TRAINED, max_tokens=8, max_length=LENGTH)
    model = network(vectorizer, 0, subwords="ngrams", filters=None)
    rows = np.array([[1, 0, 2], [0, 0, 0]], np.int32)
    pairs = np.array([[0, 0], [70, 1], [9, 1], [70, 2]], np.int32)
    inputs = [np.array([[1, 3, 1], [2, 0, 0]], np.int32), rows, pairs]
    fast = with_fast_lstms(model)
    expected = model.predict_on_batch(inputs)
    np.testing.assert_allclose(fast.predict_on_batch(inputs), expected, atol=1e-5)


def test_networks_without_subwords_stay_as_they_were() -> None:
    """They have one input, and do not depend on padding."""
    vectorizer = Vectorizer([*map(str, range(30))], max_length=LENGTH)
    assert_independent_of_padding(network(vectorizer, 2), 19)
