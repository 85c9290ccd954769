import pytest

from ecomclf.config.schema import TextConfig
from ecomclf.text.language_fit import describe_misfit

GERMAN = ["der Schuh ist sehr schön und bequem", "das war nicht gut für den Preis"] * 20
ENGLISH = ["the shoe is very nice and comfortable", "this was not good for the price"] * 20


@pytest.mark.parametrize("step", ["stopwords", "snowball"])
def test_texts_in_another_language_are_noticed(step: str) -> None:
    """The language that fits is named."""
    line = describe_misfit(GERMAN, TextConfig(steps=(step,)))
    assert line is not None
    assert "text.language is english" in line
    assert "german" in line


@pytest.mark.parametrize(
    ("texts", "config"),
    [
        (ENGLISH, TextConfig(steps=("stopwords",))),
        (GERMAN, TextConfig(steps=("stopwords",), language="german")),
        (GERMAN, TextConfig(steps=("lowercase",))),
        (["usb cable 2 m", "steel mug 300 ml"], TextConfig(steps=("stopwords",))),
        (["?", ""], TextConfig(steps=("stopwords",))),
    ],
)
def test_no_line_where_nothing_is_wrong(texts: list[str], config: TextConfig) -> None:
    """Texts in the language, steps that depend on none, and titles with hardly a stop word."""
    assert describe_misfit(texts, config) is None
