"""A step that failed over a damaged file of the lake: which file of which table, and the command that mends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from deltalake.exceptions import TableNotFoundError

from jobs.run import FailsAgain
from jobs.runbook import mending
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import DamagedFile, LakeBroken, damaged_files
from warehouse.tables import DAY, TABLES, Table

NOT_READ = "its content cannot be read"
_NAMED = re.compile(r"(?:file:)?(/[^\s'\"]+\.parquet)")
_DAY = re.compile(rf"/{DAY}=(\d{{4}}-\d\d-\d\d)/")


class FileDamaged(FailsAgain):
    """A file of a table is not as it was written; names both, and what mends it."""

    def __init__(self, lake: Lake, table: Table, file: DamagedFile) -> None:
        mend = mending(table.name, lake.location(table), [file.day])
        super().__init__(f"{table.name} has a damaged file, {file.path}: {file.found}; mend with: {mend}")


def damage_behind(error: BaseException, lake: Lake, tables: Iterable[str]) -> FileDamaged | None:
    """The damaged file that this error is about, of the tables that were read; None where it is about something else.

    Spark and DuckDB name the file. Arrow does not: then the tables' files are looked at.
    """
    text = str(error)
    if "parquet" not in text.lower():
        return None
    known = [TABLES[name] for name in tables if name in TABLES] or list(TABLES.values())
    found = chain(((table, file) for table in known for file in _damaged(lake, table)), _named(text, lake))
    return next((FileDamaged(lake, table, file) for table, file in found), None)


def _damaged(lake: Lake, table: Table) -> Iterator[DamagedFile]:
    try:
        yield from damaged_files(lake.location(table))
    except (TableNotFoundError, LakeBroken):
        return


def _named(text: str, lake: Lake) -> Iterator[tuple[Table, DamagedFile]]:
    """Files of the lake that a reader names where it says that it could not read them."""
    if "FAILED_READ_FILE" not in text and "magic bytes" not in text:
        return
    for path in _NAMED.findall(text):
        for table in TABLES.values():
            if path.startswith(f"{lake.location(table)}/"):
                day = _DAY.search(path)
                yield table, DamagedFile(path, day[1] if day else None, NOT_READ)
