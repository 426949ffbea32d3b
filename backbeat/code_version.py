"""Which code runs: what git calls the checkout, and a hash of what is changed in it and not committed."""

from __future__ import annotations

import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def code_version(checkout: Path = CHECKOUT) -> str:
    """Git's name of the commit, with a hash where the checkout has changes; the project's version where git knows none.

    Two checkouts of one name have equal code: changes are those of files that git knows, and Python files that it does
    not know yet.
    """
    try:
        named = _git(checkout, "describe", "--always").decode().strip()
        changes = _git(checkout, "diff", "--binary", "HEAD")
        fresh = _git(checkout, "ls-files", "--others", "--exclude-standard", "-z", "*.py").split(b"\0")
        files = [name + b"\0" + (checkout / name.decode()).read_bytes() for name in fresh if name]
    except (OSError, subprocess.CalledProcessError):
        return project_version()
    if not changes and not files:
        return named
    return f"{named}-dirty-{sha256(changes + b''.join(files)).hexdigest()[:12]}"


def project_version() -> str:
    """The version in pyproject.toml."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def _git(checkout: Path, *words: str) -> bytes:
    command = ["git", "-C", str(checkout), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout
