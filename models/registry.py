"""Which artifact is published: folders by version, and one pointer file that is moved last and at once.

One publisher at a time, which the lock of the lake sees to; readers need no lock. The pointer also keeps the order in
which versions were published: names alone cannot tell it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artifact import Artifact, ArtifactBroken, checked_manifest, load, read_manifest, version_name, write
from models.base import ModelBroken
from models.files import read_json

POINTER = "published.json"
_UNFINISHED = ".unfinished-"


class NoSuchVersion(Exception):
    """A version was asked for that is not there; names those that are."""


@dataclass(frozen=True)
class Registry:
    """The folder `root` of all versions; `keep` of them, up to the published one, survive a publication."""

    root: Path
    keep: int = 5

    def published(self) -> str | None:
        """The version that is served, or None before the first one. Raises `ModelBroken` for a torn pointer."""
        version = self._pointer().get("version")
        return str(version) if version is not None else None

    def versions(self) -> tuple[str, ...]:
        """Every version in the order of publication, oldest first."""
        return tuple(self._pointer().get("order", ()))

    def folder(self, version: str) -> Path:
        """Where a version lies. Raises `NoSuchVersion`."""
        if version not in self.versions():
            there = ", ".join(self.versions()) or "none yet"
            raise NoSuchVersion(f"looking for model {version} in {self.root}: found {there}")
        return self.root / version

    def load(self, version: str | None = None) -> Artifact:
        """That version, or the published one. Raises `NoSuchVersion` and `ArtifactBroken`."""
        wanted = version or self.published()
        if wanted is None:
            raise NoSuchVersion(f"loading the published model of {self.root}: nothing is published yet")
        return load(self.folder(wanted))

    def manifest(self, version: str) -> dict[str, Any]:
        """What a version says of itself. Raises `NoSuchVersion` and `ArtifactBroken`."""
        return read_manifest(self.folder(version))

    def checked_manifest(self, version: str) -> dict[str, Any]:
        """The same, of a version whose files are as it names them. Raises `NoSuchVersion` and `ArtifactBroken`."""
        return checked_manifest(self.folder(version))

    def mending(self, version: str) -> str:
        """The command that gets by without that version: the one before it, or where there is none another one."""
        order = self.versions()
        return "backbeat models rollback" if version in order[1:] else "backbeat run train"

    def publish(self, artifact: Artifact) -> str:
        """Write, read back, and only then move the pointer to it; remove versions beyond those kept.

        Whatever fails on the way leaves what was published as it was. Returns the version.
        """
        self._sweep()
        version = self._store(artifact)
        order = [*(other for other in self.versions() if other != version), version]
        self._point(version, order)
        self._prune()
        return version

    def rollback(self, version: str | None = None) -> str:
        """Move the pointer to an earlier version, the one before by default; nothing is removed.

        Raises `NoSuchVersion` where there is none to go to, and `ArtifactBroken` where it is no longer whole.
        """
        target = version or self._before_published()
        load(self.folder(target))
        self._point(target, list(self.versions()))
        return target

    def _before_published(self) -> str:
        order, now = self.versions(), self.published()
        place = order.index(now) if now in order else 0
        if place == 0:
            raise NoSuchVersion(f"rolling back in {self.root}: no version was published before {now or 'the first'}")
        return order[place - 1]

    def _store(self, artifact: Artifact) -> str:
        self.root.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.root))
        version = version_name(artifact.as_of, write(unfinished, artifact))
        load(unfinished)
        _sync(unfinished)
        final = self.root / version
        if final.exists() and _is_whole(final):
            shutil.rmtree(unfinished)
            return version
        shutil.rmtree(final, ignore_errors=True)
        unfinished.chmod(0o755)
        unfinished.rename(final)
        return version

    def _pointer(self) -> dict[str, Any]:
        path = self.root / POINTER
        if not path.exists():
            return {}
        pointer = read_json(path)
        version, order = pointer.get("version"), pointer.get("order")
        if not isinstance(version, str) or not isinstance(order, list) or not all(isinstance(o, str) for o in order):
            raise ModelBroken(f"reading {path}: found {pointer}, wanted a version and the order of versions, as text")
        return pointer

    def _point(self, version: str, order: list[str]) -> None:
        path, fresh = self.root / POINTER, self.root / f"{_UNFINISHED}{POINTER}"
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump({"version": version, "order": order}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        _sync_entry(self.root)

    def _prune(self) -> None:
        """Remove what came before the published version and its `keep - 1` predecessors; what came after it stays."""
        order, now = list(self.versions()), self.published()
        if now not in order:
            return
        kept = order[max(0, order.index(now) + 1 - self.keep) :]
        dropped = [version for version in order if version not in kept]
        if dropped:
            self._point(now, kept)
        for version in dropped:
            shutil.rmtree(self.root / version, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a publisher that died has left."""
        for left in self.root.glob(f"{_UNFINISHED}*"):
            if left.is_dir():
                shutil.rmtree(left)


def _is_whole(folder: Path) -> bool:
    try:
        load(folder)
    except ArtifactBroken:
        return False
    return True


def _sync(folder: Path) -> None:
    """Make the files of a folder, and their names, survive a loss of power."""
    for path in sorted(folder.rglob("*")):
        _sync_entry(path)
    _sync_entry(folder)


def _sync_entry(path: Path) -> None:
    entry = os.open(path, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
