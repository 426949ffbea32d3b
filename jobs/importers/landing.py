"""From the staging files into the lake: tracks, quarantine, impressions, and plays last.

Each write adds only what is not there yet, so that an import that died in between is healed by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from jobs.importers.room import is_full
from jobs.importers.staging import Staging
from jobs.importers.told import BATCH_ROWS
from warehouse.stores.duckdb_inputs import text_literal
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import LakeBroken
from warehouse.stores.repeats import find_repeats
from warehouse.tables import RAW_IMPRESSIONS, RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS, Table

MEMORY = "2GB"  # beyond it DuckDB sorts and joins on disk
COMMIT_ROWS = 4_000_000  # the writer holds what it writes in one commit; more than this goes in several, day after day
_FACTS = ("title", "artist", "album", "isrc", "mbid", "track_ms")


@dataclass(frozen=True)
class Landed:
    """What an import changed: plays and slots added, tracks written (new or filled in), and the plays' days."""

    added: int
    impressions: int
    tracks: int
    first_day: date | None
    last_day: date | None
    days: int


def land(
    staging: Staging, lake: Lake, *, import_id: str, received_ms: int, voids: Mapping[str, int], scratch: Path
) -> Landed:
    """Bring a closed staging into the lake. Repeated with the same rows it changes nothing.

    `voids` says until when each listener has erased everything, UTC ms.
    """
    tracks = land_names(staging, lake, import_id=import_id, received_ms=received_ms, scratch=scratch)
    with _engine(scratch) as engine:
        impressions = _land_impressions(engine, staging.impressions, lake, voids)
    with _engine(scratch) as engine:
        plays = _land_plays(engine, staging.plays, lake, import_id, received_ms, voids)
    days = list(plays)
    first_day, last_day = (days[0], days[-1]) if days else (None, None)
    return Landed(sum(plays.values()), impressions, tracks, first_day, last_day, len(days))


def land_names(staging: Staging, lake: Lake, *, import_id: str, received_ms: int, scratch: Path) -> int:
    """Neither plays nor impressions: what it tells of tracks, and the rows in quarantine. How many tracks."""
    with _engine(scratch) as engine:
        tracks = _land_tracks(engine, staging.tracks, lake, import_id)
        _land_quarantine(engine, staging.quarantine, lake, import_id, received_ms)
        return tracks


@contextmanager
def _engine(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Raises `LakeBroken` where it cannot read what the lake holds; a full disk is told by others."""
    limits: dict[str, Any] = {
        "memory_limit": MEMORY,
        "temp_directory": str(scratch / "spill"),
        "autoinstall_known_extensions": "false",
    }
    try:
        with duckdb.connect(config=limits) as engine:
            yield engine
    except duckdb.Error as error:
        if is_full(error):
            raise
        raise LakeBroken.by(error, "importing beside what the lake holds") from error


def _land_tracks(engine: duckdb.DuckDBPyConnection, staged: Path, lake: Lake, import_id: str) -> int:
    """Merge: new tracks, and facts that an earlier telling left open; what is known stays. How many were written."""
    facts = ", ".join(f"arg_min({fact}, file_row_number) AS {fact}" for fact in _FACTS)
    engine.execute(
        f"CREATE TABLE told AS SELECT source_track_id, {facts} "  # noqa: S608 - built of constants
        "FROM read_parquet(?, file_row_number = true) GROUP BY source_track_id",
        [str(staged)],
    )
    engine.register("known", _rows_of(lake, RAW_TRACKS))
    merged = ", ".join(f"coalesce(known.{fact}, told.{fact}) AS {fact}" for fact in _FACTS)
    filled = " OR ".join(f"(known.{fact} IS NULL AND told.{fact} IS NOT NULL)" for fact in _FACTS)
    engine.execute(
        "CREATE TABLE merged AS SELECT source_track_id, "  # noqa: S608 - built of constants
        f"{merged}, "
        f"CASE WHEN known.source_track_id IS NULL OR ({filled}) THEN ? ELSE known.import_id END AS import_id, "
        f"known.source_track_id IS NULL AS fresh, known.source_track_id IS NOT NULL AND ({filled}) AS filled "
        "FROM known FULL JOIN told USING (source_track_id)",
        [import_id],
    )
    fresh, filled_in = _one(engine, "SELECT count(*) FILTER (fresh), count(*) FILTER (filled) FROM merged")
    if filled_in:
        lake.replace(RAW_TRACKS, _merged(engine, "true").read_all())
    elif fresh:
        lake.append(RAW_TRACKS, _merged(engine, "fresh").read_all())
    return int(fresh + filled_in)


def _merged(engine: duckdb.DuckDBPyConnection, which: str) -> pa.RecordBatchReader:
    names = ", ".join(RAW_TRACKS.schema.names)
    return _reader(engine, f"SELECT {names} FROM merged WHERE {which} ORDER BY source_track_id")  # noqa: S608 - constants


def _land_quarantine(
    engine: duckdb.DuckDBPyConnection, staged: Path, lake: Lake, import_id: str, received_ms: int
) -> None:
    engine.register("held", _rows_of(lake, RAW_QUARANTINE))
    engine.execute(
        "CREATE TABLE refused AS SELECT ? AS import_id, file, line, reason, content, listener_id, "
        "?::BIGINT AS received_ms FROM read_parquet(?) "
        "ANTI JOIN (SELECT file, line FROM held WHERE import_id = ?) USING (file, line)",
        [import_id, received_ms, str(staged), import_id],
    )
    if _one(engine, "SELECT count(*) FROM refused")[0]:
        lake.append(RAW_QUARANTINE, _reader(engine, "FROM refused ORDER BY file, line"))


def _land_impressions(engine: duckdb.DuckDBPyConnection, staged: Path, lake: Lake, voids: Mapping[str, int]) -> int:
    """The slots that are not there yet, but for those of listeners who erased everything since; how many they were."""
    engine.execute(
        "CREATE VIEW told_slots AS SELECT *, file_row_number AS place "  # noqa: S608 - our own path
        f"FROM read_parquet({text_literal(staged)}, file_row_number = true)"
    )
    find_repeats(engine, "told_slots", lake, RAW_IMPRESSIONS, voids)
    engine.execute(
        "CREATE VIEW fresh AS FROM told_slots ANTI JOIN repeats USING (place) ANTI JOIN voids "
        "ON told_slots.listener_id = voids.listener_id AND told_slots.received_ms <= voids.erased_ms"
    )
    [count] = _one(engine, "SELECT count(*) FROM fresh")
    if count:
        columns = ", ".join(RAW_IMPRESSIONS.schema.names)
        ordered = f"SELECT {columns} FROM fresh ORDER BY day, received_ms, impression_id, slot"  # noqa: S608 - constants
        lake.append(RAW_IMPRESSIONS, _reader(engine, ordered))
    return int(count)


def _land_plays(
    engine: duckdb.DuckDBPyConnection,
    staged: Path,
    lake: Lake,
    import_id: str,
    received_ms: int,
    voids: Mapping[str, int],
) -> dict[date, int]:
    """The plays that are not there yet; how many they were by day, in order."""
    engine.execute(
        "CREATE VIEW told_plays AS SELECT *, file_row_number AS place, "  # noqa: S608 - our own path
        f"{received_ms}::BIGINT AS received_ms, '{import_id}' AS import_id "
        f"FROM read_parquet({text_literal(staged)}, file_row_number = true)"
    )
    find_repeats(engine, "told_plays", lake, RAW_PLAYS, voids)
    unseen = "told_plays ANTI JOIN repeats USING (place)"
    fresh = engine.execute(f"SELECT day, count(*) FROM {unseen} GROUP BY day ORDER BY day").fetchall()  # noqa: S608 - our own path
    columns = ", ".join(RAW_PLAYS.schema.names)
    for first, last in day_spans(fresh):
        span = f"day BETWEEN DATE '{first}' AND DATE '{last}'"
        query = f"SELECT {columns} FROM {unseen} WHERE {span} ORDER BY day, listener_id, started_ms, play_id"  # noqa: S608 - our own constants
        lake.append(RAW_PLAYS, _reader(engine, query))
    return dict(fresh)


def day_spans(rows_by_day: Sequence[tuple[date, int]], most: int = COMMIT_ROWS) -> Iterator[tuple[date, date]]:
    """Spans of days, first and last, of at most `most` rows each, or of one day where it alone has more."""
    first, rows, before = None, 0, None
    for day, count in rows_by_day:
        if first is not None and before is not None and rows + count > most:
            yield first, before
            first, rows = None, 0
        first, rows, before = first or day, rows + count, day
    if first is not None and before is not None:
        yield first, before


def _rows_of(lake: Lake, table: Table) -> Any:
    """The table, or an empty one where nothing was written yet."""
    return lake.dataset(table) if lake.exists(table) else table.schema.empty_table()


def _reader(engine: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    return engine.sql(query).to_arrow_reader(BATCH_ROWS)


def _one(engine: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    (row,) = engine.execute(query).fetchall()
    return tuple(row)
