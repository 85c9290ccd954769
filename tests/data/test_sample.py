from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

from ecomclf.data.sample import generate


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    """Return a sample of the default size."""
    return generate(rows=6000, seed=0)


def normalise_texts(table: pd.DataFrame) -> pd.Series[str]:
    """Return both texts as lower-cased alphanumeric words."""
    words = (table["title"] + " " + table["description"]).str.lower().str.findall(r"[^\W_]+")
    return words.str.join(" ")


def select_distinct_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each normalised text that is not empty."""
    texts = normalise_texts(table)
    return table.assign(text=texts)[(texts != "") & ~texts.duplicated()]


def test_the_same_rows_and_seed_give_the_same_table() -> None:
    """Two calls in one process return equal tables."""
    pd.testing.assert_frame_equal(generate(rows=500, seed=7), generate(rows=500, seed=7))


def test_another_process_gives_the_same_table() -> None:
    """The table does not depend on hash order, which differs between processes."""
    program = (
        "from ecomclf.data.sample import generate; print(generate(rows=100, seed=7).to_json())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_another_seed_gives_other_products() -> None:
    """Tables of different seeds share almost no text."""
    first, second = (set(normalise_texts(generate(rows=500, seed=seed))) for seed in (0, 1))
    assert len(first & second) <= 5


def test_the_table_has_three_string_columns_and_a_running_index(catalogue: pd.DataFrame) -> None:
    """Title, description and category hold strings only, and the index counts from 0."""
    assert list(catalogue.columns) == ["title", "description", "category"]
    assert list(catalogue.index) == list(range(6000))
    assert all(isinstance(value, str) for value in catalogue.to_numpy().ravel())
    assert (catalogue["category"] != "").all()


@pytest.mark.parametrize("rows", [100, 101, 333])
def test_the_table_has_the_requested_number_of_rows(rows: int) -> None:
    """Duplicates count as rows, however their number is rounded."""
    assert len(generate(rows=rows)) == rows


def test_fewer_than_100_rows_are_an_error() -> None:
    """The message has the minimum and the number given."""
    with pytest.raises(ValueError, match="sample rows must be at least 100 but got 99"):
        generate(rows=99)


@pytest.mark.parametrize("seed", range(5))
def test_every_category_has_ten_rows_in_a_small_table(seed: int) -> None:
    """With 300 rows, each of the six categories can be split."""
    counts = generate(rows=300, seed=seed)["category"].value_counts()
    assert len(counts) == 6
    assert counts.min() >= 10


def test_categories_are_somewhat_unbalanced(catalogue: pd.DataFrame) -> None:
    """The largest category is more than 1.5 but less than 5 times the smallest."""
    counts = catalogue["category"].value_counts()
    assert 1.5 < counts.max() / counts.min() < 5


def test_some_rows_lack_texts(catalogue: pd.DataFrame) -> None:
    """About 1 % of the rows have no text, and some have only a title or only a description."""
    has_no_title, has_no_description = catalogue["title"] == "", catalogue["description"] == ""
    assert 0.005 < (has_no_title & has_no_description).mean() < 0.02
    assert 0.05 < (has_no_title & ~has_no_description).mean() < 0.15
    assert 0.05 < (~has_no_title & has_no_description).mean() < 0.2


def test_some_rows_duplicate_others_except_for_case_and_punctuation(
    catalogue: pd.DataFrame,
) -> None:
    """About 5 % of the rows are duplicates, and only some of these are exact."""
    texts = normalise_texts(catalogue)
    with_text = catalogue[texts != ""]
    duplicates = texts[texts != ""].duplicated().mean()
    exact = with_text.duplicated(["title", "description"]).mean()
    assert 0.03 < duplicates < 0.07
    assert 0 < exact < duplicates


def test_a_few_duplicates_have_another_label(catalogue: pd.DataFrame) -> None:
    """Most duplicates agree on the label, some do not."""
    texts = normalise_texts(catalogue)
    repeated = catalogue[(texts != "") & texts.duplicated(keep=False)]
    labels_of_each = repeated.groupby(texts)["category"].nunique()
    assert 0.02 < (labels_of_each > 1).mean() < 0.3


def test_about_two_percent_of_the_labels_are_wrong(catalogue: pd.DataFrame) -> None:
    """A few cameras are labelled as phones."""
    titles = catalogue[catalogue["category"].isin(["Phones", "Phone Accessories"])]["title"]
    names_a_camera = titles.str.lower().str.contains(r"\b(?:camera|camcorder|action cam)\b")
    assert 0.001 < names_a_camera.mean() < 0.03


def test_texts_hold_upper_case_digits_and_links(catalogue: pd.DataFrame) -> None:
    """There are upper-case titles, model numbers and links, but no HTML."""
    titles, descriptions = catalogue["title"], catalogue["description"]
    assert 0.02 < titles.str.isupper().mean() < 0.1
    assert titles.str.contains(r"\d").mean() > 0.5
    assert 0.01 < descriptions.str.contains("http://", regex=False).mean() < 0.2
    assert not (titles + descriptions).str.contains("<", regex=False).any()


def test_texts_are_short_and_of_many_lengths(catalogue: pd.DataFrame) -> None:
    """The median is 18 to 28 words; lengths range from a few words to several sentences."""
    lengths = select_distinct_rows(catalogue)["text"].str.split().str.len()
    assert 18 <= lengths.median() <= 28
    assert lengths.min() <= 8
    assert 45 <= lengths.max() <= 80


def test_distinct_rows_are_rarely_near_duplicates(catalogue: pd.DataFrame) -> None:
    """Under 3 % of the rows share their first twelve words or continue another row's text."""
    texts = sorted(select_distinct_rows(catalogue)["text"])
    openings = pd.Series([" ".join(text.split()[:12]) for text in texts])
    continues_another = [
        longer.startswith(shorter + " ") and len(shorter.split()) >= 8
        for shorter, longer in itertools.pairwise(texts)
    ]
    assert openings.duplicated(keep=False).mean() + sum(continues_another) / len(texts) < 0.03


@pytest.mark.parametrize(
    ("device", "companion", "categories"),
    [
        ("phone", "case", {"Phones", "Phone Accessories"}),
        ("camera", "tripod", {"Cameras", "Camera Accessories"}),
        ("brewer", "capsules", {"Coffee Machines", "Coffee"}),
    ],
)
def test_rows_of_both_categories_name_the_same_two_nouns(
    catalogue: pd.DataFrame, device: str, companion: str, categories: set[str]
) -> None:
    """A phone with a case and a case for a phone share the nouns, not the category."""
    words = catalogue["title"].str.lower().str.split().map(set)
    names_both = words.map(
        lambda title: {device, companion} <= {word.strip(":,") for word in title}
    )
    shares = catalogue[names_both]["category"].value_counts(normalize=True)
    assert all(shares[category] > 0.15 for category in categories)


@pytest.mark.parametrize("word", ["with", "for", "plus", "including", "fits", "suits"])
def test_connecting_words_occur_with_devices_and_accessories(
    catalogue: pd.DataFrame, word: str
) -> None:
    """No connecting word decides: a quarter or more of its titles are of either kind."""
    titles = catalogue[catalogue["title"].str.lower().str.contains(rf"\b{word}\b")]
    is_device = titles["category"].isin(["Phones", "Cameras", "Coffee Machines"])
    assert 0.25 < is_device.mean() < 0.75


def test_a_linear_model_leaves_room_for_improvement(catalogue: pd.DataFrame) -> None:
    """On a leak-free split, TF-IDF with LinearSVC has a macro F1 between 0.75 and 0.92."""
    distinct = select_distinct_rows(catalogue)
    train, test = train_test_split(
        distinct, test_size=0.15, stratify=distinct["category"], random_state=0
    )
    vectorizer = TfidfVectorizer()
    model = LinearSVC().fit(vectorizer.fit_transform(train["text"]), train["category"])
    predicted = model.predict(vectorizer.transform(test["text"]))
    assert 0.75 < f1_score(test["category"], predicted, average="macro") < 0.92
