"""The SQL part of the daily plan by DuckDB: the same tables and the same rows, those with a day in partitions by day.

It makes everything anew each time. It knows neither stale days nor erasures, of which synthetic worlds have none.
"""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from jobs.charts_daily import PLACES
from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, decay_weights
from warehouse.rules.identity import isrc_of, mbid_of, name_key
from warehouse.rules.plays import PLAY_THRESHOLD_MS, SAME_PLAY_MS, SKIPPED, UNKNOWN_TRACK_MS
from warehouse.rules.sessions import SILENCE_MS
from warehouse.sources import SOURCES, UNKNOWN_SOURCE
from warehouse.stores.lake import Lake, hash_of
from warehouse.tables import (
    CHARTS_DAILY,
    CORE_CATALOG,
    CORE_PLAYS,
    CORE_SESSIONS,
    CORE_TRACKS,
    EVERYWHERE,
    FEATURES_MATRIX,
    FEATURES_TASTE,
    FEATURES_TRANSITIONS,
    RAW_PLAYS,
    RAW_TRACKS,
    Table,
)

_CORE_TRACKS = """
SELECT source_track_id, coalesce(
    'isrc:' || isrc, CASE WHEN name_key IS NOT NULL THEN min('isrc:' || isrc) OVER namesakes END,
    'mbid:' || mbid, CASE WHEN name_key IS NOT NULL THEN min('mbid:' || mbid) OVER namesakes END,
    name_key, source_track_id) AS track_id
FROM keyed WINDOW namesakes AS (PARTITION BY name_key)
"""
_CORE_CATALOG = """
WITH ranked AS (
    SELECT track_id, raw_tracks.*, row_number() OVER (PARTITION BY track_id ORDER BY
        (title IS NOT NULL)::INT + (artist IS NOT NULL)::INT + (album IS NOT NULL)::INT + (isrc IS NOT NULL)::INT
        + (mbid IS NOT NULL)::INT + (track_ms IS NOT NULL)::INT DESC, source_track_id) AS place
    FROM raw_tracks JOIN core_tracks USING (source_track_id)
)
SELECT track_id, arg_min(title, place) AS title, arg_min(artist, place) AS artist, arg_min(album, place) AS album,
    arg_min(isrc, place) AS isrc, arg_min(mbid, place) AS mbid, arg_min(track_ms, place) AS track_ms
FROM ranked GROUP BY track_id
"""
_MARKED = f"""
SELECT raw_plays.*, coalesce(core_tracks.track_id, source_track_id) AS one_track_id,
    coalesce(started_ms - lag(started_ms) OVER in_time < {SAME_PLAY_MS}, false)
    OR coalesce(lead(started_ms) OVER in_time - started_ms < {SAME_PLAY_MS}, false) AS crowded
FROM raw_plays LEFT JOIN core_tracks USING (source_track_id)
WINDOW in_time AS (PARTITION BY listener_id, one_track_id ORDER BY started_ms, play_id)
"""  # noqa: S608  # bounds of ours
_TOLD_ONCE = f"""
WITH RECURSIVE near AS (
    SELECT *, row_number() OVER (PARTITION BY listener_id, one_track_id, for_day ORDER BY started_ms, play_id) AS place
    FROM (SELECT marked.*, unnest([day - 1, day, day + 1]) AS for_day FROM marked WHERE crowded)
), walk AS (
    SELECT listener_id, one_track_id, for_day, place, started_ms AS anchor_ms FROM near WHERE place = 1
    UNION ALL
    SELECT near.listener_id, near.one_track_id, near.for_day, near.place,
        CASE WHEN near.started_ms - anchor_ms < {SAME_PLAY_MS} THEN anchor_ms ELSE near.started_ms END
    FROM walk JOIN near ON near.listener_id = walk.listener_id AND near.one_track_id = walk.one_track_id
        AND near.for_day = walk.for_day AND near.place = walk.place + 1
), ranked AS (
    SELECT near.*, row_number() OVER (
        PARTITION BY listener_id, one_track_id, for_day, anchor_ms
        ORDER BY coalesce(precision_ms, {UNKNOWN_SOURCE.precision_ms}), started_ms, play_id) AS choice
    FROM near JOIN walk USING (listener_id, one_track_id, for_day, place) LEFT JOIN sources USING (source)
)
SELECT marked.* FROM marked SEMI JOIN (FROM ranked WHERE choice = 1 AND day = for_day) AS kept
    USING (listener_id, play_id) WHERE crowded
"""  # noqa: S608  # bounds of ours
_CORE_PLAYS = f"""
WITH once AS (FROM marked WHERE NOT crowded UNION ALL ({_TOLD_ONCE})), judged AS (
    SELECT *, coalesce(played_ms, CASE WHEN scrobbles THEN {PLAY_THRESHOLD_MS} ELSE 0 END) AS heard_ms,
        heard_ms >= {PLAY_THRESHOLD_MS} OR 2 * heard_ms >= coalesce(nullif(track_ms, 0), {UNKNOWN_TRACK_MS}) AS counts
    FROM once LEFT JOIN sources USING (source)
)
SELECT play_id, listener_id, one_track_id AS track_id, started_ms, started_ms + coalesce(played_ms, 0) AS ended_ms,
    played_ms, source, counts, coalesce(ended_by = '{SKIPPED}', false) AND NOT counts AS skipped, country,
    impression_id, day
FROM judged
"""  # noqa: S608  # bounds of ours
_CORE_SESSIONS = f"""
WITH opened AS (
    SELECT *, coalesce(started_ms - lag(ended_ms) OVER by_listener >= {SILENCE_MS}, true) AS opens
    FROM core_plays WHERE counts
    WINDOW by_listener AS (PARTITION BY listener_id ORDER BY started_ms, play_id)
), running AS (
    SELECT *, last_value(CASE WHEN opens THEN started_ms END IGNORE NULLS) OVER (
        PARTITION BY listener_id ORDER BY started_ms, play_id ROWS UNBOUNDED PRECEDING) AS since_ms
    FROM opened
)
SELECT listener_id, min(started_ms) OVER (
        PARTITION BY listener_id, since_ms ORDER BY day - DATE '1970-01-01' RANGE BETWEEN 1 PRECEDING AND CURRENT ROW
    ) AS session_started_ms, play_id, track_id, started_ms, ended_ms, day
FROM running
"""  # noqa: S608  # bounds of ours
_TASTE = """
SELECT *, latest['p'] AS last_play_id, latest['m'] AS last_started_ms FROM (
    SELECT listener_id, track_id, count(*) FILTER (counts) AS plays, count(*) FILTER (skipped) AS skips,
        max(CASE WHEN counts THEN {m: started_ms, p: play_id} END) AS latest, day
    FROM core_plays WHERE counts OR skipped GROUP BY listener_id, track_id, day
)
"""
_TRANSITIONS = """
SELECT from_track_id, track_id AS to_track_id, count(*) AS times, day FROM (
    SELECT track_id, day, lag(track_id) OVER (
        PARTITION BY listener_id, session_started_ms ORDER BY started_ms, play_id) AS from_track_id
    FROM core_sessions
) WHERE from_track_id IS NOT NULL GROUP BY ALL
"""
_CHARTS = f"""
WITH heard AS (
    SELECT day, country, track_id, listener_id, count(*) AS times FROM core_plays WHERE counts GROUP BY ALL
), places AS (
    SELECT day, '{EVERYWHERE}' AS country, track_id, listener_id, sum(times) AS times FROM heard GROUP BY ALL
    UNION ALL FROM heard WHERE country IS NOT NULL
), counted AS (
    SELECT day, country, track_id, sum(times) AS plays, count(*) AS listeners FROM places GROUP BY ALL
)
SELECT *, row_number() OVER (PARTITION BY day, country ORDER BY plays DESC, listeners DESC, track_id) AS rank
FROM counted QUALIFY rank <= {PLACES}
"""  # noqa: S608  # bounds of ours
_MATRIX = f"""
WITH newest AS (
    SELECT * FROM taste WHERE day < $as_of
    QUALIFY row_number() OVER (PARTITION BY listener_id ORDER BY day DESC, plays DESC, track_id) <= {TASTE_ENTRIES}
)
SELECT listener_id, track_id, sum(plays * decayed.weight) AS weight, sum(plays) AS plays,
    max(last_started_ms) AS last_started_ms
FROM newest JOIN decay AS decayed ON decayed.age = least($as_of - 1 - day, {OLDEST_AGE})
WHERE plays > 0 GROUP BY listener_id, track_id HAVING sum(plays * decayed.weight) > 0
"""  # noqa: S608  # bounds of ours


def refresh(lake: Lake, out: Path, as_of: date, *, memory: str, threads: int) -> float:
    """Make every table below `out` from the raw tables of `lake`; how many seconds it took."""
    began = time.perf_counter()
    limits: dict[str, Any] = {"memory_limit": memory, "threads": threads, "temp_directory": str(out / ".spill")}
    limits["preserve_insertion_order"] = "false"
    with duckdb.connect(config=limits) as engine:
        _inputs(engine, lake)
        for table, name, query in (
            (CORE_TRACKS, "core_tracks", _CORE_TRACKS),
            (CORE_CATALOG, "core_catalog", _CORE_CATALOG),
        ):
            _make(engine, out, table, name, query)
        engine.execute(f"CREATE TEMP TABLE marked AS {_MARKED}")
        for table, name, query in (
            (CORE_PLAYS, "core_plays", _CORE_PLAYS),
            (CORE_SESSIONS, "core_sessions", _CORE_SESSIONS),
            (FEATURES_TASTE, "taste", _TASTE),
            (FEATURES_TRANSITIONS, "transitions", _TRANSITIONS),
            (CHARTS_DAILY, "charts", _CHARTS),
            (FEATURES_MATRIX, "matrix", _MATRIX.replace("$as_of", f"DATE '{as_of}'")),
        ):
            _make(engine, out, table, name, query)
    return time.perf_counter() - began


def _inputs(engine: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    for table, name in ((RAW_PLAYS, "raw_plays"), (RAW_TRACKS, "raw_tracks")):
        files = DeltaTable(lake.location(table)).file_uris()
        engine.read_parquet(files, hive_partitioning=table.daily, union_by_name=True).create_view(name)
    engine.register("keyed", _keyed(engine.sql("SELECT source_track_id, artist, title, isrc, mbid FROM raw_tracks")))
    sources = [{"source": s.name, "precision_ms": s.precision_ms, "scrobbles": s.scrobbles} for s in SOURCES.values()]
    engine.register("sources", pa.Table.from_pylist(sources))
    weights = decay_weights()
    engine.register("decay", pa.table({"age": pa.array(range(len(weights)), pa.int64()), "weight": weights}))


def _keyed(tracks: duckdb.DuckDBPyRelation) -> pa.Table:
    told = tracks.to_arrow_table()
    columns = {name: told[name].to_pylist() for name in ("artist", "title", "isrc", "mbid")}
    return pa.table(
        {
            "source_track_id": told["source_track_id"],
            "isrc": pa.array(map(isrc_of, columns["isrc"]), pa.string()),
            "mbid": pa.array(map(mbid_of, columns["mbid"]), pa.string()),
            "name_key": pa.array(map(name_key, columns["artist"], columns["title"]), pa.string()),
        }
    )


def _make(engine: duckdb.DuckDBPyConnection, out: Path, table: Table, name: str, query: str) -> None:
    """The table in memory, for those that are made from it, and on the disk."""
    typed = ", ".join(f"{field.name}::{_SQL_TYPES[field.type]} AS {field.name}" for field in table.schema)
    engine.execute(f"CREATE TEMP TABLE {name} AS SELECT {typed} FROM ({query})")  # noqa: S608  # our own queries
    folder = out.joinpath(*table.name.split("."))
    folder.parent.mkdir(parents=True, exist_ok=True)
    target = (
        f"'{folder}' (FORMAT parquet, PARTITION_BY (day))" if table.daily else f"'{folder}.parquet' (FORMAT parquet)"
    )
    engine.execute(f"COPY {name} TO {target}")


_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
}


def content(out: Path, table: Table) -> tuple[int, str]:
    """How many rows a table has, and the hash by which `Lake.content_hash` knows them."""
    folder = out.joinpath(*table.name.split("."))
    files = f"{folder}/*/*.parquet" if table.daily else f"{folder}.parquet"
    rows = duckdb.connect().read_parquet(files, hive_partitioning=table.daily)
    return rows.aggregate("count(*)").fetchall()[0][0], hash_of(rows, table)
