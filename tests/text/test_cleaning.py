import unicodedata
from typing import get_args

import nltk.corpus
import nltk.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


@given(st.text())
def test_the_forms_of_a_text_are_cleaned_alike(text: str) -> None:
    """A text in NFC and in NFD has the same words, with steps and without."""
    for cleaner in (Cleaner(()), Cleaner(("lowercase", "punctuation"), language="turkish")):
        forms = {cleaner(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
        assert len(forms) == 1


def test_compatibility_forms_stay_what_they_are() -> None:
    """NFC does not turn "ﬁ" into "fi", nor "²" into "2"."""
    assert Cleaner(())("ﬁn m²") == "ﬁn m²"


@pytest.mark.parametrize(
    ("language", "text", "cleaned"),
    [
        ("english", "İyi IŞIK", "iyi işik"),
        ("english", "I\u0307yi", "iyi"),
        ("turkish", "İyi IŞIK", "iyi ışık"),
        ("azeri", "QIRMIZI İpək", "qırmızı ipək"),
        ("german", "STRASSE Öl", "strasse öl"),
    ],
)
def test_lower_case_is_that_of_the_language(language: str, text: str, cleaned: str) -> None:
    """No combining dot is left of "İ"."""
    assert Cleaner(["lowercase"], language=language)(text) == cleaned


@pytest.mark.parametrize(
    "text", ["a،b", "a。b", "a।b", "a»b", "a¿b", "a、b", "a؟b", "a€b", "a™b", "a–b", "a・b", "a☆b"]
)
def test_punctuation_of_every_script_splits_words(text: str) -> None:
    """Every character of the Unicode categories P and S."""
    assert Cleaner(["punctuation"])(text) == "a b"


def test_combining_marks_are_no_punctuation() -> None:
    """The vowel signs of Hindi and Thai stay with their words."""
    assert Cleaner(["punctuation"])("अच्छा।") == "अच्छा"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<p>red<br/>shoe</p>&nbsp;&amp; <b>hat</b>", "red shoe & hat"),
        ("a < b, I <3 it, x > y", "a < b, I <3 it, x > y"),
        ("<style>p {color: red}</style>red<script>x()</script><!-- no -->", "red"),
        ("&lt;p&gt;red &amp;amp; blue&lt;/p&gt;", "red &amp; blue"),
        ("caf&eacute; &#8211; &#x2013;", "café – –"),
        ("R&D 5&6", "R&D 5&6"),
    ],
)
def test_html_is_removed(text: str, cleaned: str) -> None:
    """Tags go, entities become characters, and other signs stay."""
    assert Cleaner(["html"])(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("质量好 USB线", "质 量 好 USB 线"),
        ("とても良い", "と て も 良 い"),
        ("ดีมาก น้ำ", "ดี ม า ก น้ ำ"),
        ("좋아요 정말", "좋아요 정말"),
        ("ກິນ မြန် ភាសា", "ກິ ນ မြ န် ភា សា"),
    ],
)
def test_scripts_without_spaces_are_split_into_characters(text: str, cleaned: str) -> None:
    """Each character with its combining marks is a word; Korean has spaces of its own."""
    assert Cleaner(())(text) == unicodedata.normalize("NFC", cleaned)


@pytest.mark.parametrize(
    ("language", "text", "cleaned"),
    [("german", "die Schuhe und der Hut", "schuh hut"), ("french", "les chaussures", "chaussur")],
)
def test_stop_words_and_stems_of_a_language(language: str, text: str, cleaned: str) -> None:
    """Those of the language that is named."""
    assert Cleaner(["lowercase", "stopwords", "snowball"], language=language)(text) == cleaned
