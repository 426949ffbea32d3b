"""Jars by Maven coordinates and without Maven: `install` what is locked, `lock` what is asked for.

A requirements/jars*.in has coordinates, a line each; `!` behind them: what its POM manages binds no other jar. A line
`only GROUP...` keeps these groups of all that was resolved.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import file_digest
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from jobs.java import JAR_LOCK, Jar, locked_jars, share_folder, sound

ONLY = "only "
TRIES = 3
Fetch = Callable[[str, Path], Path]  # coordinates and a scratch folder -> the file


class FetchFailed(Exception):
    """A jar could not be had, or was not what the lock says."""


def missing(folder: Path, lock: Path = JAR_LOCK) -> list[Jar]:
    """The locked jars that are not in the folder with their bytes."""
    return [jar for jar in locked_jars(lock) if not sound(folder / jar.filename, jar)]


def install(folder: Path, lock: Path = JAR_LOCK, fetch: Fetch | None = None) -> int:
    """Fetch what is missing, so that a jar is either whole or not there; returns how many. Raises `FetchFailed`."""
    wanted = missing(folder, lock)
    folder.mkdir(parents=True, exist_ok=True)
    for jar in wanted:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fetched = (fetch or from_maven)(jar.coordinates, Path(scratch))
            if not sound(fetched, jar):
                raise FetchFailed(f"{jar.coordinates}: found sha256 {_sha256(fetched)}; wanted {jar.sha256}")
            fetched.replace(folder / jar.filename)
    return len(wanted)


def from_maven(coordinates: str, scratch: Path) -> Path:
    """Download one jar, trying again where the connection breaks. Raises `FetchFailed`."""
    group, artifact, version = coordinates.split(":")
    for attempt in range(1, TRIES + 1):
        context = maven(scratch / str(attempt))
        try:
            return context.project(group, artifact).at_version(version).artifact().resolve()
        except (requests.RequestException, RuntimeError) as error:  # jgo says RuntimeError for what no repository has
            if attempt == TRIES:
                raise FetchFailed(f"fetching {coordinates}: {error}") from error
            time.sleep(2 * attempt)
    raise AssertionError("the last try returns or raises")


def maven(cache: Path) -> MavenContext:
    """A resolver over a cache of our own, which a broken ~/.m2 cannot spoil; jgo's own settings may name mirrors."""
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    return MavenContext(repo_cache=cache, local_repos=[], remote_repos=repositories, timeout=60)


def lock(wanted: Path, locked: Path) -> None:
    """Resolve what is wanted and write coordinates and hashes. Raises `FetchFailed`."""
    lines = _lines(wanted)
    groups = {group for line in lines if line.startswith(ONLY) for group in line.removeprefix(ONLY).split()}
    with tempfile.TemporaryDirectory() as scratch:
        context = maven(Path(scratch))
        asked = [context.create_dependency(line) for line in lines if not line.startswith(ONLY)]
        first, further = context.resolver.resolve(asked)
        found = [d for d in [*first, *further] if not groups or d.groupId in groups]
        hashed = _hashed({f"{d.groupId}:{d.artifactId}:{d.version}" for d in found}, Path(scratch))
    locked.write_text("\n".join(["# This file was written by the following command:", "#    make lock", *hashed, ""]))


def _hashed(coordinates: Iterable[str], scratch: Path) -> list[str]:
    """A line of the lock for each, in order."""
    fetched = {at: from_maven(at, scratch / str(n)) for n, at in enumerate(sorted(coordinates))}
    return [f"{at} --hash=sha256:{_sha256(path)}" for at, path in fetched.items()]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str]) -> None:
    """`lock` rewrites requirements/jars*.txt; without it, Spark's are installed."""
    if list(arguments) == ["lock"]:
        for wanted in sorted(JAR_LOCK.parent.glob("jars*.in")):
            lock(wanted, wanted.with_suffix(".txt"))
    else:
        install(share_folder() / "jars")


if __name__ == "__main__":
    main(sys.argv[1:])
