import io
import os

import pandas as pd
import pytest
from rich.console import Console

from ecomclf.api.labelled_data import open_console
from ecomclf.runtime.terminal import has_live_view, pack, print_line, print_table, short_names

ROW = {
    "trial": 12,
    "state": "finished",
    "val_f1_macro": 0.949234,
    "val_f1_weighted": 0.9512,
    "val_accuracy": None,
    "model.embedding_dim": 64,
    "model.units": 48,
    "model.dropout": 0.12,
    "train.learning_rate": 0.0021,
    "seconds": 16.1,
}
SENTENCE = "passed: accuracy 0.9596 is at least 0.2328; not below the best baseline"


def printed(table: pd.DataFrame, width: int | None) -> list[str]:
    """Return the lines of a printed table: in a terminal of a width, or without one in a file."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=width is not None, width=width)
    print_table(console, "study s", table)
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, None])
def test_a_table_shows_every_cell(width: int | None) -> None:
    """Numbers are shortened, missing ones left empty."""
    table = pd.DataFrame(
        {"trial": [0, 1], "val": [0.123456, None], "state": ["finished", "failed"]}
    )
    text = "\n".join(printed(table, width))
    assert text.startswith("study s\n")
    assert "0.1235" in text
    assert "nan" not in text


def test_a_file_gets_the_whole_table() -> None:
    """However wide it is, a row is one line, with all names and nothing cut."""
    table = pd.DataFrame([{**ROW, "text": "long " * 60, f"model.{'x' * 90}": 1}])
    lines = printed(table, None)
    assert len(lines) == 6
    assert all(name in lines[2] for name in table.columns)
    assert ("long " * 60).strip() in lines[4]


def test_columns_have_short_names_where_long_ones_do_not_fit() -> None:
    """Ten columns with short names fit 120 columns; with their own they fit 160."""
    assert "┃ f1_macro ┃ f1_weighted ┃ accuracy ┃ embedding_dim ┃ units ┃" in "\n".join(
        printed(pd.DataFrame([ROW]), 120)
    )
    assert "┃ val_f1_macro ┃" in "\n".join(printed(pd.DataFrame([ROW]), 160))


def test_a_row_that_does_not_fit_is_a_paragraph() -> None:
    """It begins at the margin, goes on indented, and has no missing value."""
    assert printed(pd.DataFrame([ROW, {**ROW, "trial": 3}]), 80) == [
        "study s",
        "trial: 12  state: finished  val_f1_macro: 0.9492  val_f1_weighted: 0.9512",
        "  model.embedding_dim: 64  model.units: 48  model.dropout: 0.12",
        "  train.learning_rate: 0.0021  seconds: 16.1",
        "trial: 3  state: finished  val_f1_macro: 0.9492  val_f1_weighted: 0.9512",
        "  model.embedding_dim: 64  model.units: 48  model.dropout: 0.12",
        "  train.learning_rate: 0.0021  seconds: 16.1",
    ]


def test_a_sentence_is_wrapped_in_its_column() -> None:
    """Between words, while the other columns stay whole."""
    lines = printed(pd.DataFrame([{"version": "1", "stage": "Production", "gate": SENTENCE}]), 70)
    assert max(map(len, lines)) <= 70
    cells = [line.split("│")[-2].strip() for line in lines if line.startswith("│")]
    assert " ".join(cells) == SENTENCE


def test_a_line_is_wrapped_in_a_terminal_only() -> None:
    """Between words; what is longer than the terminal is left to it, in one piece."""
    line = f"{'word ' * 20}{'path' * 30}"
    for terminal, lines in ((True, 3), (False, 1)):
        output = io.StringIO()
        print_line(Console(file=output, force_terminal=terminal, width=80), line)
        assert len(output.getvalue().splitlines()) == lines
        assert output.getvalue().split() == line.split()


def test_what_is_printed_is_no_markup() -> None:
    """Brackets stay, and numbers get no colour."""
    output = io.StringIO()
    print_line(Console(file=output, force_terminal=True), "class '[red]': 0.5 'x'")
    print_table(Console(file=output, force_terminal=True), "t", pd.DataFrame({"[b]": ["[i]"]}))
    assert "class '[red]': 0.5 'x'" in output.getvalue()
    assert "[i]" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_names_that_would_be_the_same_stay_whole() -> None:
    """Also where a short name is another column's own."""
    names = ["model.seed", "train.seed", "model.seconds", "seconds", "val_accuracy"]
    assert list(short_names(names).values()) == [*names[:4], "accuracy"]


def test_an_item_longer_than_a_line_is_wrapped() -> None:
    """Its first line is indented, if it is not the first of all."""
    lines = pack(["a", "b c d", "e f"], 5, between=" ", indent="  ")
    assert lines == ["a", "  b c", "  d", "  e f"]


@pytest.mark.parametrize(
    ("variables", "live"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_a_live_view_needs_escape_sequences(
    variables: dict[str, str], live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are unwelcome there is none."""
    for name in {"TERM", "NO_COLOR"} & os.environ.keys():
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_live_view(Console(file=io.StringIO(), force_terminal=True)) is live
    assert not has_live_view(Console(file=io.StringIO()))


def test_a_notebook_gets_one_plain_stream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a kernel, whose stdout may claim to be a terminal, lines and tables go to stdout whole."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda segments, text: pytest.fail(text))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    console = open_console(verbose=True)
    assert not has_live_view(console)
    print_line(console, "word " * 40)
    print_table(console, "trials", pd.DataFrame({f"column {n}": [n] for n in range(20)}))
    shown = capsys.readouterr().out
    assert "word " * 40 in shown
    assert "column 19 ┃\n" in shown
