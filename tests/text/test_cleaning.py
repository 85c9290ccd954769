from typing import get_args

import nltk.corpus
import nltk.data
import numpy as np
import pytest
from nltk.corpus.util import LazyCorpusLoader

from ecomclf.config.schema import CleaningStep
from ecomclf.errors import RequestError
from ecomclf.text.cleaning import STEPS, Cleaner
from ecomclf.text.token_ids import TokenIds


@pytest.fixture
def no_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nltk find no corpus, not even one that it has loaded before."""
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
def test_a_step_does_one_thing(no_corpora: None, step: str, text: str, cleaned: str) -> None:
    """Each step alone, on a text by hand, without any download."""
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
def test_steps_are_applied_in_the_order_given(steps: list[str], text: str, cleaned: str) -> None:
    """The same steps in another order are another cleaning."""
    assert Cleaner(steps)(text) == cleaned


@pytest.mark.parametrize("steps", [[], ["lowercase"], ["punctuation"], ["stopwords"]])
@pytest.mark.parametrize("text", ["  red\t shoe\n\n", "red\u00a0shoe", "red \r\n shoe"])
def test_words_are_joined_by_single_spaces(steps: list[str], text: str) -> None:
    """Whatever the steps, no other white space is left."""
    assert Cleaner(steps)(text) == "red shoe"


@pytest.mark.parametrize(
    ("steps", "text"), [([], ""), ([], " \n"), (["punctuation"], "!?"), (["digits"], "12 3")]
)
def test_a_text_may_be_left_without_words(steps: list[str], text: str) -> None:
    """A text of which nothing is left is the empty text, not an error."""
    assert Cleaner(steps)(text) == ""


def test_texts_keep_their_number_and_order() -> None:
    """Cleaning many gives one text for each, empty ones included."""
    cleaner = Cleaner(["lowercase", "punctuation"])
    assert cleaner.clean(["B!", "...", "A", "B!"]) == ["b", "", "a", "b"]


def test_cleaning_a_cleaned_text_changes_nothing() -> None:
    """The default steps may meet a text twice, in training and in serving."""
    cleaner = Cleaner(["lowercase", "links", "digits", "punctuation", "stopwords"])
    once = cleaner("The RED-shoe, 2 for 1: http://a.b/c")
    assert once == "red shoe"
    assert cleaner(once) == once


def test_the_config_allows_the_steps_that_there_are() -> None:
    """Each step that a config may name is there, and none that it may not."""
    assert set(STEPS) == set(get_args(CleaningStep))


def test_lemmas_without_their_corpus_are_refused(no_corpora: None) -> None:
    """The message is one line with the command that downloads the corpus."""
    with pytest.raises(RequestError) as caught:
        Cleaner(["lowercase", "lemmas"])
    message = str(caught.value)
    assert "python -m nltk.downloader wordnet" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "   ", " \t\n"])
def test_a_missing_text_is_taken_for_a_word(text: str) -> None:
    """The word goes through the steps as any other; without one nothing is put there."""
    assert Cleaner(["lowercase", "porter"], fill_missing="Not Given")(text) == "not given"
    assert Cleaner(["lowercase"])(text) == ""


def test_only_a_missing_text_is_taken_for_a_word() -> None:
    """A text of which the steps leave nothing was there; so was the word itself."""
    cleaner = Cleaner(["lowercase", "punctuation"], fill_missing="none")
    assert cleaner.clean(["Shoe!", "...", "none", ""]) == ["shoe", "", "none", "none"]


def ids_of(*texts: list[int]) -> TokenIds:
    """Put hand-written ids in the form that encoding gives."""
    values = np.array([token for text in texts for token in text], np.int32)
    return TokenIds(values, np.cumsum([0, *(len(text) for text in texts)]))


@pytest.mark.parametrize(
    ("rows", "values", "offsets"),
    [
        ([2, 0], [7, 4, 5, 6], [0, 1, 4]),
        ([2, 2, 1, 2], [7, 7, 7], [0, 1, 2, 2, 3]),
        ([1], [], [0, 0]),
        ([], [], [0]),
    ],
)
def test_some_texts_are_taken_in_the_order_asked_for(
    rows: list[int], values: list[int], offsets: list[int]
) -> None:
    """A text may be taken several times, an empty one too, and none at all."""
    taken = ids_of([4, 5, 6], [], [7]).take(np.array(rows, np.int64))
    assert taken.values.tolist() == values
    assert taken.offsets.tolist() == offsets
    assert len(taken) == len(rows)
    assert taken.values.dtype == np.int32
