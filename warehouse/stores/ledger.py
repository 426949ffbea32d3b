"""The books of plays: every one that was accepted or imported, and where it is now, by the day it was heard.

Two passes: over the log, whose tellings must each have landed, been told before, or been taken back; and over
raw.plays, whose rows must each be in core.plays, be another telling of one that is, or have been taken back.
docs/parity.md defines each term.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.events import PLAYS, Play
from warehouse.rules.plays import SAME_PLAY_MS
from warehouse.stores.duckdb_inputs import table_of, text_literal
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import LakeBroken
from warehouse.stores.landing import landed_offsets, listener_of
from warehouse.stores.log import Log, every_record, partition_of
from warehouse.tables import (
    CORE_PLAYS,
    CORE_TRACKS,
    RAW_DEADLETTERS,
    RAW_ERASURES,
    RAW_PLAYS,
    RAW_QUARANTINE,
    Table,
)
from warehouse.tail import topic_partition

UNKNOWN = "unknown"  # in place of a day: what could not be read as a play says none
_TELLINGS = pa.schema(
    [
        ("listener_id", pa.string()),
        ("play_id", pa.string()),
        ("received_ms", pa.int64()),
        ("started_ms", pa.int64()),
        ("waits", pa.bool_()),
    ]
)
_REFUSED = pa.schema(
    [
        ("partition", pa.int32()),
        ("log_offset", pa.int64()),
        ("position", pa.int32()),
        ("listener_id", pa.string()),
        ("waits", pa.bool_()),
    ]
)
_TELLINGS_A_BATCH = 50_000


class Line(msgspec.Struct):
    """One day. accepted + imported = kept + duplicates + quarantined + dead_lettered + erased + waiting + difference.

    `counted` of the kept ones count as plays; `in_rows` are the counted plays of the live taste rows.
    """

    accepted: int = 0
    imported: int = 0
    kept: int = 0
    duplicates: int = 0
    quarantined: int = 0
    dead_lettered: int = 0
    erased: int = 0
    waiting: int = 0
    counted: int = 0
    in_rows: int | None = None

    @property
    def told(self) -> int:
        """All that must be somewhere."""
        return self.accepted + self.imported

    @property
    def there(self) -> int:
        """All that is somewhere."""
        return self.kept + self.duplicates + self.quarantined + self.dead_lettered + self.erased + self.waiting

    @property
    def difference(self) -> int:
        """How many are lost, or, below 0, are there more often than they were told."""
        return self.told - self.there


class Books(msgspec.Struct):
    """Lines by day, what each store holds, and how far the lake and its tables are behind."""

    days: dict[str, Line]
    log: dict[str, int]
    lake: dict[str, int]
    behind: dict[str, int]


class TablesForgotten(Exception):
    """core.plays was made from versions whose files retention has taken: says what to run."""


def books(lake: Lake, log: Log, scratch: Path) -> Books:
    """The books at this moment, from one pass over the log and the tables as they are.

    Raises `TablesForgotten` and `LakeBroken`.
    """
    at = {table.name: lake.version(table) for table in (CORE_PLAYS, RAW_PLAYS)}  # in this order: one rests on the other
    held = _write_tellings(log, landed_offsets(lake, at), scratch)
    with duckdb.connect(config={"temp_directory": str(scratch / "spill")}) as engine:
        try:
            _bind(engine, lake, log, at, scratch)
            engine.execute(_FATES)
            days: dict[str, Line] = {}
            for term, query in _TERMS.items():
                for day, count in engine.execute(f"FROM ({query}) AS told(day, plays) WHERE plays > 0").fetchall():
                    line = days.setdefault(UNKNOWN if day is None else str(day), Line())
                    setattr(line, term, getattr(line, term) + count)
            behind = dict(engine.execute(_BEHIND).fetchall())
        except (FileNotFoundError, duckdb.IOException) as error:
            raise TablesForgotten(f"the versions that core.plays was made from are gone ({error})") from error
        except duckdb.Error as error:
            raise LakeBroken.by(error, f"closing the books of the lake at {lake.url}") from error
    tables = (RAW_PLAYS, CORE_PLAYS, RAW_QUARANTINE, RAW_DEADLETTERS, RAW_ERASURES)
    return Books(dict(sorted(days.items())), held, {table.name: lake.count(table) for table in tables}, behind)


def _write_tellings(log: Log, landed: Mapping[str, int], scratch: Path) -> dict[str, int]:
    """Every play on the log, and what could not be read as one, as Parquet; how many there are."""
    held = {"plays": 0, "refused": 0, "records": 0}
    refused: list[tuple[Any, ...]] = []
    with pq.ParquetWriter(scratch / "tellings.parquet", _TELLINGS) as writer:
        batch: list[tuple[Any, ...]] = []
        for partition in range(PLAYS.partitions):
            end = landed.get(topic_partition(PLAYS.name, partition), -1)
            for record in every_record(log, PLAYS, partition):
                waits = record.offset > end
                plays = [event for event in record.events if isinstance(event, Play)]
                batch += [(play.listener_id, play.play_id, play.received_ms, play.started_ms, waits) for play in plays]
                refused += [
                    (partition, record.offset, one.position, listener_of(one.content), waits) for one in record.refused
                ]
                held["plays"] += len(plays)
                held["records"] += 1
                if len(batch) >= _TELLINGS_A_BATCH:
                    writer.write_table(table_of(batch, _TELLINGS))
                    batch.clear()
        writer.write_table(table_of(batch, _TELLINGS))
    pq.write_table(table_of(refused, _REFUSED), scratch / "refused.parquet")
    held["refused"] = len(refused)
    return held


def _bind(engine: duckdb.DuckDBPyConnection, lake: Lake, log: Log, at: Mapping[str, int | None], scratch: Path) -> None:
    """The tables as they are, and as they were when core.plays was last made from them."""
    made = at[CORE_PLAYS.name]
    inputs = {} if made is None else lake.commit_metadata(CORE_PLAYS, at=made).get("inputs", {})
    for name, table in (
        ("raw", RAW_PLAYS),
        ("erasures", RAW_ERASURES),
        ("core", CORE_PLAYS),
        ("quarantine", RAW_QUARANTINE),
        ("letters", RAW_DEADLETTERS),
    ):
        engine.register(name, _rows(lake, table, at.get(table.name)))
    for name, table in (("known_raw", RAW_PLAYS), ("known_erasures", RAW_ERASURES), ("tracks", CORE_TRACKS)):
        version = inputs.get(table.name)
        engine.register(name, table.schema.empty_table() if version is None else lake.dataset(table, version))
    for name in ("tellings", "refused"):
        path = text_literal(scratch / f"{name}.parquet")
        engine.execute(f"CREATE VIEW {name} AS FROM read_parquet({path})")
    _bind_trimmed(engine, log)


def _bind_trimmed(engine: duckdb.DuckDBPyConnection, log: Log) -> None:
    """Listeners of whom the log's beginning may have told more than it does now, and where letters begin to miss."""
    begins = log.begin(PLAYS)
    trimmed = {partition for partition, first in begins.items() if first > 0}
    listeners: list[str] = []
    if trimmed:
        everybody = engine.execute("SELECT DISTINCT listener_id FROM raw WHERE import_id IS NULL").fetchall()
        listeners = [who for (who,) in everybody if partition_of(who, PLAYS.partitions) in trimmed]
    engine.register("trimmed", pa.table({"listener_id": pa.array(listeners, pa.string())}))
    schema = pa.schema([("partition", pa.int32()), ("first", pa.int64())])
    engine.register("begins", pa.table([list(begins), list(begins.values())], schema=schema))


def _rows(lake: Lake, table: Table, version: int | None) -> Any:
    return lake.dataset(table, version) if lake.exists(table) else table.schema.empty_table()


# `n` tells rows of one key apart: the first telling of a key is the first row of it, the second the second.
_FATES = f"""
CREATE MACRO day_of(ms) AS CAST(make_timestamp_ms(ms) AS DATE);
CREATE TABLE told AS SELECT *, row_number() OVER (PARTITION BY listener_id, play_id, received_ms) AS n FROM tellings;
CREATE TABLE landed AS SELECT listener_id, play_id, received_ms, started_ms, import_id, source_track_id,
    row_number() OVER (PARTITION BY listener_id, play_id, received_ms) AS n FROM raw;
CREATE TABLE made_of AS SELECT listener_id, play_id, received_ms,
    row_number() OVER (PARTITION BY listener_id, play_id, received_ms) AS n FROM known_raw;
CREATE TABLE single AS SELECT DISTINCT listener_id, play_id FROM erasures WHERE play_id IS NOT NULL;
CREATE TABLE whole AS
    SELECT listener_id, max(received_ms) AS erased_ms FROM erasures WHERE play_id IS NULL GROUP BY ALL;
CREATE TABLE known_single AS SELECT DISTINCT listener_id, play_id FROM known_erasures WHERE play_id IS NOT NULL;
CREATE TABLE known_whole AS
    SELECT listener_id, max(received_ms) AS erased_ms FROM known_erasures WHERE play_id IS NULL GROUP BY ALL;
CREATE TABLE kept AS SELECT listener_id, play_id, track_id, started_ms, counts FROM core;

-- Each telling on the log: landed as a row, waiting, taken back, told before, or lost.
CREATE TABLE told_fates AS SELECT day_of(told.started_ms) AS day, CASE
    WHEN waits THEN 'waiting'
    WHEN landed.listener_id IS NOT NULL THEN 'landed'
    WHEN told.received_ms <= whole.erased_ms THEN 'erased'
    WHEN (told.listener_id, told.play_id) IN (SELECT (listener_id, play_id) FROM landed) THEN 'duplicate'
    WHEN (told.listener_id, told.play_id) IN (SELECT (listener_id, play_id) FROM single) THEN 'erased'
    ELSE 'lost' END AS fate
FROM told LEFT JOIN landed USING (listener_id, play_id, received_ms, n) LEFT JOIN whole USING (listener_id);

-- Each row of raw.plays: kept, another telling of one that is kept, taken back, waiting for the tables, or lost.
CREATE TABLE raw_fates AS
WITH judged AS (
    SELECT landed.*, coalesce(tracks.track_id, landed.source_track_id) AS track_id, CASE
        WHEN made_of.listener_id IS NULL THEN 'waiting'
        WHEN landed.received_ms <= known_whole.erased_ms THEN 'erased'
        WHEN (landed.listener_id, landed.play_id) IN (SELECT (listener_id, play_id) FROM known_single) THEN 'erased'
        ELSE 'made' END AS fate
    FROM landed LEFT JOIN made_of USING (listener_id, play_id, received_ms, n)
    LEFT JOIN known_whole USING (listener_id) LEFT JOIN tracks USING (source_track_id)
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY listener_id, play_id, fate ORDER BY received_ms, n) AS telling FROM judged
), near AS (
    SELECT DISTINCT numbered.listener_id, numbered.play_id FROM numbered JOIN kept
    ON numbered.listener_id = kept.listener_id AND numbered.track_id = kept.track_id
    AND abs(numbered.started_ms - kept.started_ms) < {SAME_PLAY_MS} WHERE fate = 'made'
)
SELECT listener_id, play_id, received_ms, n, day_of(started_ms) AS day, import_id, CASE
    WHEN fate <> 'made' THEN fate
    WHEN telling = 1 AND (listener_id, play_id) IN (SELECT (listener_id, play_id) FROM kept) THEN 'kept'
    WHEN (listener_id, play_id) IN (SELECT (listener_id, play_id) FROM near) THEN 'duplicate'
    ELSE 'lost' END AS fate
FROM numbered;

-- Kept plays that have been taken back, and have left raw.plays, since the tables were made.
CREATE TABLE leaving AS SELECT kept.listener_id, kept.play_id FROM kept ANTI JOIN landed USING (listener_id, play_id)
    WHERE (kept.listener_id, kept.play_id) IN (SELECT (listener_id, play_id) FROM single)
    OR kept.listener_id IN (SELECT listener_id FROM whole);
-- What cannot be read: the letter of each, on the log or not any more; one of a listener who was erased has gone.
CREATE TABLE play_letters AS SELECT partition, log_offset, position, true AS lettered FROM letters
    WHERE topic = '{PLAYS.name}';
CREATE TABLE unread AS SELECT refused.*, coalesce(lettered, false) AS lettered FROM refused
    LEFT JOIN play_letters USING (partition, log_offset, position);
"""  # noqa: S608  # our own names and rules
_TERMS = {
    "accepted": """
        SELECT day, count(*) FROM told_fates GROUP BY day
        UNION ALL SELECT day, count(*) FROM raw_fates ANTI JOIN told USING (listener_id, play_id, received_ms, n)
            WHERE import_id IS NULL AND listener_id IN (SELECT listener_id FROM trimmed) GROUP BY day
        UNION ALL SELECT NULL, count(*) FROM unread
        UNION ALL SELECT NULL, count(*) FROM play_letters JOIN begins USING (partition) WHERE log_offset < first
    """,
    "imported": """
        SELECT day, count(*) FROM raw_fates WHERE import_id IS NOT NULL GROUP BY day
        UNION ALL SELECT NULL, count(*) FROM quarantine
    """,
    "kept": "SELECT day_of(started_ms), count(*) FROM kept ANTI JOIN leaving USING (listener_id, play_id) GROUP BY ALL",
    "counted": "SELECT day_of(started_ms), count(*) FROM kept WHERE counts GROUP BY ALL",
    "duplicates": """
        SELECT day, count(*) FROM told_fates WHERE fate = 'duplicate' GROUP BY day
        UNION ALL SELECT day, count(*) FROM raw_fates WHERE fate = 'duplicate' GROUP BY day
    """,
    "erased": """
        SELECT day, count(*) FROM told_fates WHERE fate = 'erased' GROUP BY day
        UNION ALL SELECT day, count(*) FROM raw_fates WHERE fate = 'erased' GROUP BY day
        UNION ALL SELECT NULL, count(*) FROM unread
            WHERE NOT waits AND NOT lettered AND listener_id IN (SELECT listener_id FROM whole)
    """,
    "waiting": """
        SELECT day, count(*) FROM told_fates WHERE fate = 'waiting' GROUP BY day
        UNION ALL SELECT day, count(*) FROM raw_fates WHERE fate = 'waiting' GROUP BY day
        UNION ALL SELECT NULL, count(*) FROM unread WHERE waits AND NOT lettered
    """,
    "quarantined": "SELECT NULL, count(*) FROM quarantine",
    "dead_lettered": """
        SELECT NULL, count(*) FROM unread WHERE lettered
        UNION ALL SELECT NULL, count(*) FROM play_letters JOIN begins USING (partition) WHERE log_offset < first
    """,
}
_BEHIND = """
SELECT 'to_land', (SELECT count(*) FROM told_fates WHERE fate = 'waiting')
    + (SELECT count(*) FROM unread WHERE waits AND NOT lettered)
UNION ALL SELECT 'to_count', (SELECT count(*) FROM raw_fates WHERE fate = 'waiting')
UNION ALL SELECT 'to_take_back', (SELECT count(*) FROM leaving) + (
    SELECT count(*) FROM raw_fates LEFT JOIN whole USING (listener_id) WHERE fate = 'kept' AND
    (received_ms <= erased_ms OR (listener_id, play_id) IN (SELECT (listener_id, play_id) FROM single)))
"""
