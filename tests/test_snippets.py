"""The commands and code blocks of the documentation fit the program: nothing in them is made up.

Nothing is trained here. `tests/workflows/test_tutorial.py`, `test_python_blocks.py` and
`test_operating.py` run what can be run.
"""

import ast
import inspect
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import ecomclf
from ecomclf.cli import app
from ecomclf.config.loading import Config, load_config
from ecomclf.config.overrides import parse_overrides
from ecomclf.errors import ConfigError
from tests.snippets import (
    OTHERS,
    PAGES,
    ROOT,
    SHELLS,
    Block,
    Command,
    find_blocks,
    is_output,
    split_commands,
)

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
COMMANDS = [
    command
    for block in find_blocks(PAGES, SHELLS)
    if not is_output(block)
    for command in split_commands(block)
]
PYTHON = find_blocks(PAGES, ("python",))
YAML = find_blocks(PAGES, ("yaml",))


def check_ecomclf(words: list[str], block: Block) -> None:
    """Parse a command line with the real parser, and its config keys with the real loader."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    given = command.make_context(command.name, words).params
    config, overrides = given.get("config"), given.get("overrides") or ()
    if config and (ROOT / str(config)).is_file():
        load_config(ROOT / str(config), overrides)
    elif config:
        names = {inner.title for inner in find_blocks([block.page])}
        assert str(config) in names, f"no config {config}"
    else:
        Config(name="any").with_values(parse_overrides(overrides))


def check_make(words: list[str], block: Block) -> None:
    """Each target exists, and each variable is one that the Makefile reads."""
    for word in words:
        if "=" in word:
            name = word.partition("=")[0]
            assert re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE), f"no variable {name}"
    command = ["make", "--dry-run", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_mlflow(words: list[str], block: Block) -> None:
    """`mlflow run` gives parameters that the entry point has. Servers are started elsewhere."""
    if words[0] != "run":
        assert words[0] in ("server", "ui")
        return
    entry_point = words[words.index("-e") + 1] if "-e" in words else "main"
    given = [words[at + 1] for at, word in enumerate(words) if word == "-P"]
    for parameter in given:
        assert parameter.partition("=")[0] in ENTRY_POINTS[entry_point]["parameters"]
    values = dict(parameter.split("=", 1) for parameter in given)
    if "config" in values:
        load_config(ROOT / values["config"], [values.get("overrides", "")])


def check_python(words: list[str], block: Block) -> None:
    """The script exists, in the repository or on the page, and knows the options."""
    if words[0] in {inner.title for inner in find_blocks([block.page])}:
        return
    source = (ROOT / words[0]).read_text(encoding="utf-8")
    for word in words[1:]:
        if word.startswith("--"):
            assert f'"{word}"' in source, f"{words[0]} has no option {word}"


def check_pip(words: list[str], block: Block) -> None:
    """The extras of this package exist."""
    for found in re.finditer(r"ecomclf\[([^]]+)\]", " ".join(words)):
        assert set(found[1].split(",")) <= set(EXTRAS)


def check_pytest(words: list[str], block: Block) -> None:
    """The files and folders exist."""
    for word in words:
        assert not word.startswith("tests/") or (ROOT / word).exists(), f"no {word}"


def check_dashboard(words: list[str], block: Block) -> None:
    """The command is the one that tests/workflows/test_dashboards.py runs."""
    tried = (ROOT / "tests" / "workflows" / "test_dashboards.py").read_text(encoding="utf-8")
    assert words[0].replace("NAME", "shop-1") in tried


def check_nothing(words: list[str], block: Block) -> None:
    """Programs of others, which do what they do."""


CHECKS: dict[str, Callable[[list[str], Block], None]] = {
    "ecomclf": check_ecomclf,
    "make": check_make,
    "mlflow": check_mlflow,
    "python": check_python,
    "optuna-dashboard": check_dashboard,
    "pip": check_pip,
    ".venv/bin/pytest": check_pytest,
    **dict.fromkeys(
        ("cat", "cd", "curl", "export", "git", "head", "mkdir", "ray", "source"), check_nothing
    ),
}


def make_block(text: str, language: str = "") -> Block:
    """Return a block of README.md."""
    return Block(ROOT / "README.md", 1, language, "", text)


def check_command(command: Command) -> None:
    """Check a command of any program; an unknown program is an error."""
    program, *words = command.words
    assert program in CHECKS, f"{command}: unknown program; label output as `text`"
    CHECKS[program](words, command.block)


def check_line(line: str) -> None:
    """Check the commands of one line."""
    for command in split_commands(make_block(line)):
        check_command(command)


def check_names(tree: ast.AST) -> None:
    """Check what a block takes from `ecomclf`: public names, and arguments that they have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecomclf"):
            assert node.module == "ecomclf"
            assert {alias.name for alias in node.names} <= set(ecomclf.__all__)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ecomclf":
            assert node.attr in ecomclf.__all__, f"no public name {node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("ecomclf."):
            called = getattr(ecomclf, ast.unparse(node.func).partition(".")[2])
            keywords = {word.arg: None for word in node.keywords if word.arg}
            inspect.signature(called).bind(*node.args, **keywords)


def test_every_block_has_a_language_that_is_checked() -> None:
    """No block escapes because its language is misspelt."""
    known = {*SHELLS, *OTHERS, "python", "yaml"}
    assert [str(block) for block in find_blocks(PAGES) if block.language not in known] == []


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_commands_exist_with_their_options(command: Command) -> None:
    """Commands, options, targets, parameters, scripts and config keys are there."""
    check_command(command)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles_and_uses_the_public_api(block: Block) -> None:
    """Names of `ecomclf` are public, and calls fit their signatures."""
    check_names(ast.parse(block.text))


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_is_part_of_a_config(block: Block, tmp_path: Path) -> None:
    """The real loader takes it, the search space included."""
    path = tmp_path / "snippet.yaml"
    path.write_text(block.text, encoding="utf-8")
    load_config(path)


@pytest.mark.parametrize(
    "line",
    [
        "ecomclf swep --config configs/sample.yaml",
        "ecomclf sweep --config configs/sample.yaml --trails 3",
        "ecomclf sweep --config configs/simple.yaml",
        "ecomclf sweep --config configs/sample.yaml --set model.unit=3",
        "ecomclf promote --stage Production",
        "make swep",
        "make serve MODLE=1",
        "mlflow run . -P trails=3",
        "mlflow run . -P config=configs/sample.yaml -P overrides='{model.unit: 3}'",
        "python experiments/pooled.py --dta rows.csv",
        "python experiments/poled.py",
        "pip install 'ecomclf[tourch]'",
        ".venv/bin/pytest tests/dta",
        "cat texts.txt | ecomclf predcit",
        "ecomclff models",
    ],
)
def test_a_mistake_in_a_command_is_found(line: str) -> None:
    """A misspelt command, option, key, file, target, parameter, extra or program fails."""
    with pytest.raises((AssertionError, OSError, ConfigError, typer.TyperException)):
        check_line(line)


@pytest.mark.parametrize(
    "code",
    [
        "import ecomclf\necomclf.lod('x')",
        "from ecomclf import api",
        "import ecomclf\necomclf.sweep(config, trails=6)",
        "import ecomclf\necomclf.load()",
    ],
)
def test_a_mistake_in_python_is_found(code: str) -> None:
    """A name that is not public, an argument that does not exist or is missing."""
    with pytest.raises((AssertionError, TypeError, AttributeError)):
        check_names(ast.parse(code))


def test_commands_are_split_as_a_shell_does() -> None:
    """Comments, continued lines, variables, pipes, brackets and ellipses."""
    block = make_block(
        "A=1 ecomclf x  # why\ncat a | ecomclf b \\\n  --c 'd e' …\n"
        "ecomclf f [--g H] 'k=[1, 2]' m=S\n"
    )
    assert [command.words for command in split_commands(block)] == [
        ("ecomclf", "x"),
        ("cat", "a"),
        ("ecomclf", "b", "--c", "d e"),
        ("ecomclf", "f", "--g", "H", "k=[1, 2]", "m=1"),
    ]
