from pathlib import Path

import pandas as pd
import pytest

import ecomclf
from ecomclf.config.loading import load_config
from ecomclf.errors import AmbiguousLabelError, DataError, RequestError
from ecomclf.search.suggestion import Suggestion, suggest, write_suggestion

GOOD = ("works very well", "great quality", "fast delivery")
BAD = ("arrived broken", "stopped working", "never buy again")


def rows_of(count: int, every: int = 2) -> pd.DataFrame:
    """Return labelled rows; one in `every` is bad."""
    return pd.DataFrame(
        {
            "label": ["bad" if row % every == 0 else "good" for row in range(count)],
            "text": [
                f"mug {row}: {(BAD if row % every == 0 else GOOD)[row % 3]}" for row in range(count)
            ],
        }
    )


def suggestion_of(frame: pd.DataFrame, folder: Path, name: str = "my shop.csv") -> Suggestion:
    """Write rows to a CSV file, and return what is suggested for it."""
    path = folder / name
    frame.to_csv(path, index=False)
    return suggest(str(path))


def test_the_yaml_is_the_config(tmp_path: Path) -> None:
    """What is written loads as what was suggested, name included."""
    suggestion = suggestion_of(rows_of(300), tmp_path)
    written = tmp_path / "written.yaml"
    write_suggestion(suggestion, written, force=False)
    assert load_config(written) == suggestion.config
    assert suggestion.config.name == "my-shop"
    assert suggestion.config.data.text_columns == ("text",)
    assert suggestion.config.data.label_column == "label"
    assert {"model.embedding_dim", "model.units", "model.dropout"} <= {
        *suggestion.config.sweep.space
    }
    assert "about" in suggestion.yaml


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    """Unless it may be replaced."""
    suggestion = suggestion_of(rows_of(60), tmp_path)
    target = tmp_path / "c.yaml"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(RequestError, match="already exists; pass --force"):
        write_suggestion(suggestion, target, force=False)
    assert target.read_text(encoding="utf-8") == "mine"
    write_suggestion(suggestion, target, force=True)
    assert load_config(target) == suggestion.config


def test_stars_are_an_order(tmp_path: Path) -> None:
    """By the column's name and its numbers."""
    frame = rows_of(300).rename(columns={"label": "stars"})
    frame["stars"] = [row % 5 + 1 for row in range(300)]
    assert suggestion_of(frame, tmp_path).config.data.ordered_labels


def test_uneven_classes_are_weighed_and_compared_by_macro_f1(tmp_path: Path) -> None:
    """A rare class counts as much as the others."""
    config = suggestion_of(rows_of(600, every=40), tmp_path).config
    assert config.train.monitor == "val_f1_macro"
    assert config.sweep.space["train.class_weight"].contains("balanced")
    assert "train.class_weight" not in suggestion_of(rows_of(600), tmp_path).config.sweep.space


def test_rare_and_missing_labels(tmp_path: Path) -> None:
    """Rare classes are dropped; names that look missing are proposed in a comment."""
    frame = rows_of(300)
    frame.loc[:5, "label"] = "NULL"
    frame.loc[6, "label"] = "typo"
    suggestion = suggestion_of(frame, tmp_path)
    assert suggestion.config.data.min_rows_a_label == 5
    assert "# drop_labels: ['NULL']" in suggestion.yaml


def test_markup_links_and_language(tmp_path: Path) -> None:
    """Steps and language follow from the texts."""
    frame = rows_of(300)
    frame["text"] = [f"<p>das ist nicht gut für {row}</p> http://x.de/{row}" for row in range(300)]
    text = suggestion_of(frame, tmp_path).config.text
    assert text.steps == ("html", "links", "lowercase", "punctuation")
    assert text.language == "german"


def test_a_file_without_a_header_goes_by_position(tmp_path: Path) -> None:
    """The config says that there is none."""
    path = tmp_path / "rows.csv"
    rows_of(300).to_csv(path, index=False, header=False)
    data = suggest(str(path)).config.data
    assert (data.text_columns, data.label_column, data.header) == ((1,), 0, False)


def test_a_data_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns can be given, and need not be guessed then."""
    monkeypatch.chdir(tmp_path)
    frame = rows_of(300).assign(kind=["x" if row % 3 else "y" for row in range(300)])
    assert ecomclf.suggest_config(frame).data.label_column == "label"
    frame = frame.rename(columns={"label": "mood"})
    with pytest.raises(AmbiguousLabelError, match="'mood' and 'kind' could each be the label"):
        ecomclf.suggest_config(frame)
    config = ecomclf.suggest_config(frame, label_column="kind", text_columns=["text"])
    assert config.data.label_column == "kind"


def test_a_data_frame_may_have_any_types() -> None:
    """Categories, numbers with missing values, dates, and two columns of one name."""
    frame = rows_of(300).assign(
        label=lambda rows: rows["label"].astype("category"),
        price=[None if row % 7 == 0 else row / 3 for row in range(300)],
        day=pd.date_range("2026-01-01", periods=300),
    )
    frame.loc[3, "text"] = None
    frame.insert(0, "price", 1, allow_duplicates=True)
    data = ecomclf.suggest_config(frame).data
    assert (data.text_columns, data.label_column) == (("text",), "label")


def test_what_cannot_be_used_is_one_error(tmp_path: Path) -> None:
    """A missing file, and an empty one."""
    with pytest.raises(DataError, match="no file at"):
        suggest(str(tmp_path / "none.csv"))
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is empty"):
        suggest(str(tmp_path / "empty.csv"))
