"""Installs uv, which installs everything else. Run by any Python 3.11 or newer; standard library only.

python3 deploy/bootstrap/uv.py FOLDER REQUIREMENTS
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST, TOO_NEW = (3, 11), (3, 14)


def main(folder: Path, requirements: Path) -> None:
    """Leave FOLDER/bin/uv, or end with what to install first."""
    if not OLDEST <= sys.version_info[:2] < TOO_NEW:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"This is Python {found}; wanted 3.11, 3.12 or 3.13. Name another one: make PYTHON=/path/to/python3.13"
        )
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted install left
    install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(requirements)]
    if find_spec("ensurepip") is not None:
        run([sys.executable, "-m", "venv", str(folder)])
        run([str(folder / "bin" / "python"), "-m", "pip", *install])
    elif find_spec("pip") is not None:
        run([sys.executable, "-m", "pip", *install, "--target", str(folder)])
    else:
        sys.exit(f"{sys.executable} has neither venv nor pip. On Debian or Ubuntu: apt-get install python3-venv")


def run(command: list[str]) -> None:
    """Run it with its output where ours goes; end with its exit code where it fails."""
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(f"This command failed with exit code {code}: {' '.join(command)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
