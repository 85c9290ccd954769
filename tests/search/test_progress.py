import io

import pytest
from rich.console import Console

from ecomclf.search.progress import SweepDisplay


def follow(console: Console) -> SweepDisplay:
    """Follow a sweep of five trials, one of them done before, through three states."""
    display = SweepDisplay(console, total=5, done=1, workers=2, monitor="val_f1_macro")
    display.best_so_far(0.5, 0)
    with display:
        display.started(1, {"model.units": 16, "model.dropout": 0.123456}, epochs=8)
        display.epoch(1, 1, 0.61)
        display.epoch(1, 2, 0.72)
        display.ended(1, "finished", 0.72, None)
        display.started(2, {"model.units": 32}, epochs=8)
        display.epoch(2, 1, 0.3)
        display.ended(2, "pruned", 0.3, None)
        display.started(3, {"model.units": 48}, epochs=8)
        display.ended(3, "failed", None, "ValueError: no such thing")
        display.started(4, {"model.units": 64}, epochs=8)
        display.epoch(4, 3, 0.65)
        if console.is_terminal:
            console.print(display._view())
        display.lost(4, counts=False)
        display.lost(5, counts=True)
    return display


def test_elsewhere_each_trial_is_one_plain_line() -> None:
    """Without a terminal a line a trial says state, figure, epochs, values and the best so far."""
    output = io.StringIO()
    follow(Console(file=output))
    lines = output.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("trial 1 finished val_f1_macro 0.7200, 2 epochs, ")
    assert "model.units=16 model.dropout=0.1235; 2 of 5 done best 0.7200 (trial 1)" in lines[0]
    assert lines[1].startswith("trial 2 pruned val_f1_macro 0.3000, 1 epochs, ")
    assert "best 0.7200 (trial 1)" in lines[1]
    assert lines[2].startswith("trial 3 failed, 0 epochs, ")
    assert lines[2].endswith("ValueError: no such thing")
    assert lines[3].startswith("trial 4 killed")
    assert lines[4].startswith("trial 5 ended")


def test_classes_that_a_trial_never_predicts_are_named() -> None:
    """At most five of them."""
    output = io.StringIO()
    display = SweepDisplay(Console(file=output), total=1, done=0, workers=1, monitor="val_accuracy")
    display.started(0, {}, epochs=1)
    display.ended(0, "finished", 0.5, None, [*"abcdefg"])
    assert output.getvalue().endswith(
        "best 0.5000 (trial 0); never predicted: 'a', 'b', 'c', 'd', 'e' and 2 more\n"
    )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of an ordinary terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_what_runs() -> None:
    """The live view has counts, running trials with their epoch, the best, and the time left."""
    output = io.StringIO()
    follow(Console(file=output, force_terminal=True, width=120))
    seen = output.getvalue()
    assert "1 finished, 1 pruned, 1 failed, 1 before" in seen
    assert "best val_f1_macro 0.7200 (trial 1)" in seen
    assert "3/8" in seen
    assert "0.6500" in seen
    assert "time left about" in seen


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb"), None])
def test_no_escape_sequence_is_written_where_it_is_unwelcome(
    variable: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are the plain lines instead, which say how each trial ended."""
    if variable is not None:
        monkeypatch.setenv(*variable)
    output = io.StringIO()
    display = SweepDisplay(
        Console(file=output, force_terminal=variable is not None, width=200),
        total=3,
        done=0,
        workers=1,
        monitor="val_f1_macro",
    )
    with display:
        for trial, state in enumerate(("finished", "pruned", "failed")):
            display.started(trial, {"model.units": 16}, epochs=8)
            display.epoch(trial, 1, 0.5)
            display.ended(trial, state, 0.5, None)
    assert "\x1b" not in output.getvalue()
    words = output.getvalue().split()
    assert [state for state in words if state in ("finished", "pruned", "failed")] == [
        "finished",
        "pruned",
        "failed",
    ]


@pytest.mark.usefixtures("terminal")
def test_the_last_view_says_what_comes_next() -> None:
    """No time left stays on the screen: the evaluation follows, or the sweep was stopped."""
    for error, ending in ((None, "evaluation next, about 4 s"), (KeyboardInterrupt, "stopped")):
        output = io.StringIO()
        display = SweepDisplay(
            Console(file=output, force_terminal=True, width=120),
            total=1,
            done=0,
            workers=1,
            monitor="val_f1_macro",
            measured_end=4.0,
        )
        display.__enter__()
        display.started(0, {}, epochs=1)
        display.ended(0, "finished", 0.5, None)
        display.__exit__(error, None, None)
        assert ending in output.getvalue().splitlines()[-2]


def test_keys_that_share_their_last_part_stay_whole() -> None:
    """`seed` alone would not say whose seed it is."""
    output = io.StringIO()
    console = Console(file=output, width=120)
    display = SweepDisplay(console, total=1, done=0, workers=1, monitor="val_accuracy")
    display.started(0, {"model.units": 16, "model.seed": 1, "train.seed": 2}, epochs=1)
    console.print(display._view())
    assert "units=16 model.seed=1 train.seed=2" in output.getvalue()
    assert "model.units" not in output.getvalue()
