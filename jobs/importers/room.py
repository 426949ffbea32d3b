"""A disk that is full, told as a refusal whoever meets it: a file, DuckDB or Delta."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from jobs.importers.staging import Staging
from jobs.importers.told import ImportRefused
from warehouse.stores.lake import Lake

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "max_temp_directory_size")  # DuckDB's, Delta's
_LAKE_OVER_STAGED = 3  # the lake packs less, and writes tracks and checkpoints beside the plays
_DAY_BYTES = 16 << 10  # of a day's file whatever is in it


def is_full(error: Exception) -> bool:
    """Whether it says that a disk is full."""
    return (isinstance(error, OSError) and error.errno in _FULL) or any(word in str(error) for word in _FULL_WORDS)


@contextmanager
def needing_room(doing: str, where: Path | str) -> Iterator[None]:
    """Raises `ImportRefused` where a disk is full, and whatever else is raised as it is."""
    try:
        yield
    except (OSError, duckdb.Error, DeltaError) as error:
        if not is_full(error):
            raise
        raise ImportRefused(f"{doing}: found no space left under {where}; wanted room for all that is told") from error


def refuse_without_room(staging: Staging, lake: Lake) -> None:
    """Raises `ImportRefused` where the lake's disk has not the room for what is staged, before any of it is written."""
    if "://" in lake.url:
        return
    folder = next(path for path in (Path(lake.url).absolute(), *Path(lake.url).absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    days = len(pq.read_table(staging.plays, columns=["day"])["day"].unique())
    wanted = _LAKE_OVER_STAGED * sum(path.stat().st_size for path in staging.files) + _DAY_BYTES * days
    if free < wanted:
        raise ImportRefused(f"importing: found {free:,} bytes free under {lake.url}; wanted {wanted:,}")
