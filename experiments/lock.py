"""Write the versions installed beside this interpreter to requirements.lock and conda.yaml."""

import subprocess
import sys
from pathlib import Path

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
    """Ask pip for what is installed, this package left out."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--all"]
    listed = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    pins = [
        line
        for line in listed.splitlines()
        if "==" in line and not line.startswith(("ecomclf", "pip=="))
    ]
    (ROOT / "requirements.lock").write_text("\n".join(pins) + "\n", encoding="utf-8")
    lines = "".join(f"      - {pin}\n" for pin in pins)
    (ROOT / "conda.yaml").write_text(CONDA + lines, encoding="utf-8")


if __name__ == "__main__":
    main()
