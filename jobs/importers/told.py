"""What every importer's parser yields: plays as they were told, in one shape, with the reasons why some are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MAX_NAME_CHARS = 1_000
MAX_EXACT = 2**53  # above it a number read from text may have lost its last digits
MAX_LINE_BYTES = 1 << 20  # of CSV and of JSON lines: no play takes more than a few kilobytes
MAX_JSON_BYTES = 256 << 20  # of a JSON array, which is read whole; services cut theirs at about 12 MB
BATCH_ROWS = 65_536

Flags = npt.NDArray[np.bool_]

TOLD = pa.schema(
    [
        ("line", pa.int64()),
        ("play_id", pa.string()),
        ("listener_id", pa.string()),
        ("source_track_id", pa.string()),
        ("started_ms", pa.int64()),
        ("source", pa.string()),
        ("played_ms", pa.int64()),
        ("track_ms", pa.int64()),
        ("context", pa.string()),
        ("impression_id", pa.string()),
        ("slot", pa.int64()),
        ("ended_by", pa.string()),
        ("device", pa.string()),
        ("country", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("album", pa.string()),
        ("isrc", pa.string()),
        ("mbid", pa.string()),
    ]
)


class About(Enum):
    """What rows of a file tell of."""

    PLAYS = "plays"
    TRACKS = "tracks"
    IMPRESSIONS = "impressions"


class ImportRefused(Exception):
    """A file cannot be imported, and nothing was: says what was being read, what was found and what was wanted."""


class Unreadable(NamedTuple):
    """A row that never became one: where it stands, why, its text, and whose it is where that can be read."""

    line: int
    reason: str
    content: str
    listener_id: str | None = None


@dataclass(frozen=True)
class ImportedRows:
    """Some rows of one file, and those of its rows that are none.

    `faults` has, where a field could not be read, the reason [rows]; `content` gives the text of the row at a
    position, for the quarantine. Rows about impressions have columns of their own (`jobs.importers.impressions`).
    """

    rows: pa.Table
    content: Callable[[int], str]
    faults: Sequence[str | None] | None = None
    unreadable: Sequence[Unreadable] = ()
    ignored: Mapping[str, int] = field(default_factory=Counter)
    about: About = About.PLAYS

    @property
    def count(self) -> int:
        """How many rows of the file this is about."""
        return len(self.rows) + len(self.unreadable) + sum(self.ignored.values())


def told_table(columns: Mapping[str, Any], rows: int) -> pa.Table:
    """These columns (arrays, or one value for all rows) in the shape of `TOLD`; what is absent is unknown."""
    return pa.table([_filled(columns.get(name.name), name.type, rows) for name in TOLD], schema=TOLD)


def told_records(records: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The same from one mapping a row."""
    return pa.Table.from_pylist(list(records), schema=TOLD)


def _filled(value: Any, kind: pa.DataType, rows: int) -> pa.Array | pa.ChunkedArray:
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value.cast(kind)
    return pa.repeat(pa.scalar(value, kind), rows)
