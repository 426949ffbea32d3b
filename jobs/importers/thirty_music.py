"""30Music (RecSys'15) as Parquet: whole sessions of many listeners, by number, without names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.columnar import Slab, parquet_slabs
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import ImportedRows, ImportRefused, told_table
from jobs.importers.typed import NotAColumn, instant_ms, length_ms, text

SOURCE = "30music"
COLUMNS = ("user_id", "song_id", "ts", "playtime")
WANTED = "Parquet with the columns session_id, user_id, song_id, ts (seconds), playtime (seconds)"


def recognises(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """A Parquet file with 30Music's columns."""
    return not columns and sample.parquet and {"session_id", *COLUMNS} <= set(sample.columns)


def read(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """Its rows, a slab at a time. Raises `ImportRefused` where a column is there twice, or is none of numbers."""
    for name in COLUMNS:
        if (times := reading.sample.columns.count(name)) > 1:
            raise ImportRefused(f"reading {reading.name}: found {times} columns {name!r}; wanted one")
    try:
        yield from map(parse, parquet_slabs(path, reading.name, COLUMNS))
    except NotAColumn as error:
        raise ImportRefused(
            f"reading {reading.name}: found {error} in one of {', '.join(COLUMNS)}; wanted numbers"
        ) from error


def parse(slab: Slab) -> ImportedRows:
    """Rows of numbers as told rows."""
    columns = {
        "line": slab.lines,
        "listener_id": _prefixed(slab.columns["user_id"]),
        "source_track_id": _prefixed(slab.columns["song_id"]),
        "started_ms": instant_ms(slab.columns["ts"], "s"),
        "played_ms": length_ms(slab.columns["playtime"], "s"),
        "source": SOURCE,
    }
    return ImportedRows(told_table(columns, len(slab.lines)), slab.content)


def _prefixed(numbers: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(SOURCE, text(numbers), ":")
