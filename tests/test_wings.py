import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ecomclf"

# The wings, from the ground up: a wing imports only from those before it.
WINGS = [
    "errors",
    "runtime",
    "config",
    "data",
    "text",
    "evaluation",
    "models",
    "tracking",
    "reporting",
    "search",
    "serving",
    "api",
    "cli",
]
# These two stand side by side.
STRANGERS = {("serving", "search")}

MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").parts
    for path in PACKAGE.rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)
HEAVY = ("tensorflow", "keras", "mlflow")


def find_imports(module: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return the package's modules that a module imports, anywhere in it."""
    found = set()
    source = PACKAGE.joinpath(*module).with_suffix(".py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] == "ecomclf":
                # The longest part of the name that is a module of the package.
                known = [tuple(parts[1:end]) for end in range(len(parts), 1, -1)]
                found |= {next((path for path in known if path in MODULES), tuple(parts[1:2]))}
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


def test_every_module_belongs_to_a_wing() -> None:
    """A module stands in a wing, or is one of the three that stand alone."""
    assert {module[0] for module in MODULES} == set(WINGS)


def test_imports_are_found_wherever_they_stand() -> None:
    """Imports of a module, from it, in a function and for types only are all seen."""
    found = find_imports(("cli", "training"))
    assert {("errors",), ("runtime", "signals"), ("config", "loading")} <= found
    assert {("data", "sample"), ("config", "data_section")} <= find_imports(("data", "sources"))


@pytest.mark.parametrize("module", MODULES, ids=".".join)
def test_a_wing_imports_only_those_below_it(module: tuple[str, ...]) -> None:
    """No module knows of a wing above its own, not even in a function or for types."""
    wing = module[0]
    allowed = {other for other in WINGS[: WINGS.index(wing) + 1] if (wing, other) not in STRANGERS}
    assert {imported[0] for imported in find_imports(module)} <= allowed


@pytest.mark.parametrize("wing", WINGS)
def test_modules_of_a_wing_import_each_other_in_one_direction(wing: str) -> None:
    """Within a wing no two modules import each other, however far around."""
    inside = {module: find_imports(module) for module in MODULES if module[0] == wing}
    graph = {module: {other for other in of if other in inside} for module, of in inside.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


def test_config_data_and_text_load_nothing_heavy() -> None:
    """What comes before training starts without the libraries of training."""
    program = "import ecomclf.config.loading, ecomclf.data.splitting, ecomclf.text.vectorizer"
    assert find_loaded(program, HEAVY) == []
    # The same question about a library that these do load.
    assert find_loaded(program, ("numpy", *HEAVY)) == ["numpy"]


def test_the_command_line_loads_nothing_heavy() -> None:
    """What a command needs is loaded when it runs."""
    heavy = (*HEAVY, "pandas", "numpy", "optuna", "sklearn", "nltk")
    assert find_loaded("import ecomclf.cli", heavy) == []


def test_the_parent_of_a_sweep_starts_without_what_it_needs_later() -> None:
    """Its workers wait for it; baselines, figures and reports come after their first batch."""
    later = ("sklearn", "matplotlib")
    assert find_loaded(
        "import ecomclf.search.sweep, ecomclf.search.worker", (*later, "mlflow")
    ) == ["mlflow"]


def test_help_lists_the_commands() -> None:
    """`python -m ecomclf --help`; that it loads nothing heavy is tested above."""
    done = run_python("-m", "ecomclf", "--help")
    assert done.returncode == 0
    for command in ("sweep", "train", "classify", "promote"):
        assert command in done.stdout
