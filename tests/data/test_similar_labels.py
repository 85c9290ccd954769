import time
from random import Random

import pandas as pd
import pytest

from ecomclf.config.data_section import DataConfig
from ecomclf.data.dataset import load
from ecomclf.data.similar_labels import (
    describe_missing,
    describe_similar,
    find_missing_labels,
    find_similar_labels,
)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("CPU", "cpu"),
        ("CPU", "CPUs"),
        ("TV", "TVs"),
        ("Mobile Phone", "mobile-phones"),
        ("Mobile Phone", "MobilePhone"),
        ("Battery", "Batteries"),
        ("Box", "boxes"),
        ("Home & Kitchen", "Home and Kitchen"),
        ("Men's shoes", "mens shoes"),
        ("Cat 1", "cat-1"),
        ("Électronique", "électronique"),
        ("Electronics", "Electronisc"),
        ("Home decoration", "Home decoraton"),
    ],
)
def test_two_spellings_of_a_name_are_alike(name: str, other: str) -> None:
    """They differ by case, spaces, punctuation, plural, or one typing error in a longer word."""
    assert find_similar_labels({name: 30, other: 20, "Books": 30}) == [[name, other]]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("men", "women"),
        ("male", "female"),
        ("hats", "cats"),
        ("Cat 86", "Cat 87"),
        ("Class 1 2", "Class 12"),
        ("Category A", "Category B"),
        ("Lighting", "Fighting"),
        ("action", "auction"),
        ("-1", "1"),
        ("1.0", "10"),
        ("C", "C++"),
        ("C", "C#"),
        ("under 18", "18"),
        ("< 5 kg", "> 5 kg"),
        ("鞋子", "帽子"),
        ("NA", "N/A"),
    ],
)
def test_other_names_are_not_alike(name: str, other: str) -> None:
    """Short words, digits, symbols and first letters tell classes apart."""
    assert find_similar_labels({name: 30, other: 20}) == []


def test_in_short_words_a_mistyped_name_is_rare() -> None:
    """With as many rows, both are classes."""
    assert find_similar_labels({"positive": 100, "positve": 90}) == []
    assert find_similar_labels({"positive": 100, "positve": 3}) == [["positive", "positve"]]
    assert find_similar_labels({"positve": 3, "positive": 100}) == [["positive", "positve"]]


def test_the_line_shows_how_to_merge() -> None:
    """The mapping can be copied into a config; names are quoted where YAML needs it."""
    assert describe_similar([["no", "No"], ["a: b", "A: b"]]) == [
        "'no' and 'No' look alike; merge with data.rename_labels: {'No': 'no'}",
        "'a: b' and 'A: b' look alike; merge with data.rename_labels: {'A: b': 'a: b'}",
    ]


def test_words_for_a_missing_label_are_suspicious() -> None:
    """In any case and with brackets; a class of symbols or emoji is none."""
    names = ["NULL", "None", "nan", "N/A", "na", "-", "?", "...", "<NA>", "(blank)"]
    others = ["Books", "+", "😀", "Other", "nano", "0"]
    assert list(find_missing_labels(dict.fromkeys([*names, *others], 1))) == names
    assert describe_missing({"NULL": 1, "?": 1200}) == (
        "NULL (1 row), ? (1,200 rows): suspicious; drop with data.drop_labels: ['NULL', '?']"
    )


def test_the_report_names_them() -> None:
    """At most 20 groups are printed; the report has all."""
    labels = [name for number in range(30) for name in (f"Word {number}", f"word {number}")]
    frame = pd.DataFrame({"label": [*labels, "NULL"] * 2})
    _, report = load(DataConfig(), frame.assign(text=[f"text {at}" for at in frame.index]))
    lines = [line for line in report.as_text().splitlines() if line.startswith("labels ")]
    assert len(lines) == 22
    assert lines[0].startswith("labels       'word 0' and 'Word 0' look alike; merge with")
    assert lines[20] == "labels       and 10 more groups of names that look alike"
    assert lines[21].startswith("labels       NULL (2 rows): suspicious")
    assert len(report.similar_labels) == 30


def test_thousands_of_classes_take_no_time() -> None:
    """Names of a catalogue: three levels of words that recur."""
    chance = Random(0)
    words = ["".join(chance.choices("aeioulnrst", k=chance.randint(4, 12))) for _ in range(60)]
    names = {" > ".join(chance.choices(words, k=3)): 10 for _ in range(3000)}
    begun = time.perf_counter()
    find_similar_labels(names)
    assert time.perf_counter() - begun < 3
