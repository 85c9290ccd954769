"""The source distribution and the wheel that is built from it, installed where nothing else is."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_packaging import PROJECT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"
# Folders of the source distribution; data/ and mlruns/ are where users' files land.
FOLDERS = ("configs", "docs", "ecomclf", "experiments", "tests")
CACHES = ("__pycache__", "*.py[cod]", ".*")
ROWS = "".join(
    f"{label},{first} {second} {text} of lot {number}\n"
    for number, (first, second) in enumerate(
        (first, second) for first in ("old", "new", "red", "blue") for second in ("big", "small")
    )
    for label, text in (("Phones", "phone with a long cable"), ("Shoes", "shoe with a soft sole"))
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without this project on its path; return what it prints."""
    variables = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_files(folder: Path) -> set[str]:
    """Return the files of a folder of the project, relative to the project."""
    ignored = shutil.ignore_patterns(*CACHES)
    found = set()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - ignored(parent, folders))
        found |= {
            Path(parent, name).relative_to(ROOT).as_posix()
            for name in set(names) - ignored(parent, names)
        }
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions, built from a copy, since building writes beside it."""
    place = tmp_path_factory.mktemp("build")
    for path in ROOT.iterdir():
        if path.name in FOLDERS:
            shutil.copytree(path, place / path.name, ignore=shutil.ignore_patterns(*CACHES))
        elif path.is_file():
            shutil.copy(path, place)
    # Without a wheel or sdist asked for, the wheel is built from the source distribution.
    run(sys.executable, "-m", "build", "--no-isolation", cwd=place)
    return place / "dist"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The commands of a new environment: the wheel, and the dependencies of this one."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    wheel = built / f"{NAME}-py3-none-any.whl"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=place)
    # After the installation: pip would take this project's own, which is there too, for the wheel.
    (packages,) = place.glob("lib/python*/site-packages")
    shared = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (packages / "dependencies.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    yield place / "bin"
    shutil.rmtree(place)


def test_the_source_distribution_has_what_the_tests_need(built: Path) -> None:
    """The package, its tests, and the files that they read."""
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        packed = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    expected = set().union(*(find_files(ROOT / folder) for folder in FOLDERS))
    top = {"CHANGELOG.md", "LICENSE", "MLproject", "Makefile", "README.md", "conda.yaml"}
    assert expected | top | {"pyproject.toml", "requirements.lock"} <= packed


def test_the_wheel_is_the_package_and_nothing_else(built: Path) -> None:
    """Each file under ecomclf/, and what an installer reads; no tests, no configs."""
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}
    missing = find_files(ROOT / "ecomclf") - packed
    assert not missing, "add data files to [tool.setuptools.package-data] in pyproject.toml"
    others = packed - find_files(ROOT / "ecomclf")
    assert {name.split("/")[0] for name in others} == {f"{NAME}.dist-info"}
    assert f"{NAME}.dist-info/licenses/LICENSE" in others


def test_the_wheel_runs_without_the_project(installed: Path, tmp_path: Path) -> None:
    """In an empty folder: the version, the help, and a config for a file."""
    where = run(installed / "python", "-c", "import ecomclf; print(ecomclf.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    command = installed / "ecomclf"
    assert run(command, "--version", cwd=tmp_path) == f"ecomclf {PROJECT['version']}\n"
    assert "sweep" in run(command, "--help", cwd=tmp_path)
    (tmp_path / "sample-like.csv").write_text("category,title\n" + ROWS, encoding="utf-8")
    printed = run(command, "init", "sample-like.csv", cwd=tmp_path)
    assert "sample-like.yaml written" in printed
    config = (tmp_path / "sample-like.yaml").read_text(encoding="utf-8")
    assert "label_column: category" in config
