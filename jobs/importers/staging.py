"""Where an import waits until all of it was read: three Parquet files on local disk, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.importers.told import Unreadable
from warehouse.tables import DAY, RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS

_STAMPED = ("received_ms", "import_id")  # the same in all rows: set when they are landed
_PLAYS = pa.schema([f.with_nullable(True) for f in RAW_PLAYS.schema if f.name not in _STAMPED])
_TRACKS = pa.schema([f.with_nullable(True) for f in RAW_TRACKS.schema if f.name not in _STAMPED])
_QUARANTINE = pa.schema([f.with_nullable(True) for f in RAW_QUARANTINE.schema if f.name not in _STAMPED])


class Staging:
    """Plays, tracks and quarantined rows of one import, in the order told; its files are closed on leaving it."""

    def __init__(self, folder: Path) -> None:
        self.plays = folder / "plays.parquet"
        self.tracks = folder / "tracks.parquet"
        self.quarantine = folder / "quarantine.parquet"
        self._writers: dict[Path, pq.ParquetWriter] = {}

    def __enter__(self) -> Staging:
        for path, schema in ((self.plays, _PLAYS), (self.tracks, _TRACKS), (self.quarantine, _QUARANTINE)):
            self._writers[path] = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def add_plays(self, rows: pa.Table) -> None:
        """Admitted rows: what raw.plays wants of them, and what they tell of their tracks."""
        if len(rows):
            dated = rows.append_column(DAY, _days(rows["started_ms"]))
            self._writers[self.plays].write_table(dated.select(_PLAYS.names).cast(_PLAYS))
            self.add_tracks(rows)

    def add_tracks(self, rows: pa.Table) -> None:
        """What these rows tell of their tracks, each track once."""
        grouped = rows.select(_TRACKS.names).group_by("source_track_id", use_threads=False)
        first = grouped.aggregate([(name, "first") for name in _TRACKS.names[1:]])
        named = first.rename_columns([name.removesuffix("_first") for name in first.column_names])
        self._writers[self.tracks].write_table(named.select(_TRACKS.names).cast(_TRACKS))

    def add_quarantine(self, file: str, rows: Sequence[Unreadable]) -> None:
        """Rows of a file that are no plays, with the reasons."""
        if rows:
            told = [{"file": file, **row._asdict()} for row in rows]
            self._writers[self.quarantine].write_table(pa.Table.from_pylist(told, schema=_QUARANTINE))


def _days(started_ms: pa.ChunkedArray) -> pa.ChunkedArray:
    """The UTC days of those times."""
    return pc.floor_temporal(started_ms.cast(pa.timestamp("ms")), unit="day").cast(pa.date32())
