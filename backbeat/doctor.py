"""`backbeat doctor`: what is installed and what is not, with the command that mends it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from backbeat.code_version import CHECKOUT
from backbeat.output import CommandFailed, Flag, console, emit, table
from backbeat.settings import SettingError, Settings
from deploy.local import environment
from deploy.local.servers import SERVERS
from jobs.java import JarsMissing, JavaMissing, find_java, locked_jars, share_folder, sound
from jobs.runbook import mending
from models.base import ModelBroken
from models.registry import NoSuchVersion, Registry
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import LakeBroken, damaged_files
from warehouse.tables import RAW_PLAYS, TABLES, Table

LOCK = CHECKOUT / "requirements" / "main.txt"
LEAST_FREE_BYTES = 2 << 30
PYTHONS = ((3, 11), (3, 14))  # from, and up to but without
INSTALL = "make install"


class Verdict(StrEnum):
    """`missing` and `broken` fail the command, `absent` is what Backbeat does without until it is wanted."""

    OK = "ok"
    ABSENT = "absent"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and the command that mends it where something is not there."""

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None


def doctor(*, json: Flag = False) -> None:
    """Look at everything that Backbeat needs; exit 1 when something needed is missing or damaged.

    Args:
        json: One JSON document on one line.
    """
    findings = list(examine())
    if json:
        emit({"ok": not _missing(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(finding.check, finding.verdict, finding.found, finding.mend or "") for finding in findings]
        console().print(table("what Backbeat stands on", ["what", "", "found", "mend with"], rows))
    if missing := _missing(findings):
        raise CommandFailed(f"missing or damaged: {', '.join(missing)}")


def _missing(findings: list[Finding]) -> list[str]:
    failing = (Verdict.MISSING, Verdict.BROKEN)
    return [finding.check for finding in findings if finding.verdict in failing]


def examine() -> Iterator[Finding]:
    """Every finding: first what is installed, then what is set, then what is there."""
    yield from (_python(), packages(LOCK), java(), jars(share_folder() / "jars"))
    try:
        settings = Settings.from_environment()
    except SettingError as error:
        yield Finding("settings", Verdict.MISSING, str(error), "backbeat config")
        return
    yield Finding("settings", Verdict.OK, "all can be read", None)
    yield from (writable(settings.home.root), disk(settings.home.root), *lake(settings), model(settings))
    kept = {"rows": (settings.rows, settings.home.rows), "log": (settings.log, settings.home.log)}
    yield from (database(name, path) for name, (kind, path) in kept.items() if kind == "sqlite")
    here = {name: service.installed for name, service in SERVERS.items()}
    yield from servers(here | {"airflow": lambda: environment.installed("airflow")})


def _python() -> Finding:
    oldest, too_new = PYTHONS
    fits = oldest <= sys.version_info[:2] < too_new
    told = f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"
    return Finding("python", _needed(fits), told, None if fits else "make clean install PYTHON=python3.11")


def packages(lock: Path) -> Finding:
    """Whether what is installed is what is locked."""
    wanted = [Requirement(line.rstrip(" \\")) for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    here = [line for line in wanted if line.marker is None or line.marker.evaluate()]
    wrong = [f"{line.name} {_installed(line.name) or 'not installed'}" for line in here if not _as_locked(line)]
    if wrong:
        told = f"{len(wrong)} of {len(here)} not as locked: {', '.join(wrong[:5])}"
        return Finding("packages", Verdict.MISSING, told, f"touch {lock} && {INSTALL}")
    return Finding("packages", Verdict.OK, f"{len(here)} as locked")


def _as_locked(line: Requirement) -> bool:
    found = _installed(line.name)
    return found is not None and line.specifier.contains(found, prereleases=True)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def java() -> Finding:
    """The runtime that Spark would start on."""
    try:
        found = find_java()
    except JavaMissing as error:
        return Finding("java", Verdict.MISSING, str(error), INSTALL)
    return Finding("java", Verdict.OK, f"{found.version} at {found.home}")


def jars(folder: Path) -> Finding:
    """Whether Spark's jars are there, each with the bytes that were locked."""
    try:
        locked = locked_jars()
    except (JarsMissing, OSError) as error:
        return Finding("jars", Verdict.MISSING, str(error), "make lock install")
    broken = [jar.filename for jar in locked if not sound(folder / jar.filename, jar)]
    if broken:
        return Finding("jars", Verdict.MISSING, f"not there, or not as locked: {', '.join(broken)}", INSTALL)
    return Finding("jars", Verdict.OK, f"{len(locked)} as locked")


def writable(root: Path) -> Finding:
    """Whether state can be written, now or once the folder is made."""
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    fits = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    there = str(root) if nearest == root else f"{root}, not made yet"
    mend = None if fits else "export BACKBEAT_HOME=FOLDER"
    return Finding("home", _needed(fits), there if fits else f"{nearest} cannot be written", mend)


def disk(root: Path) -> Finding:
    """Whether a run has room."""
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    fits = free >= LEAST_FREE_BYTES
    mend = None if fits else "backbeat run upkeep, or export BACKBEAT_HOME=FOLDER"
    return Finding("disk", _needed(fits), f"{free / (1 << 30):.1f} GiB free", mend)


def lake(settings: Settings) -> Iterator[Finding]:
    """Whether plays were ever brought in; and each table of whose newest version a file is damaged."""
    stored = Lake(settings.home.lake_url)
    try:
        if not stored.exists(RAW_PLAYS):
            yield Finding("lake", Verdict.ABSENT, f"no plays at {stored.url}", "backbeat import PATH, or make run")
            return
        damage = [found for table in TABLES.values() if (found := _damage(stored, table))]
        yield from damage or [Finding("lake", Verdict.OK, f"{stored.count(RAW_PLAYS):,} plays at {stored.url}")]
    except LakeBroken as error:
        yield Finding("lake", Verdict.BROKEN, str(error), "move it away or restore it, or export BACKBEAT_LAKE=FOLDER")


def _damage(stored: Lake, table: Table) -> Finding | None:
    if not stored.exists(table):
        return None
    damaged = list(damaged_files(stored.location(table)))
    if not damaged:
        return None
    first, others = damaged[0], len(damaged) - 1
    told = f"{first.path}: {first.found}" + (f"; and {others:,} other files of it" if others else "")
    days = [file.day for file in damaged]
    return Finding(table.name, Verdict.BROKEN, told, mending(table.name, stored.location(table), days))


def model(settings: Settings) -> Finding:
    """Whether a model is published, and each of its files is as it was published."""
    if settings.home.models.exists() and not settings.home.models.is_dir():
        return Finding("model", Verdict.BROKEN, f"{settings.home.models} is a file; wanted a folder", "move it away")
    registry = Registry(settings.home.models)
    try:
        published = registry.published()
    except ModelBroken as error:
        return Finding("model", Verdict.BROKEN, str(error), "restore that file")
    if published is None:
        return Finding("model", Verdict.ABSENT, "none published yet: charts and trends answer", "backbeat run")
    try:
        registry.checked_manifest(published)
    except (ModelBroken, NoSuchVersion) as error:
        return Finding("model", Verdict.BROKEN, str(error), registry.mending(published))
    return Finding("model", Verdict.OK, published)


def database(name: str, path: Path) -> Finding:
    """Whether a file that SQLite keeps can be read, or is not made yet."""
    if not path.exists():
        return Finding(name, Verdict.ABSENT, f"{path}, not made yet", None)
    if not path.is_file():
        return Finding(name, Verdict.BROKEN, f"{path} is no file; wanted one of SQLite", "move it away")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        return Finding(name, Verdict.BROKEN, f"{path}: {error}", "move it away")
    return Finding(name, Verdict.OK, str(path))


def servers(here: Mapping[str, Callable[[], bool]]) -> Iterator[Finding]:
    """The real servers that tests, `make airflow` and `backbeat stack` start; nothing else needs them."""
    for name, is_here in here.items():
        found = is_here()
        told, mend = ("installed", None) if found else ("not installed", "make servers")
        yield Finding(name, Verdict.OK if found else Verdict.ABSENT, told, mend)


def _needed(fits: bool) -> Verdict:
    return Verdict.OK if fits else Verdict.MISSING
