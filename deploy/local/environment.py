"""Servers from the Python package index, each in an environment of its own: `.venv-NAME`, made by the Makefile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.local.service import NotInstalled

CHECKOUT = Path(__file__).resolve().parents[2]


def folder(name: str) -> Path:
    """Where the environment of that name is, or will be."""
    return CHECKOUT / f".venv-{name}"


def installed(name: str) -> bool:
    """Whether all of it is there."""
    return (folder(name) / ".synced").is_file()


def install(name: str) -> None:
    """Bring it to what requirements/NAME.txt locks. Raises `NotInstalled`."""
    command = ["make", "--silent", "--no-print-directory", f"PYTHON={sys.executable}", f".venv-{name}/.synced"]
    try:
        subprocess.run(command, cwd=CHECKOUT, stdout=sys.stderr, check=True)  # what commands answer is theirs alone
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstalled(f"installing {name}: {error}") from error
