import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ecomclf"

# A module imports only from those before it.
ORDER = """
errors stopwatch interrupts space sections config sample rows source groups data resample split text
batches evaluate calibration bootstrap mistakes gate model lstm cache skipgram embeddings encoding
wide ensemble train baseline plots classifier flavor export classify startup tracking registry trial
display leaderboard storage study engine worker trials winner card judge repeats versions sweep cli
""".split()  # noqa: SIM905 - read as a list of fifty names, it is longer and no clearer

HEAVY = ("tensorflow", "keras", "mlflow")


def find_imports(module: str) -> set[str]:
    """Return the package's modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            origin = "ecomclf." * (node.level > 0) + (node.module or "")
            parts = origin.rstrip(".").split(".")
            if parts[0] == "ecomclf":
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            parts_of_names = (alias.name.split(".") for alias in node.names)
            found |= {parts[1] for parts in parts_of_names if parts[0] == "ecomclf" and parts[1:]}
    return found


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the package is found."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def find_loaded(program: str, libraries: tuple[str, ...]) -> list[str]:
    """Return which of some libraries a program loads in a process of its own."""
    report = f"import sys; print(*(name for name in {libraries!r} if name in sys.modules))"
    done = run_python("-c", f"{program}\n{report}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_order_names_every_module() -> None:
    """A new module gets a place in the order."""
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert sorted(ORDER) == sorted(modules)


def test_imports_are_found_wherever_they_stand() -> None:
    """Imports of a module, from it, in a function and for types only are all seen."""
    assert {"errors", "startup", "sweep", "config", "data", "trial"} <= find_imports("cli")
    assert {"sample", "sections"} <= find_imports("source")


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_above_it(module: str) -> None:
    """No module knows of one that comes after it, not even in a function or for types."""
    above = set(ORDER[: ORDER.index(module)])
    assert find_imports(module) - above == set()


def test_config_data_and_text_load_nothing_heavy() -> None:
    """What comes before training starts without the libraries of training."""
    program = "import ecomclf.config, ecomclf.data, ecomclf.split, ecomclf.text"
    assert find_loaded(program, HEAVY) == []
    # The same question about a library that these do load.
    assert find_loaded(program, ("pandas", *HEAVY)) == ["pandas"]


def test_the_command_line_loads_nothing_heavy() -> None:
    """What a command needs is loaded when it runs."""
    heavy = (*HEAVY, "pandas", "numpy", "optuna", "sklearn", "nltk")
    assert find_loaded("import ecomclf.cli", heavy) == []


def test_the_parent_of_a_sweep_starts_without_what_it_needs_later() -> None:
    """Its workers wait for it; baselines, figures and reports come after their first batch."""
    later = ("sklearn", "matplotlib")
    assert find_loaded("import ecomclf.sweep, ecomclf.worker", (*later, "mlflow")) == ["mlflow"]


def test_help_answers_at_once() -> None:
    """`python -m ecomclf --help` lists the commands in under half a second."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = run_python("-m", "ecomclf", "--help")
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0
        assert "sweep" in done.stdout
    assert min(seconds) < 0.5
