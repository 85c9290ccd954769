"""The Python API as users write it: scripts of a few lines, each in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ecomclf
from ecomclf.errors import RequestError
from ecomclf.tracking.model_source import parse_source
from tests.conftest import TINY


def run_script(script: str, folder: Path) -> str:
    """Write a script into a folder, run it there, and return what it printed."""
    (folder / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_takes_no_time() -> None:
    """`import ecomclf` loads nothing of what it needs later, only the standard library."""
    program = """
    import sys
    before = set(sys.modules)
    import ecomclf
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
    print(*sorted(loaded - sys.stdlib_module_names))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["ecomclf"]


def test_every_public_name_is_there() -> None:
    """What `__all__` names can be imported, and nothing else is offered."""
    for name in ecomclf.__all__:
        assert getattr(ecomclf, name) is not None
    assert set(ecomclf.__all__) <= set(dir(ecomclf))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        ecomclf.nothing_of_the_kind  # noqa: B018 - the look-up is what is tested


def test_a_users_script_type_checks(tmp_path: Path) -> None:
    """`mypy --strict` accepts the documented calls, and finds a wrong one."""
    script = tmp_path / "user.py"
    script.write_text(
        textwrap.dedent(
            """
            import pandas as pd
            import ecomclf

            config: ecomclf.Config = ecomclf.load_config("c.yaml", {"train.epochs": 4})
            frame = pd.DataFrame({"label": ["a"], "text": ["b"]})
            result: ecomclf.SweepResult = ecomclf.sweep(config, data=frame, trials=6)
            score: float = result.test.f1_weighted
            version: str = result.version
            classifier: ecomclf.Classifier = ecomclf.train("c.yaml", register=True)
            loaded = ecomclf.load("models:/ecomclf/Production")
            answers: pd.DataFrame = loaded.predict(["a text"])
            report: ecomclf.Report = loaded.evaluate(["a text"], ["label"])
            names: tuple[str, ...] = loaded.classes_
            print(ecomclf.__version__)
            ecomclf.sweep(config, trials="six")
            """
        ),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    (error,) = errors
    assert 'Argument "trials" to "sweep" has incompatible type "str"' in error


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("models:/shop/Production", ("shop", "Production", None)),
        ("models:/shop@production", ("shop", "production", None)),
        ("models:/shop/3", ("shop", None, "3")),
        ("@staging", ("ecomclf", "staging", None)),
        ("Staging", ("ecomclf", "Staging", None)),
        ("7", ("ecomclf", None, "7")),
    ],
)
def test_a_source_names_a_model_and_a_stage_or_version(
    source: str, parsed: tuple[str, str | None, str | None]
) -> None:
    """Addresses as MLflow writes them, and their short forms."""
    assert parse_source(source, "ecomclf") == parsed


@pytest.mark.parametrize("source", ["models:/", "models:/shop", "models:/shop/", "models:/@x"])
def test_a_malformed_model_address_is_refused(source: str) -> None:
    """The message shows the three forms."""
    with pytest.raises(RequestError, match="models:/NAME/STAGE"):
        parse_source(source, "ecomclf")


def test_a_folder_that_is_not_there_is_named() -> None:
    """A path is not taken for a stage."""
    with pytest.raises(RequestError, match="no folder at nowhere/export"):
        parse_source("nowhere/export", "ecomclf")


@pytest.mark.parametrize("name", ["trials", "workers", "repeats"])
def test_counts_below_one_are_refused(name: str) -> None:
    """As on the command line, before anything starts."""
    with pytest.raises(RequestError, match=f"{name} must be at least 1 but got 0"):
        ecomclf.sweep("nowhere.yaml", **{name: 0})  # type: ignore[arg-type]


# Rows as a shop has them, in a DataFrame with columns of its own.
FRAME = """
from ecomclf.data.sample import generate
frame = generate(rows=400, seed=0).rename(columns={"category": "kind"})
"""
CONFIG = """
config = ecomclf.load_config("tiny.yaml", {"data.text_columns": ["title", "description"],
    "data.label_column": "kind", "train.epochs": 1, "registry.min_accuracy": 0.0})
"""


@pytest.mark.slow
def test_the_job_is_done_from_a_script_without_a_main_guard(workplace: Path) -> None:
    """Sweep over a DataFrame, promote, load by stage, predict, evaluate; the same call resumes."""
    (workplace / "tiny.yaml").write_text(TINY, encoding="utf-8")
    script = f"""
    import ecomclf
    from ecomclf.api import promote
    {textwrap.indent(FRAME, "    ").strip()}
    {textwrap.indent(CONFIG, "    ").strip()}
    result = ecomclf.sweep(config, data=frame, trials=2, verbose=False)
    again = ecomclf.sweep(config, data=frame, trials=2, verbose=False)
    assert (again.run_id, again.test, again.baselines) == (
        result.run_id, result.test, result.baselines)
    assert len(result.leaderboard) == 2
    assert set(result.baselines) == {{"baseline", "tuned_baseline"}}
    promote(result.version, "Production")
    clf = ecomclf.load("models:/ecomclf/Production")
    texts = frame["title"] + " " + frame["description"]
    answers = clf.predict(texts.sample(5, random_state=0))
    assert list(answers) == ["label", "confidence", "needs_review"]
    assert list(answers.index) == list(texts.sample(5, random_state=0).index)
    assert set(answers["label"]) <= set(clf.classes_)
    assert clf.predict_proba(["a phone"]).shape == (1, len(clf.classes_))
    report = clf.evaluate(list(texts), list(frame["kind"]))
    assert report.rows == 400
    import mlflow
    run = mlflow.get_run(result.run_id)
    assert run.data.params["data.source"] == "DataFrame"
    print("fingerprint", run.data.params["data.fingerprint"])
    print("test", run.data.metrics["test_accuracy"] == result.test.accuracy)
    """
    printed = run_script(script, workplace).splitlines()
    assert [line.split()[0] for line in printed] == ["fingerprint", "test"]
    assert printed[1].endswith("True")


@pytest.mark.slow
def test_a_single_training_is_loaded_by_its_run_or_registered(workplace: Path) -> None:
    """`train` returns its classifier; registered, it is a version that went through the gate."""
    (workplace / "tiny.yaml").write_text(TINY, encoding="utf-8")
    script = f"""
    import ecomclf, mlflow, numpy as np
    {textwrap.indent(FRAME, "    ").strip()}
    {textwrap.indent(CONFIG, "    ").strip()}
    first = ecomclf.train(config, data=frame)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    again = ecomclf.load(f"runs:/{{run.info.run_id}}/classifier")
    assert np.allclose(first.predict_proba(["a phone"]), again.predict_proba(["a phone"]))
    assert "test_accuracy" in run.data.metrics
    assert not mlflow.MlflowClient().search_registered_models()
    registered = ecomclf.train(config, data=frame, register=True)
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'ecomclf'")
    assert version.tags["gate"] in ("passed", "refused")
    again = ecomclf.load("1")
    assert np.allclose(registered.predict_proba(["a phone"]), again.predict_proba(["a phone"]))
    """
    printed = run_script(script, workplace)
    assert "not registered: classify with it in Python by ecomclf.load(" in printed
    assert "winner is version 1 of the model ecomclf" in printed
    assert "\ngate: " in printed
