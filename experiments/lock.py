"""Write the versions installed beside this interpreter to requirements.lock and conda.yaml.

conda.yaml, from which MLflow creates the environment of a run, omits developer-only packages.
"""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE, EXTRAS = "ecomclf", frozenset({"excel", "postgresql"})
ROOT = Path(__file__).parent.parent
CONDA = """\
# Made by `make lock`, with requirements.lock. Conda gives Python, pip the rest.
name: ecomclf
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def main() -> None:
    """Pin what pip lists as installed, except this package."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--all"]
    listed = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    pins = [
        line
        for line in listed.splitlines()
        if "==" in line and not line.startswith(("ecomclf", "pip==", "#"))
    ]
    (ROOT / "requirements.lock").write_text("\n".join(pins) + "\n", encoding="utf-8")
    needed = find_needed(PACKAGE, EXTRAS)
    lines = "".join(
        f"      - {pin}\n" for pin in pins if canonicalize_name(pin.split("==")[0]) in needed
    )
    (ROOT / "conda.yaml").write_text(CONDA + lines, encoding="utf-8")


def find_needed(package: str, extras: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the dependencies of an installed package, transitively, each with its extras."""
    needed: dict[str, frozenset[str]] = {}
    left = [(package, extras)]
    while left:
        name, wanted = left.pop()
        for line in importlib.metadata.requires(name) or ():
            need = Requirement(line)
            asked = ("", *wanted)
            if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in asked):
                continue
            key = canonicalize_name(need.name)
            known = needed.get(key)
            if known is None or need.extras - known:
                needed[key] = (known or frozenset()) | need.extras
                left.append((need.name, needed[key]))
    return needed


if __name__ == "__main__":
    main()
