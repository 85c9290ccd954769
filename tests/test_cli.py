"""The command line: what it prints, its exit codes, and that a wrong request leaves nothing."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest

from ecomclf.cli import main

if TYPE_CHECKING:
    from mlflow.entities import Run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ecomclf(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Return a function that runs a command: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ecomclf", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        output = capfd.readouterr()
        return int(stop.value.code or 0), output.out, output.err

    return run


def write(folder: Path, name: str, content: str | bytes) -> None:
    """Write a file."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trials", "0"], "--trials must be a whole number of at least 1 but got '0'"),
        (["--trials", "many"], "but got 'many'"),
        (["--workers", "-1"], "--workers must be a whole number of at least 1 but got '-1'"),
        (["--study", "a/b"], "'a/b'"),
        (["--bogus"], "No such option: --bogus"),
        (["--storage", "nonsense"], "'nonsense'"),
        (["--storage", "postgresql://h:abc/x"], "'postgresql://h:abc/x'"),
        (["--storage", "redis://x"], "cannot use the storage"),
        (["--storage", "postgresql+psycopg://127.0.0.1:1/x"], "cannot use the storage"),
        (["--set", "registry.model=a/b"], "registry.model: "),
        (["--set", "model.units=-1"], "model.units: input should be greater than"),
        (["--set", "model.unitz=1"], "unknown key 'unitz' in model; did you mean units?"),
        (["--set", "sweep.space={}"], "sweep.space is empty"),
        (["--set", "sweep.space.model.unit={type: choice, values: [1]}"], "'model.unit'"),
        (["--set", "model.embeddings=none.txt"], "cannot read word vectors from none.txt"),
        (
            ["--set", "model.embeddings=vectors.txt"],
            "vectors.txt holds 3-dimensional vectors but model.embedding_dim is 4",
        ),
        (["--set", "train.resample={Bogus: 3}"], "resample names the class 'Bogus'"),
        (
            ["--set", "train.class_weight={phonse: 3}"],
            "train.class_weight names the class 'phonse', which the data does not have; did you "
            "mean 'Phones'?",
        ),
        (["--set", "train.class_weight=balance"], "must be none, balanced or a weight for each"),
        (["--set", "data.resample={a: 3}"], "use train.resample"),
        (
            ["--set", "{data.source: many.csv, data.split: random_rows, data.resample: {c: 3}}"],
            "resample names the class 'c', which the data does not have; it has a, b",
        ),
        (["--set", "data.source=missing.csv"], "no file at missing.csv"),
        (["--set", "data.source=."], ". is a folder"),
        (["--set", "data.source=empty.csv"], "empty.csv is empty"),
        (["--set", "data.source=one.csv"], "has only one class, 'a'"),
        (["--set", "data.source=few.csv"], "too few rows of the class 'b' (1) "),
        (["--set", "data.source=blank.csv"], "rows has both a text and a label"),
        (["--set", "data.source=latin.csv"], "byte 0xe9 in line 2"),
        (["--set", "{data.source: few.csv, data.label_column: kind}"], "no column 'kind'"),
        (["--set", "data.test_source=few.csv"], "but source is 'sample'"),
        (
            ["--set", "{data.source: few.csv, data.test_source: missing.csv}"],
            "no file at missing.csv; data.test_source takes a path",
        ),
        (
            ["--set", "{data.source: few.csv, data.test_source: .}"],
            ". is a folder; name files in it with data.test_source",
        ),
    ],
)
def test_a_wrong_request_is_one_line_exit_2_and_no_run(
    ecomclf: Command, tiny: Path, arguments: list[str], said: str
) -> None:
    """Every wrong request says what is wrong, exits with 2 and leaves no trace in MLflow."""
    write(tiny.parent, "empty.csv", "")
    write(tiny.parent, "one.csv", "a,one\na,two\na,three\na,four\n")
    write(tiny.parent, "few.csv", "a,one\na,two\na,three\na,four\nb,five\n")
    write(tiny.parent, "blank.csv", "a,\nb,\n")
    write(tiny.parent, "latin.csv", "a,größer\nb,".encode() + b"caf\xe9\n")
    write(tiny.parent, "many.csv", "".join(f"{'ab'[n % 2]},text {n}\n" for n in range(40)))
    write(tiny.parent, "vectors.txt", "with 1 2 3\n")
    code, _, error = ecomclf("sweep", "--config", str(tiny), *arguments)
    assert code == 2
    assert said in error
    assert error.startswith("ecomclf: ")
    assert error.count("\n") == 1
    # No store, hence no run in it.
    assert not (tiny.parent / "mlflow.db").exists()
    assert not list(tiny.parent.glob("mlruns/*/*/artifacts"))


def test_mlflows_own_file_is_no_storage(ecomclf: Command, tiny: Path) -> None:
    """Optuna and MLflow in one SQLite file would break each other."""
    storage = f"sqlite:///{tiny.parent}/mlflow.db"
    code, _, error = ecomclf("sweep", "--config", str(tiny), "--storage", storage)
    assert (code, error.count("\n")) == (2, 1)
    assert "is MLflow's own database" in error


def test_another_programs_database_is_no_storage(
    ecomclf: Command, tiny: Path, empty_store: Path
) -> None:
    """A database with MLflow's tables, under whatever address, is refused in one line."""
    shutil.copy(empty_store, tiny.parent / "other.db")
    storage = f"sqlite:///{tiny.parent}/other.db"
    code, _, error = ecomclf("sweep", "--config", str(tiny), "--storage", storage)
    assert (code, error.count("\n")) == (2, 1)
    assert "it must be a database of its own" in error


@pytest.mark.parametrize("uri", ["sqlite:///no.db", "postgresql+none://u:secret@127.0.0.1:1/x"])
def test_a_store_that_cannot_be_opened_is_one_line(
    ecomclf: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    """What SQLAlchemy and its drivers raise is said without the password."""
    write(workplace, "no.db", "no database\n" * 400)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    code, _, error = ecomclf("leaderboard")
    assert (code, error.count("\n")) == (2, 1)
    assert "cannot use the MLflow store" in error
    assert "MLFLOW_TRACKING_URI" in error
    assert "secret" not in error


def test_asking_the_registry_needs_no_experiment(
    ecomclf: Command, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is made for it, and one that was deleted is in nobody's way."""
    client = mlflow.MlflowClient()
    client.delete_experiment(client.create_experiment("ecomclf"))
    client.create_registered_model("ecomclf")
    client.create_model_version("ecomclf", source=str(store))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    code, output, error = ecomclf("models")
    assert (code, error) == (0, "")
    assert "version" in output
    assert [found.name for found in client.search_experiments()] == ["Default"]


def test_a_registry_that_fails_is_one_line(ecomclf: Command, store: Path) -> None:
    """What reads and promotes versions says so too."""
    mlflow.MlflowClient().create_registered_model("ecomclf")
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("ALTER TABLE model_versions RENAME COLUMN source TO lost")
    code, _, error = ecomclf("promote", "1", "--stage", "Production")
    assert (code, error.count("\n")) == (1, 1)
    assert "mlflow.db failed: " in error


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sweep", "train"])
def test_texts_without_a_word_leave_no_run(ecomclf: Command, tiny: Path, command: str) -> None:
    """Cleaning leaves nothing of them, which shows when they are encoded."""
    rows = [f"{'!' * (number + 1)},{'ab'[number % 2]}" for number in range(60)]
    write(tiny.parent, "marks.csv", "text,label\n" + "\n".join(rows) + "\n")
    override = "{data.source: marks.csv, data.text_columns: [text], data.label_column: label}"
    code, _, error = ecomclf(command, "--config", str(tiny), "--set", override)
    assert (code, error.count("\n")) == (2, 1)
    assert "no training text has a word left after cleaning" in error
    assert not (tiny.parent / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sweep", "train"])
def test_vectors_that_turn_out_bad_leave_no_run(ecomclf: Command, tiny: Path, command: str) -> None:
    """The first line is as it should be; what is wrong with a later one shows when it is read."""
    write(tiny.parent, "vectors.txt", "with 1 2 3\nfor 1 2\n")
    override = "{model.embeddings: vectors.txt, model.embedding_dim: 3}"
    space = "sweep.space={model.units: {type: choice, values: [4]}}"
    code, _, error = ecomclf(command, "--config", str(tiny), "--set", override, "--set", space)
    assert (code, error.count("\n")) == (2, 1)
    assert "vectors.txt, line 2: expected a word followed by 3 space-separated numbers" in error
    assert not (tiny.parent / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sweep", "train"])
def test_a_store_that_fails_on_the_way_is_one_line(
    ecomclf: Command, tiny: Path, store: Path, command: str
) -> None:
    """It opens, and fails when a run is begun; what MLflow logs of that is not shown."""
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("ALTER TABLE params RENAME COLUMN value TO lost")
    code, _, error = ecomclf(command, "--config", str(tiny))
    assert (code, error.count("\n")) == (1, 1)
    assert "mlflow.db failed: " in error
    assert "no such column: params.value" in error
    assert "run the same command again" in error


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("text.steps=[lemmas]", "python -m nltk.downloader wordnet"),
        ("train.resample={Bogus: 3}", "resample names the class 'Bogus'"),
        ("model.embeddings=none.txt", "cannot read word vectors from none.txt"),
    ],
)
def test_a_wrong_training_leaves_no_run(
    ecomclf: Command, tiny: Path, override: str, said: str
) -> None:
    """`train` too is checked before anything starts."""
    code, _, error = ecomclf("train", "--config", str(tiny), "--set", override)
    assert (code, error.count("\n")) == (2, 1)
    assert said in error
    assert not (tiny.parent / "mlflow.db").exists()


def test_debug_shows_the_traceback(ecomclf: Command) -> None:
    """`--debug`, anywhere, puts the traceback before the line."""
    code, _, error = ecomclf("sweep", "--config", "missing.yaml", "--debug")
    assert code == 2
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("ecomclf: no config at missing.yaml")


def test_data_check_reports_every_file(ecomclf: Command, workplace: Path) -> None:
    """Each file gets its report; files that cannot be used make exit code 2 in the end."""
    rows = "".join(f"{'ab'[n % 2]},text number {n}\n" for n in range(40))
    write(workplace, "good.csv", rows)
    write(workplace, "bad.csv", "")
    code, output, error = ecomclf("data", "check", "bad.csv", "good.csv")
    assert code == 2
    assert "bad.csv is empty" in error
    assert "rows read    40" in output
    assert "28 train, 6 validation, 6 test" in output
    assert ecomclf("data", "check", "good.csv")[0] == 0


def test_data_check_takes_columns(ecomclf: Command, workplace: Path) -> None:
    """Columns can be set, with a config or without."""
    rows = "".join(f"words {n},{'ab'[n % 2]}\n" for n in range(20))
    write(workplace, "rows.csv", "content,stars\n" + rows)
    write(workplace, "mine.yaml", "data: {text_columns: [content], label_column: stars}\n")
    columns = ["--set", "{data.text_columns: [content], data.label_column: stars}"]
    for options in (columns, ["--config", "mine.yaml"]):
        code, output, _ = ecomclf("data", "check", "rows.csv", *options)
        assert code == 0
        assert "class        a: 10" in output


def test_counts_a_class_may_be_searched_where_classes_are_numbers(
    ecomclf: Command, workplace: Path
) -> None:
    """YAML makes numbers of stars; a class that is none is refused still."""
    write(workplace, "rows.csv", "".join(f"{4 + n % 2},text number {n}\n" for n in range(40)))
    search = "sweep: {{space: {{train.resample: {{type: choice, values: [{{}}, {{{}: 9}}]}}}}}}\n"
    for stars, code in ((5, 0), (6, 2)):
        write(workplace, "mine.yaml", search.format(stars))
        assert ecomclf("data", "check", "rows.csv", "--config", "mine.yaml")[0] == code


def test_data_check_looks_at_one_file_at_a_time(ecomclf: Command, workplace: Path) -> None:
    """The test file of a config is not put beside each file that is looked at."""
    write(workplace, "rows.csv", "".join(f"{'ab'[n % 2]},text number {n}\n" for n in range(40)))
    write(workplace, "mine.yaml", "data: {source: a.csv, test_source: rows.csv}\n")
    code, output, _ = ecomclf("data", "check", "rows.csv", "--config", "mine.yaml")
    assert code == 0
    assert "rows kept    40" in output
    assert "test file" not in output


def test_random_rows_are_reported_with_their_leak(ecomclf: Command, workplace: Path) -> None:
    """One line counts the test rows whose text was learned; by groups there is none."""
    write(workplace, "rows.csv", "".join(f"{'ab'[n % 2]},text {n % 4}\n" for n in range(40)))
    options = ("--set", "data.split=random_rows")
    code, output, _ = ecomclf("data", "check", "rows.csv", *options)
    assert code == 0
    warning = (
        "split        random rows: 6 of 6 test rows have their text in training; "
        "the metrics are inflated\n"
    )
    assert warning in output
    write(workplace, "rows.csv", "".join(f"{'ab'[n % 2]},text {n}\n" for n in range(40)))
    assert "honest" not in ecomclf("data", "check", "rows.csv")[1]


def test_a_leaderboard_without_a_sweep_says_so(ecomclf: Command, store: Path) -> None:
    """An empty store is no traceback."""
    code, _, error = ecomclf("leaderboard")
    assert (code, error.count("\n")) == (2, 1)
    assert "no sweep is recorded" in error


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"], ["data", "--help"]])
def test_help_is_no_error(ecomclf: Command, arguments: list[str]) -> None:
    """Help goes to stdout."""
    code, output, error = ecomclf(*arguments)
    assert (code, error) == (0, "")
    assert "Usage" in output


def test_the_bare_command_shows_the_first_steps(ecomclf: Command) -> None:
    """Whoever knows nothing yet sees what to do first, each step a command that exists."""
    code, output, error = ecomclf()
    assert (code, error) == (0, "")
    steps = [line.split()[1] for line in output.splitlines() if line.startswith("  ecomclf ")]
    assert steps == ["data", "sweep", "report", "promote", "classify"]
    assert all(ecomclf(step, "--help")[0] == 0 for step in steps)


@pytest.mark.parametrize(
    ("words", "proposed"), [("ecomclf swe", "sweep"), ("ecomclf sweep --tri", "--trials")]
)
def test_the_shell_completes(workplace: Path, words: str, proposed: str) -> None:
    """The script that `--install-completion` adds asks the command itself for what may follow."""
    asked = {
        "_ECOMCLF_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from ecomclf.cli import main; main()"],
        env=os.environ | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [proposed], done.stderr


@pytest.mark.parametrize("arguments", [["bogus"], ["data"], ["sweep"], ["data", "check"]])
def test_half_a_command_is_one_line(ecomclf: Command, arguments: list[str]) -> None:
    """What is missing or unknown is said in one line, with exit code 2."""
    code, _, error = ecomclf(*arguments)
    assert (code, error.count("\n")) == (2, 1)


def train(config: Path, overrides: str) -> tuple["Run", str]:
    """Train in a process of its own; give the one run that it leaves, and its stdout.

    Nothing of TensorFlow's start-up noise, nor any other, is on stderr.
    """
    import mlflow

    command = [sys.executable, "-m", "ecomclf", "train", "--config", str(config)]
    done = subprocess.run(
        [*command, "--set", overrides], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'ecomclf'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    return run, done.stdout


@pytest.mark.slow
def test_train_logs_one_run_with_its_test_figures(tiny: Path) -> None:
    """`train` makes a single finished run with epochs, test figures and TensorBoard's own tags."""
    run, output = train(tiny, "model.units=5")
    assert run.data.params["model.units"] == "5"
    assert {"test_accuracy", "test_f1_macro", "val_f1_weighted"} <= set(run.data.metrics)
    assert not any(name.startswith("vectors") for name in run.data.metrics)
    assert f"test accuracy {run.data.metrics['test_accuracy']:.4f}" in output
    assert tensorboard_tags(run.info.run_id) >= {
        "epoch_loss",
        "epoch_accuracy",
        "epoch_learning_rate",
        "evaluation_loss_vs_iterations",
        "evaluation_accuracy_vs_iterations",
    }


@pytest.mark.slow
def test_train_logs_what_a_run_was_made_of(tiny: Path) -> None:
    """Its network, its figures a class, ten answers, and how many words the vectors' file has."""
    import mlflow

    write(tiny.parent, "vectors.txt", "with 0.1 0.2 0.3\nfor 0.3 -0.2 0.1\nbogusword 1 1 1\n")
    vectors = "model.embeddings: vectors.txt, model.embedding_dim: 3"
    run, _ = train(tiny, f"{{{vectors}, train.resample: {{Coffee: 90, Phones: 20}}}}")
    assert run.data.params["train.resample"] == "{'Coffee': 90, 'Phones': 20}"
    coverages = [run.data.metrics[f"vectors/{name}_coverage"] for name in ("vocabulary", "token")]
    # Two words of hundreds, and both are frequent.
    assert 0 < coverages[0] < coverages[1] < 1

    def read(name: str) -> str:
        return str(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{name}"))

    assert " forward_1 " in read("architecture.txt")
    report = json.loads(read("report.json"))
    lines = read("classification_report.txt").splitlines()
    for name, figures in report["classes"].items():
        assert any(
            line.startswith(name) and line.endswith(f" {figures['support']}") for line in lines
        )
    assert any(
        line.startswith("accuracy ") and f" {report['accuracy']:.4f} " in line for line in lines
    )
    table = json.loads(read("sample_predictions.json"))
    assert table["columns"] == ["text", "true", "predicted", "confidence"]
    assert len(table["data"]) == 10
    assert {row[1] for row in table["data"]} | {row[2] for row in table["data"]} <= set(
        report["classes"]
    )


def tensorboard_tags(run_id: str) -> set[str]:
    """Read the tags of a run's event files as TensorBoard does."""
    import mlflow
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tensorboard"))
    tags: set[str] = set()
    for side in folder.iterdir():
        tags |= set(EventAccumulator(str(side)).Reload().Tags()["tensors"])
    return tags
