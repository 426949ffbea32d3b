"""Opening the lake's tables: what its clients raise where files are damaged or gone, told as one error in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from warehouse.tables import DAY

READ = 20  # files of a table, those of the newest days first, whose footers are read
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class LakeBroken(OSError):
    """Files of the lake are damaged, gone or out of reach; says what was being done, where, and what was found."""

    @classmethod
    def by(cls, error: Exception, doing: str) -> LakeBroken:
        """The first line of what a client has raised; a backtrace may follow it."""
        return cls(f"{doing}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """What it says first, as `plain` text; its name where it says nothing."""
    return next(iter(plain(str(error)).splitlines()), type(error).__name__)


def plain(text: str) -> str:
    """What an engine says without the sequences that colour it on a terminal (ECMA-48)."""
    return _SEQUENCE.sub("", text).replace("\x1b", "")


def refuse_file(location: str) -> None:
    """Raises `LakeBroken` where a file lies in the place of the table's folder, or of one that it is in."""
    if "://" in location:
        return
    path = Path(location)
    if found := next((each for each in (path, *path.parents) if each.is_file()), None):
        raise LakeBroken(f"opening the table at {location}: found {found} to be a file; wanted a folder")


def opened(location: str, version: int | None = None) -> DeltaTable:
    """One version of the table there, the newest by default. Raises TableNotFoundError and `LakeBroken`."""
    try:
        return DeltaTable(location, version=version)
    except TableNotFoundError:
        refuse_file(location)
        raise
    except DeltaError as error:
        raise LakeBroken.by(error, f"opening the table at {location}") from error


@dataclass(frozen=True)
class DamagedFile:
    """A file of a table's newest version that cannot be what was written; `day` is its partition, if it has one."""

    path: str
    day: str | None
    found: str


def damaged_files(location: str) -> Iterator[DamagedFile]:
    """Files that are not there, or not as long as the log says; of the newest also those that do not end as Parquet.

    Raises TableNotFoundError and `LakeBroken`.
    """
    actions = pa.table(opened(location).get_add_actions(flatten=True))
    files, root = filesystem(location)
    days = (
        actions[f"partition.{DAY}"].to_pylist() if f"partition.{DAY}" in actions.column_names else [None] * len(actions)
    )
    told = zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), days, strict=True)
    newest_first = sorted(told, key=lambda file: (str(file[2]), file[0]), reverse=True)
    for place, (path, size, day) in enumerate(newest_first):
        whole = f"{root}/{path}"
        if found := _length_wrong(files, whole, size) or (_no_parquet(files, whole) if place < READ else None):
            yield DamagedFile(whole, None if day is None else str(day), found)


def _length_wrong(files: pyarrow.fs.FileSystem, path: str, size: int) -> str | None:
    info = files.get_file_info(path)
    if info.type is pyarrow.fs.FileType.NotFound:
        return "not there"
    return None if info.size == size else f"{info.size:,} bytes, wanted {size:,}"


def _no_parquet(files: pyarrow.fs.FileSystem, path: str) -> str | None:
    try:
        with files.open_input_file(path) as file:
            pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        return first_line(error)
    return None


def filesystem(location: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Where a location's files are, and its path there."""
    if urlsplit(location).scheme:
        files, path = pyarrow.fs.FileSystem.from_uri(location)
        return files, path
    return pyarrow.fs.LocalFileSystem(), location


def own_files(location: str) -> pyarrow.fs.FileSystem | None:
    """Arrow's own files below a local location; None elsewhere, where deltalake's are read.

    Those call Python from Arrow's threads: a query that needs a part of what is read ahead, as one with a LIMIT does,
    would leave such a thread behind, and it aborts the process as Python ends.
    """
    if urlsplit(location).scheme:
        return None
    return pyarrow.fs.SubTreeFileSystem(location, pyarrow.fs.LocalFileSystem())
