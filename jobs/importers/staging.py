"""Where an import waits until all of it was read: Parquet files on local disk, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.importers.told import Unreadable
from warehouse.tables import DAY, RAW_IMPRESSIONS, RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS

_STAMPED = ("received_ms", "import_id")  # the same in all rows: set when they are landed
_PLAYS = pa.schema([f.with_nullable(True) for f in RAW_PLAYS.schema if f.name not in _STAMPED])
_TRACKS = pa.schema([f.with_nullable(True) for f in RAW_TRACKS.schema if f.name not in _STAMPED])
_IMPRESSIONS = pa.schema([f.with_nullable(True) for f in RAW_IMPRESSIONS.schema])
_QUARANTINE = pa.schema([f.with_nullable(True) for f in RAW_QUARANTINE.schema if f.name not in _STAMPED])


class Staging:
    """Plays, tracks, impressions and quarantined rows of one import, as told; its files are closed on leaving it."""

    def __init__(self, folder: Path) -> None:
        self.plays = folder / "plays.parquet"
        self.tracks = folder / "tracks.parquet"
        self.impressions = folder / "impressions.parquet"
        self.quarantine = folder / "quarantine.parquet"
        self._writers: dict[Path, pq.ParquetWriter] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        return self.plays, self.tracks, self.impressions, self.quarantine

    def __enter__(self) -> Staging:
        for path, schema in zip(self.files, (_PLAYS, _TRACKS, _IMPRESSIONS, _QUARANTINE), strict=True):
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

    def add_impressions(self, rows: pa.Table) -> None:
        """Admitted slots."""
        if len(rows):
            dated = rows.append_column(DAY, _days(rows["received_ms"]))
            self._writers[self.impressions].write_table(dated.select(_IMPRESSIONS.names).cast(_IMPRESSIONS))

    def add_quarantine(self, file: str, rows: Sequence[Unreadable]) -> None:
        """Rows of a file that are not what it tells of, with the reasons."""
        if rows:
            told = [{"file": file, **row._asdict()} for row in rows]
            self._writers[self.quarantine].write_table(pa.Table.from_pylist(told, schema=_QUARANTINE))


def _days(started_ms: pa.ChunkedArray) -> pa.ChunkedArray:
    """The UTC days of those times."""
    return pc.floor_temporal(started_ms.cast(pa.timestamp("ms")), unit="day").cast(pa.date32())
