"""Charts of the search: history, importances, values against scores, learning curves."""

import warnings

import optuna
import plotly.graph_objects as go
from optuna.trial import TrialState, create_trial
from plotly.colors import sample_colorscale

from ecomclf.config.optuna_space import distributions, parse_params
from ecomclf.reporting.chart import Chart
from ecomclf.reporting.style import BLUE, GREEN, PALETTE, VISIBLE, apply_style
from ecomclf.reporting.sweep_record import SweepRecord, TrialRecord

# With fewer complete trials, importances and parallel coordinates say nothing.
_FEWEST = 4


def search_charts(record: SweepRecord) -> list[Chart]:
    """Return the charts of a search; those that its trials do not allow are left out."""
    charts = _optuna_charts(record)
    if any(trial.curve for trial in record.trials):
        charts.append(learning_curves(record))
    return charts


def rebuild_study(record: SweepRecord) -> optuna.Study:
    """Return the trials as an Optuna study in memory, under their numbers.

    Trials with values outside of the search space, or without a score, become failed ones: Optuna's
    figures have no place for them.
    """
    study = optuna.create_study(direction="maximize")
    if record.config is None:
        return study
    space = record.config.sweep.space
    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    by_number = {trial.number: trial for trial in record.trials}
    for number in range(max(by_number, default=-1) + 1):
        trial = by_number.get(number)
        params = None if trial is None else parse_params(record.config, trial.texts)
        if trial is None or params is None or trial.score is None or trial.state not in states:
            study.add_trial(create_trial(state=TrialState.FAIL))
            continue
        with warnings.catch_warnings():
            # Lists among the choices are JSON by now.
            warnings.simplefilter("ignore")
            study.add_trial(
                create_trial(
                    state=states[trial.state],
                    value=trial.score if trial.state == "finished" else None,
                    params=params,
                    distributions=distributions(space),
                    intermediate_values=dict(trial.curve),
                )
            )
    return study


def _optuna_charts(record: SweepRecord) -> list[Chart]:
    from optuna import visualization

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = rebuild_study(record)
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    best = record.best
    if not complete or best is None:
        return []
    charts = [
        Chart(
            "history",
            "The best score so far",
            apply_style(visualization.plot_optimization_history(study, target_name=record.monitor)),
            f"{record.monitor} of each finished trial, and the best so far. The best is "
            f"{best.score:.4f}, in trial {best.number}; {len(record.counted)} trials are done."
            + _describe_left_out(record, len(complete)),
        )
    ]
    varied = [key for key in record.searched if len({str(t.params.get(key)) for t in complete}) > 1]
    if len(complete) < _FEWEST or not varied or len({trial.value for trial in complete}) == 1:
        return charts
    with warnings.catch_warnings():
        # Optuna marks some of its figures as experimental.
        warnings.simplefilter("ignore")
        return [*charts, *_value_charts(record, study, varied)]


def _describe_left_out(record: SweepRecord, complete: int) -> str:
    """Return a sentence about finished trials that Optuna's figures have no place for."""
    left_out = len(record.trials_in("finished")) - complete
    if not left_out:
        return ""
    return f" Not drawn: {left_out} trials with values outside of the search space."


def _value_charts(record: SweepRecord, study: optuna.Study, varied: list[str]) -> list[Chart]:
    """Return how the score depends on the values; of `varied` keys there are several values."""
    return [
        _importances(study, varied),
        _parallel_coordinates(record, study, varied),
        _slices(record, study, varied),
    ]


def _importances(study: optuna.Study, varied: list[str]) -> Chart:
    """Return the importance of each key by fANOVA (Hutter et al., 2014)."""
    from optuna.importance import get_param_importances

    complete = len(study.get_trials(states=(TrialState.COMPLETE,)))
    importances = get_param_importances(study, params=varied)
    listed = ", ".join(f"{key} {value:.2f}" for key, value in importances.items())
    keys, values = [*importances][::-1], [*importances.values()][::-1]
    texts = [f"{value:.2f}" for value in values]
    figure = go.Figure(go.Bar(x=values, y=keys, orientation="h", marker_color=BLUE, text=texts))
    figure.update_xaxes(title="importance", range=[0, 1.05])
    return Chart(
        "importance",
        "Importance of each hyperparameter",
        apply_style(figure, height=120 + 45 * len(importances)),
        f"Share of the differences between finished trials that each key explains: {listed}. "
        f"With {complete} trials this is {'a hint' if complete < 20 else 'an estimate'}.",
    )


def _parallel_coordinates(record: SweepRecord, study: optuna.Study, varied: list[str]) -> Chart:
    from optuna.visualization import plot_parallel_coordinate

    figure = plot_parallel_coordinate(study, params=varied, target_name=record.monitor)
    # Its axes have their names above them.
    apply_style(figure, height=430).update_layout(margin={"t": 70, "l": 80, "r": 60})
    figure.update_traces(marker={"colorscale": VISIBLE}, selector={"mode": "markers"})
    # A line begins on the axis of the score, from 0 to 1; Optuna's weakest line is white.
    figure.for_each_trace(
        lambda line: line.update(line_color=sample_colorscale(VISIBLE, [line.y[0]])[0]),
        selector={"mode": "lines"},
    )
    return Chart(
        "parallel",
        "All values of each trial",
        figure,
        f"Each line is a finished trial; its colour is its {record.monitor}. Drag along an axis to "
        "select trials.",
    )


def _slices(record: SweepRecord, study: optuna.Study, varied: list[str]) -> Chart:
    from optuna.visualization import plot_slice

    figure = plot_slice(study, params=varied, target_name=record.monitor)
    figure.update_traces(marker={"colorscale": VISIBLE, "colorbar": {"title": "trial"}, "size": 9})
    return Chart(
        "slices",
        "Score against each value",
        apply_style(figure),
        f"Each dot is a finished trial: {record.monitor} against the value of one key. The colour "
        "is the number of the trial.",
    )


def learning_curves(record: SweepRecord) -> Chart:
    """Return the monitored metric by epoch, pruned trials marked by a dashed line and a cross."""
    drawn = [trial for trial in record.trials if trial.curve]
    best = record.best
    figure = go.Figure()
    for trial in drawn:
        figure.add_trace(_curve(trial, is_best=best is not None and trial.number == best.number))
    figure.update_xaxes(title="epoch", dtick=1 if _longest(drawn) <= 20 else None)
    scores = [score for trial in drawn for _, score in trial.curve]
    ends = min(max(score for _, score in trial.curve) for trial in drawn)
    margin = 0.05 * (max(scores) - ends) + 0.002
    figure.update_yaxes(title=record.monitor, range=[ends - margin, max(scores) + margin])
    says = (
        f"{record.monitor} on validation rows after each epoch. Solid lines are finished trials, "
        f"dashed ones that end in a cross were pruned ({len(record.trials_in('pruned'))}), dotted "
        "ones were not finished. A star marks the epoch that was kept. The axis begins where the "
        "weakest trial ended; double-click to see all."
    )
    if any(trial.score is not None and not trial.curve for trial in record.trials):
        says += f" Only the best {len(drawn)} trials are drawn."
    return Chart("curves", "Learning curves", apply_style(figure, height=440), says)


def _curve(trial: TrialRecord, *, is_best: bool) -> go.Scatter:
    epochs, scores = zip(*trial.curve, strict=True)
    pruned = trial.state == "pruned"
    dash = {"pruned": "dash", "finished": "solid"}.get(trial.state, "dot")
    symbols = ["circle"] * len(epochs)
    if pruned:
        symbols[-1] = "x"
    elif trial.kept_epoch is not None and trial.kept_epoch in epochs:
        symbols[epochs.index(trial.kept_epoch)] = "star"
    sizes = [5 if symbol == "circle" else 11 for symbol in symbols]
    # The best trial's colour is no other's.
    others = [each for each in PALETTE if each != GREEN]
    colour = GREEN if is_best else others[trial.number % len(others)]
    return go.Scatter(
        x=epochs,
        y=scores,
        name=f"trial {trial.number}" + (", best" if is_best else f", {trial.state}"),
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 4 if is_best else 2},
        marker={"symbol": symbols, "size": sizes},
        opacity=0.6 if pruned else 1.0,
        hovertemplate="epoch %{x}: %{y:.4f}<extra>trial " + str(trial.number) + "</extra>",
    )


def _longest(trials: list[TrialRecord]) -> int:
    return max(epoch for trial in trials for epoch, _ in trial.curve)
