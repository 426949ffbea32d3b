"""The Java runtime and the jars that Spark is started with. Standard library only: the bootstrap reads it first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

OLDEST_JAVA = 17  # Spark 4.2 starts on nothing older
MENDING = "run `make install`"
JAR_LOCK = Path(__file__).resolve().parents[1] / "requirements" / "jars.txt"
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')
_LOCKED = re.compile(r"(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[\w.-]+) --hash=sha256:(?P<sha256>\w{64})")


class JavaMissing(Exception):
    """No Java runtime that Spark can start on."""


class JarsMissing(Exception):
    """Jars that Spark needs are not where they are installed to, or not what they were locked as."""


@dataclass(frozen=True)
class Java:
    """A runtime: `home` holds bin/java; `version` is its feature release, such as 17."""

    home: Path
    version: int


@dataclass(frozen=True)
class Jar:
    """A jar by its Maven coordinates and what its bytes must hash to."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def share_folder(prefix: str = sys.prefix) -> Path:
    """Where an environment keeps what is no Python package: `jars/`, and `java/` where it has its own runtime."""
    return Path(prefix) / "share" / "backbeat"


def use_java(environment: MutableMapping[str, str] = os.environ) -> Java:
    """Find the runtime and set JAVA_HOME, by which Spark's launcher finds it. Raises `JavaMissing`."""
    java = find_java(environment)
    environment["JAVA_HOME"] = str(java.home)
    return java


def find_java(environment: Mapping[str, str] = os.environ, own: Path | None = None) -> Java:
    """The first that is new enough: JAVA_HOME, `java` on the PATH, the one the bootstrap installed (`own`).

    Raises `JavaMissing` with what was found instead.
    """
    found = []
    for home in _homes(environment, own or share_folder() / "java"):
        version = java_version(home / "bin" / "java")
        if version is not None and version >= OLDEST_JAVA:
            return Java(home, version)
        found.append(f"{home} ({version or 'does not start'})")
    told = ", ".join(found) or "none"
    raise JavaMissing(f"looking for Java {OLDEST_JAVA} or newer: found {told}; {MENDING}")


def _homes(environment: Mapping[str, str], own: Path) -> Iterator[Path]:
    if named := environment.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java", path=environment.get("PATH", os.defpath)):
        yield Path(on_path).resolve().parents[1]
    if own.is_dir():
        yield own


def java_version(executable: Path) -> int | None:
    """Its feature release (1.8 is 8), or None where it does not start."""
    try:
        ran = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    told = _VERSION.search(ran.stderr + ran.stdout)
    if ran.returncode or told is None:
        return None
    return int(told[2] or 0) if told[1] == "1" else int(told[1])


def locked_jars(lock: Path = JAR_LOCK) -> list[Jar]:
    """What `requirements/jars.txt` says, a jar a line. Raises `JarsMissing` at a line that it cannot read."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [_locked_jar(line, lock) for line in lines]


def _locked_jar(line: str, lock: Path) -> Jar:
    told = _LOCKED.fullmatch(line)
    if told is None:
        raise JarsMissing(f"reading {lock}: found {line!r}; wanted GROUP:ARTIFACT:VERSION --hash=sha256:DIGEST")
    return Jar(**told.groupdict())


def spark_jars(folder: Path | None = None, lock: Path = JAR_LOCK) -> list[Path]:
    """The locked jars as installed. Raises `JarsMissing` with those that are not there."""
    folder = folder or share_folder() / "jars"
    paths = [folder / jar.filename for jar in locked_jars(lock)]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise JarsMissing(f"looking for Spark's jars in {folder}: {', '.join(missing)} not found; {MENDING}")
    return paths


def sound(path: Path, jar: Jar) -> bool:
    """Whether the file is there with the bytes that were locked."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == jar.sha256
