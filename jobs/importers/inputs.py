"""The files that an import is asked for: a file, a folder, or the members of a zip archive, which is never trusted."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jobs.importers.columnar import MAGIC, parquet_columns
from jobs.importers.room import is_full, needing_room
from jobs.importers.sample import HEAD_BYTES, Sample
from jobs.importers.told import ImportRefused

CHUNK_BYTES = 1 << 20
_ZIP_MAGIC = b"PK\x03\x04"
_EMPTY_ZIP_MAGIC = b"PK\x05\x06"
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold. Listening histories pack 10 to 50 to one; a small file may pack better than that."""

    members: int = 10_000
    unpacked_bytes: int = 8 << 30
    ratio: int = 200
    ratio_free_bytes: int = 1 << 20


LIMITS = ArchiveLimits()


@dataclass(frozen=True)
class Input:
    """A file to read: its name as messages and the quarantine tell it, and where its bytes are.

    `alone` when it was asked for by name, so that it must be something that can be imported.
    """

    name: str
    path: Path
    alone: bool

    def sample(self) -> Sample:
        """What it is recognised by. Raises `OSError`, and `ImportRefused` where it is a damaged Parquet file."""
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head[: len(MAGIC)] == MAGIC:
            return Sample(self.name, head, True, parquet_columns(self.path, self.name))
        return Sample(self.name, head)


def inputs(paths: Sequence[Path], scratch: Path, limits: ArchiveLimits = LIMITS) -> Iterator[Input]:
    """The files under those paths, in order of name; members of archives are unpacked into `scratch`.

    Raises `ImportRefused` where a path is not there or cannot be read, and where an archive is damaged, encrypted, or
    too large unpacked.
    """
    for path in paths:
        with readable(printable(str(path))):
            yield from _under(path, scratch, limits)


def _under(path: Path, scratch: Path, limits: ArchiveLimits) -> Iterator[Input]:
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path))):
            yield from _file(file, f"{path.name}/{file.relative_to(path).as_posix()}", scratch, limits, alone=False)
    elif path.is_file():
        yield from _file(path, path.name, scratch, limits, alone=True)
    else:
        nothing = "found nothing there; wanted a file, a folder or a zip archive"
        raise ImportRefused(f"reading {printable(str(path))}: {nothing}")


def printable(name: str) -> str:
    """A file's name as text that can be stored and shown: bytes that are no UTF-8, and what cannot be seen, escaped."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Raises `ImportRefused` where the system does not let us read on; a full disk is told by others."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise
        raise ImportRefused(f"reading {name}: {error.strerror or error}; wanted a file that can be read") from error


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _file(path: Path, told: str, scratch: Path, limits: ArchiveLimits, *, alone: bool) -> Iterator[Input]:
    name = printable(told)
    with path.open("rb") as file:
        magic = file.read(4)
    packed = magic in (_ZIP_MAGIC, _EMPTY_ZIP_MAGIC)
    if packed and (alone or path.suffix.lower() == ".zip"):  # in a folder, other kinds of file are zip inside, too
        yield from _members(path, name, scratch, limits)
    else:
        yield Input(name, path, alone)


def _members(path: Path, name: str, scratch: Path, limits: ArchiveLimits) -> Iterator[Input]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
            _refuse_unsafe(name, members, limits)
            for number, member in enumerate(sorted(members, key=lambda member: member.filename)):
                unpacked = scratch / f"{zlib.crc32(name.encode()):08x}-{number}"
                with needing_room(f"unpacking {name}", scratch):
                    _unpack(archive, member, unpacked)
                yield Input(f"{name}/{printable(member.filename)}", unpacked, alone=False)
                unpacked.unlink()
    except _DAMAGES as error:
        raise ImportRefused(f"reading {name}: found a damaged zip archive ({error}); wanted a whole one") from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with archive.open(member) as packed, target.open("wb") as file:
        while chunk := packed.read(CHUNK_BYTES):
            file.write(chunk)


def _refuse_unsafe(name: str, members: Sequence[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > limits.members or total > limits.unpacked_bytes:
        raise ImportRefused(
            f"reading {name}: found {len(members):,} files of {total:,} bytes unpacked; "
            f"wanted at most {limits.members:,} files and {limits.unpacked_bytes:,} bytes"
        )
    for member in members:
        if complaint := _complaint(member, limits):
            raise ImportRefused(f"reading {name}: found {complaint}")


def _complaint(member: zipfile.ZipInfo, limits: ArchiveLimits) -> str | None:
    """What is wrong with a member before any of it is unpacked, and what was wanted; None where nothing is."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if not path.parts:
        return f"a member named {member.filename!r}, which names no file; wanted plain relative names"
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return f"a member named {member.filename!r}, which leaves its folder; wanted plain relative names"
    if member.flag_bits & 1:
        return f"{member.filename!r} encrypted; wanted an archive without a password: unpack it first"
    if member.file_size > limits.ratio_free_bytes and member.file_size > limits.ratio * max(member.compress_size, 1):
        ratio = member.file_size // max(member.compress_size, 1)
        return f"{member.filename!r} packed {ratio:,} to 1; wanted at most {limits.ratio} to 1 (a zip bomb?)"
    return None
