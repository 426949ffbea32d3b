"""The project in its environment: `backbeat` on its path, and the rooms importable from any folder."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = """\
#!{python}
from backbeat.__main__ import program

program()
"""


def install(prefix: Path = Path(sys.prefix), checkout: Path = CHECKOUT) -> None:
    """Write a path file and the command: all that an editable install would, without a build and its downloads."""
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)}))
    _write(packages / "backbeat.pth", f"{checkout}\n")
    command = prefix / "bin" / "backbeat"
    _write(command, SCRIPT.format(python=prefix / "bin" / "python"))
    command.chmod(0o755)


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
