import unicodedata

import keras
import numpy as np
import pytest

from ecomclf.models.classifier import Classifier
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.vectorizer import Vectorizer

UNKNOWN = ["", "   ", "xyzzy qwrtp", "今日は", "!!! ???"]


@pytest.fixture(scope="module")
def sure() -> Classifier:
    """Return a classifier that is sure of every answer."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    pooled = keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(4, 2)(ids))
    network = keras.Model(ids, keras.layers.Dense(2, "softmax", bias_initializer="ones")(pooled))
    network.layers[-1].set_weights([np.zeros((2, 2)), np.array([9.0, 0.0])])
    vectorizer = Vectorizer(["", "[UNK]", "hat", "mug"], max_length=3)
    return Classifier(Cleaner(["lowercase"]), vectorizer, network, ("Hats", "Mugs"), threshold=0.6)


def test_texts_without_a_known_word_need_a_review(sure: Classifier) -> None:
    """Whatever the confidence, and however low the threshold."""
    predicted = sure.predict([*UNKNOWN, "Hat xyzzy"])
    assert predicted["confidence"].min() > 0.99
    assert predicted["needs_review"].tolist() == [True] * len(UNKNOWN) + [False]


def test_words_that_are_not_read_are_not_known(sure: Classifier) -> None:
    """What follows the longest length does not reach the network."""
    assert sure.predict(["a b hat", "a b c hat"])["needs_review"].tolist() == [False, True]


def test_a_filled_text_has_the_words_it_is_filled_with(sure: Classifier) -> None:
    """The word that replaces a missing text is known from the training texts."""
    filled = Classifier(
        Cleaner(["lowercase"], fill_missing="mug"), sure.vectorizer, sure.network, sure.classes_
    )
    assert filled.predict(["", "xyzzy"])["needs_review"].tolist() == [False, True]
    other = Classifier(
        Cleaner(["lowercase"], fill_missing="none"), sure.vectorizer, sure.network, sure.classes_
    )
    assert other.predict([""])["needs_review"].tolist() == [True]


def test_both_unicode_forms_of_a_text_are_the_same(sure: Classifier) -> None:
    """Whether "ố" is one character or three, its word is known, and the answer is the same."""
    vectorizer = Vectorizer(["", "[UNK]", unicodedata.normalize("NFC", "tốt"), "mug"], max_length=3)
    classifier = Classifier(sure.cleaner, vectorizer, sure.network, sure.classes_)
    composed, decomposed = (unicodedata.normalize(form, "Tốt quá") for form in ("NFC", "NFD"))
    assert composed != decomposed
    answers = classifier.predict([composed, decomposed])
    assert answers["needs_review"].tolist() == [False, False]
    np.testing.assert_array_equal(*classifier.predict_proba([composed, decomposed]))
