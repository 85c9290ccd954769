from typing import get_args

import nltk.corpus
import nltk.data
import pytest
from nltk.corpus.util import LazyCorpusLoader

from ecomclf.config.schema import CleaningStep
from ecomclf.errors import RequestError
from ecomclf.text.cleaning import STEPS, Cleaner


@pytest.fixture
def no_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide all NLTK corpora, including any loaded earlier in this process."""
    reader = nltk.corpus.reader.WordNetCorpusReader
    monkeypatch.setattr(nltk.corpus, "wordnet", LazyCorpusLoader("wordnet", reader, None))
    monkeypatch.setattr(nltk.data, "path", [])


@pytest.mark.parametrize(
    ("step", "text", "cleaned"),
    [
        ("lowercase", "Red SHOE 42", "red shoe 42"),
        ("lowercase", "GRÜNE Öfen", "grüne öfen"),
        ("links", "see https://a.b/c?d=1 or www.x.com now", "see or now"),
        ("links", "HTTP://UP.example/x,y end", "end"),
        ("links", "http is no link, nor is www", "http is no link, nor is www"),
        ("digits", "A4 paper, 500 sheets", "A paper, sheets"),
        ("digits", "24x7", "x"),
        ("punctuation", "shoe-laces, (2 pairs)!", "shoe laces 2 pairs"),
        ("punctuation", "“best” — it’s…", "best it s"),
        ("punctuation", "snake_case a/b $5", "snake case a b 5"),
        ("punctuation", "café naïve", "café naïve"),
        ("stopwords", "The shoe for the runner", "shoe runner"),
        ("stopwords", "Theatre forward", "Theatre forward"),
        ("porter", "running shoes", "run shoe"),
        ("porter", "generously", "gener"),
        ("snowball", "running shoes", "run shoe"),
        ("snowball", "generously", "generous"),
    ],
)
def test_each_step_alone(no_corpora: None, step: str, text: str, cleaned: str) -> None:
    """A single step on a hand-written text, without downloaded corpora."""
    assert Cleaner([step])(text) == cleaned


@pytest.mark.parametrize(
    ("steps", "text", "cleaned"),
    [
        (["links", "punctuation"], "see https://a.b", "see"),
        (["punctuation", "links"], "see https://a.b", "see https a b"),
        (["stopwords", "porter"], "this shoe", "shoe"),
        (["porter", "stopwords"], "this shoe", "thi shoe"),
    ],
)
def test_steps_are_applied_in_order(steps: list[str], text: str, cleaned: str) -> None:
    """The same steps in a different order give a different result."""
    assert Cleaner(steps)(text) == cleaned


@pytest.mark.parametrize("steps", [[], ["lowercase"], ["punctuation"], ["stopwords"]])
@pytest.mark.parametrize("text", ["  red\t shoe\n\n", "red\u00a0shoe", "red \r\n shoe"])
def test_whitespace_is_collapsed(steps: list[str], text: str) -> None:
    """Whatever the steps, words end up separated by single spaces."""
    assert Cleaner(steps)(text) == "red shoe"


@pytest.mark.parametrize(
    ("steps", "text"), [([], ""), ([], " \n"), (["punctuation"], "!?"), (["digits"], "12 3")]
)
def test_a_text_may_become_empty(steps: list[str], text: str) -> None:
    """A text with no words left is returned as the empty string; it is not an error."""
    assert Cleaner(steps)(text) == ""


def test_clean_returns_one_text_per_input_in_order() -> None:
    """Empty and repeated texts are kept."""
    cleaner = Cleaner(["lowercase", "punctuation"])
    assert cleaner.clean(["B!", "...", "A", "B!"]) == ["b", "", "a", "b"]


def test_cleaning_is_idempotent() -> None:
    """A text may be cleaned twice, by the caller and again when it is served."""
    cleaner = Cleaner(["lowercase", "links", "digits", "punctuation", "stopwords"])
    once = cleaner("The RED-shoe, 2 for 1: http://a.b/c")
    assert once == "red shoe"
    assert cleaner(once) == once


def test_the_config_accepts_exactly_the_implemented_steps() -> None:
    """`CleaningStep` of the config schema and `STEPS` list the same names."""
    assert set(STEPS) == set(get_args(CleaningStep))


def test_lemmas_require_the_wordnet_corpus(no_corpora: None) -> None:
    """The error is one line with the command that downloads the corpus."""
    with pytest.raises(RequestError) as caught:
        Cleaner(["lowercase", "lemmas"])
    message = str(caught.value)
    assert "python -m nltk.downloader wordnet" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "   ", " \t\n"])
def test_missing_texts_are_filled(text: str) -> None:
    """The fill value is cleaned like any text; without one, missing texts stay empty."""
    assert Cleaner(["lowercase", "porter"], fill_missing="Not Given")(text) == "not given"
    assert Cleaner(["lowercase"])(text) == ""


def test_only_missing_texts_are_filled() -> None:
    """A text that becomes empty through cleaning was not missing and is not filled."""
    cleaner = Cleaner(["lowercase", "punctuation"], fill_missing="none")
    assert cleaner.clean(["Shoe!", "...", "none", ""]) == ["shoe", "", "none", "none"]
