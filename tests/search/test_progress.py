import io

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
