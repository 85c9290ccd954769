import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ecomclf.cli import app

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]

# Other extras are installed by who wants them.
DECLARED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


def test_the_lock_pins_each_package_once() -> None:
    """Every line is a name and one exact version."""
    names = []
    for line in LOCK:
        requirement = Requirement(line)
        assert [each.operator for each in requirement.specifier] == ["=="], line
        names.append(canonicalize_name(requirement.name))
    assert len(set(names)) == len(names) > 0


def test_conda_and_the_lock_pin_the_same() -> None:
    """The pip lines of conda.yaml are lines of requirements.lock, without what developers need."""
    (pip_lines,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert [line for line in LOCK if line in pip_lines] == pip_lines
    names = {canonicalize_name(Requirement(line).name) for line in pip_lines}
    extras = PROJECT["optional-dependencies"]
    needed, only_dev = (
        {canonicalize_name(Requirement(line).name) for line in lines}
        for lines in (
            [*PROJECT["dependencies"], *extras["postgresql"], *extras["excel"]],
            extras["dev"],
        )
    )
    assert needed <= names
    # TensorFlow needs setuptools itself.
    assert names & only_dev <= needed | {"setuptools"}


def test_conda_gives_the_python_that_the_package_takes() -> None:
    """The Python of conda.yaml is 3.11, and pyproject.toml allows it."""
    pythons = [
        entry
        for entry in CONDA["dependencies"]
        if isinstance(entry, str) and entry.startswith("python")
    ]
    assert pythons == ["python=3.11"]
    assert "3.11.9" in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("declared", DECLARED)
def test_what_the_package_needs_is_pinned(declared: str) -> None:
    """Each dependency of pyproject.toml is in the lock at a version that it allows."""
    requirement = Requirement(declared)
    pins = {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in map(Requirement, LOCK)
    }
    name = canonicalize_name(requirement.name)
    assert name in pins
    assert requirement.specifier.contains(pins[name], prereleases=True)


def test_all_is_every_extra_for_users_but_torch() -> None:
    """`ecomclf[all]` names every other extra for users; PyTorch is a second framework."""
    extras = PROJECT["optional-dependencies"]
    (line,) = extras["all"]
    requirement = Requirement(line)
    assert requirement.name == PROJECT["name"]
    assert requirement.extras == set(extras) - {"all", "dev", "torch"}


def test_the_workflow_runs_what_make_runs() -> None:
    """Its steps are targets of the Makefile, on every Python that the package takes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    (pythons,) = re.findall(r"^PYTHONS := (.+)$", makefile, re.MULTILINE)
    workflow = ROOT / ".github" / "workflows" / "tests.yml"
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert {command.split()[0] for command in commands} == {"make"}
    called = {command.split()[1] for command in commands}
    assert {"check", "test", "test-pythons"} <= called <= targets
    assert jobs["fast"]["strategy"]["matrix"]["python"] == pythons.split()
    for minor in range(9, 16):
        name = f"Programming Language :: Python :: 3.{minor}"
        allowed = SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.1")
        assert (f"3.{minor}" in pythons.split()) == allowed == (name in PROJECT["classifiers"])


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff has the version and the licence of pyproject.toml."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key in ("version", "license"):
        assert citation[key] == PROJECT[key]


def parse(entry_point: str, given: dict[str, str]) -> dict[str, Any]:
    """Parse the command of an entry point as `mlflow run` builds it; nothing is run.

    Returns:
        the values of the command's parameters, as the command line understands them.

    """
    declared = ENTRY_POINTS[entry_point].get("parameters", {})
    # A parameter without a default must be given: any word will do here.
    values = {
        name: parameter.get("default", "word") for name, parameter in declared.items()
    } | given
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    program, *arguments = shlex.split(ENTRY_POINTS[entry_point]["command"].format(**quoted))
    assert [program, *arguments[:2]] == ["python", "-m", "ecomclf"]
    command: Any = typer.main.get_command(app)
    rest = arguments[2:]
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    return dict(command.make_context(command.name, rest).params)


def test_a_plain_run_is_a_sweep_of_the_public_data() -> None:
    """`mlflow run .` takes configs/ecommerce.yaml, which is there, and sets nothing else."""
    parsed = parse("main", {})
    assert parsed["config"] == "configs/ecommerce.yaml"
    assert Path("configs/ecommerce.yaml").exists()
    assert (ROOT / parsed["config"]).is_file()
    assert all(not parsed[name] for name in ("trials", "workers", "study", "storage"))
    assert parsed["overrides"] in ([""], None, [])


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_parses_with_what_it_has_as_default(entry_point: str) -> None:
    """The parameters without a default given, the command line takes the command."""
    parameters = ENTRY_POINTS[entry_point].get("parameters", {})
    required = {name: "5" for name, parameter in parameters.items() if "default" not in parameter}
    assert parse(entry_point, required)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_hands_on_every_parameter(entry_point: str) -> None:
    """Each parameter of an entry point arrives at the command, whole."""
    parameters = ENTRY_POINTS[entry_point].get("parameters", {})
    given = {name: str(number) for number, name in enumerate(parameters, start=11)}
    parsed = parse(entry_point, given)
    arrived = {
        str(value)
        for values in parsed.values()
        for value in (values if isinstance(values, list | tuple) else [values])
    }
    assert set(given.values()) <= arrived


def test_overrides_arrive_whole() -> None:
    """Spaces and quotes in a parameter do not make several arguments of it."""
    overrides = "{data.text_columns: [title, 'the text'], model.units: 96}"
    assert parse("main", {"overrides": overrides})["overrides"] == [overrides]
