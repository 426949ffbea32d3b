"""The raw tables as they were when the log had landed up to some offsets, and what the log itself no longer tells.

Rows of raw.* do not say where on the log they were. So those that the log names beyond the offsets are left out, by
listener, id and time of arrival; and where the log's beginning was trimmed, rows that the rest of it does not tell are
taken from the lake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from warehouse.events import (
    ERASURES,
    IMPRESSIONS,
    PLAYS,
    SIGNALS,
    TOPICS,
    Event,
    Play,
    Topic,
)
from warehouse.stores.duckdb_inputs import table_of, text_literal
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS
from warehouse.stores.log import Log, every_record, partition_of
from warehouse.stores.repeats import TakenBack
from warehouse.tables import CORE_TRACKS
from warehouse.tail import topic_partition

SEEDS_A_RECORD = 500
NO_TRACKS = -1  # in place of a version of core.tracks: tracks keep the names that they were told by
_TABLES = {landing.topic: landing.table for landing in LANDINGS}
_IDS: Mapping[Topic, str] = {
    PLAYS: "play_id",
    SIGNALS: "signal_id",
    IMPRESSIONS: "impression_id",
    ERASURES: "erasure_id",
}
_WHOLE_IMPRESSIONS = """(
    SELECT listener_id, received_ms, impression_id, any_value(shelf) AS shelf,
           any_value(model_version) AS model_version, any_value(experiment) AS experiment, any_value(arm) AS arm,
           list(track_id ORDER BY slot) AS track_ids, list(source ORDER BY slot) AS sources,
           CASE WHEN bool_and(propensity IS NOT NULL) THEN list(propensity ORDER BY slot) END AS propensities
    FROM impressions GROUP BY listener_id, received_ms, impression_id
)"""
_KEYS = pa.schema([("listener_id", pa.string()), ("id", pa.string()), ("received_ms", pa.int64())])
_KEYS_A_BATCH = 50_000


class CutRefused(Exception):
    """The lake or the log cannot be looked at as of those offsets; says which and why."""


class Seed(NamedTuple):
    """A record of what the log does not tell, at a place of its own; `at_ms` is when it was received."""

    at_ms: int
    place: str
    offset: int
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Cut:
    """`folder` has plays, signals, impressions, erasures and tracks as Parquet.

    `trimmed` says where a shortened log begins.
    """

    folder: Path
    offsets: Mapping[str, int]
    trimmed: Mapping[str, int]

    def path(self, name: str) -> str:
        """Where one of them is."""
        return str(self.folder / f"{name}.parquet")

    def seeds(self, topics: Iterable[Topic] = TOPICS, *, imports: bool = True) -> Iterator[Seed]:
        """What the log does not tell, in order of arrival: imports, and what a trimmed part has landed."""
        for topic in topics:
            yield from _seeds(topic, self.folder / f"{topic.name}.seeds.parquet", imports=imports)

    def taken_back(self) -> TakenBack:
        """What was erased up to the offsets."""
        return TakenBack.by(pq.read_table(self.path("erasures")).to_pylist())

    def newest_ms(self) -> int:
        """When the newest play or impression was received, UTC ms; 0 where there is none."""
        files = [self.path("plays"), self.path("impressions")]
        (found,) = duckdb.read_parquet(files, union_by_name=True).aggregate("max(received_ms)").fetchall()
        return int(found[0] or 0)

    def names(self) -> Mapping[str, str]:
        """The track_id behind each name that is not one itself."""
        known = pq.read_table(self.path("tracks"))
        pairs = zip(known["source_track_id"].to_pylist(), known["track_id"].to_pylist(), strict=True)
        return {name: track_id for name, track_id in pairs if name != track_id}


def cut(
    lake: Lake,
    log: Log,
    offsets: Mapping[str, int],
    folder: Path,
    *,
    imports: Collection[str] | None = None,
    tracks: int | None = None,
) -> Cut:
    """The raw tables at these offsets, written into `folder`; a place that is not named has nothing.

    `imports` are those whose plays are there, all by default; `tracks` is the version of core.tracks, the newest by
    default. Raises `CutRefused`.
    """
    begins = {
        topic_partition(topic.name, partition): first
        for topic in TOPICS
        for partition, first in log.begin(topic).items()
    }
    trimmed = {place: first for place, first in begins.items() if first > 0}
    if early := [place for place, first in trimmed.items() if offsets.get(place, -1) < first - 1]:
        raise CutRefused(f"{early[0]} begins at {begins[early[0]]} by now: the lake cannot be cut before that")
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        _bind_tracks(engine, lake, tracks, folder)
        earlier = False  # whether erasures have landed since, and let plays be told again
        for topic in (ERASURES, PLAYS, SIGNALS, IMPRESSIONS):
            _bind_keys(engine, log, topic, offsets, folder)
            _cut_table(engine, lake, topic, imports, folder, once=earlier)
            earlier |= topic is ERASURES and bool(engine.execute("SELECT 1 FROM beyond LIMIT 1").fetchall())
            _cut_seeds(engine, topic, trimmed, folder)
    return Cut(folder, dict(offsets), trimmed)


def _bind_tracks(engine: duckdb.DuckDBPyConnection, lake: Lake, version: int | None, folder: Path) -> None:
    none = version == NO_TRACKS or not lake.exists(CORE_TRACKS)
    rows = CORE_TRACKS.schema.empty_table() if none else lake.dataset(CORE_TRACKS, version)
    engine.register("core_tracks", rows)
    _write(engine, "FROM core_tracks", folder / "tracks.parquet")


def _bind_keys(
    engine: duckdb.DuckDBPyConnection, log: Log, topic: Topic, offsets: Mapping[str, int], folder: Path
) -> None:
    """The keys of what the log tells up to the offsets, and beyond them, as the views `told` and `beyond`."""
    path = folder / f"{topic.name}.keys.parquet"
    schema = _KEYS.append(pa.field("within", pa.bool_()))
    with pq.ParquetWriter(path, schema) as writer:
        batch: list[tuple[Any, ...]] = []
        for partition in range(topic.partitions):
            end = offsets.get(topic_partition(topic.name, partition), -1)
            for record in every_record(log, topic, partition):
                batch += [(*_key(topic, event), record.offset <= end) for event in record.events]
                if len(batch) >= _KEYS_A_BATCH:
                    writer.write_table(table_of(batch, schema))
                    batch.clear()
        writer.write_table(table_of(batch, schema))
    for name, within in (("told", "within"), ("beyond", "NOT within")):
        engine.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT DISTINCT listener_id, id AS {_IDS[topic]}, received_ms "  # noqa: S608  # our own names
            f"FROM read_parquet({text_literal(path)}) WHERE {within}"
        )


def _key(topic: Topic, event: Event) -> tuple[str, str, int]:
    return event.listener_id, getattr(event, _IDS[topic]), event.received_ms


def _cut_table(
    engine: duckdb.DuckDBPyConnection,
    lake: Lake,
    topic: Topic,
    imports: Collection[str] | None,
    folder: Path,
    *,
    once: bool,
) -> None:
    """As it would have landed at those offsets, without what was told beyond them; `once`, each fact the first time."""
    table, name = _TABLES[topic], _name(topic)
    rows: Any = lake.dataset(table) if lake.exists(table) else table.schema.empty_table()
    engine.register("raw", rows)
    landed = _landed(topic)
    if topic is PLAYS:
        listed = ", ".join(f"'{known}'" for known in sorted(imports or ())) or "''"
        landed = f"CASE WHEN import_id IS NULL THEN {landed} ELSE {imports is None} OR import_id IN ({listed}) END"
    query = f"SELECT * FROM raw WHERE {landed}"  # noqa: S608  # our own names
    if once:
        grain = ", ".join(table.grain)
        query = (
            f"SELECT raw.* FROM ({query}) raw LEFT JOIN voids USING (listener_id) QUALIFY row_number() OVER "  # noqa: S608  # our own names
            f"(PARTITION BY {grain}, coalesce(received_ms <= erased_ms, false) ORDER BY received_ms) = 1"
        )
    path = folder / f"{name}.parquet"
    _write(engine, query, path)
    engine.execute(f"CREATE VIEW {name} AS FROM read_parquet({text_literal(path)})")
    if topic is ERASURES:
        engine.execute(
            "CREATE VIEW voids AS SELECT listener_id, max(received_ms) AS erased_ms FROM erasures "
            "WHERE play_id IS NULL GROUP BY listener_id"
        )


def _landed(topic: Topic) -> str:
    """The condition that a row was told up to the offsets, or the log does not say where."""
    key = f"(listener_id, {_IDS[topic]}, received_ms)"
    return f"({key} NOT IN (SELECT {key} FROM beyond) OR {key} IN (SELECT {key} FROM told))"  # noqa: S608  # our own names


def _cut_seeds(engine: duckdb.DuckDBPyConnection, topic: Topic, trimmed: Mapping[str, int], folder: Path) -> None:
    name = _name(topic)
    lost = [part for part in range(topic.partitions) if topic_partition(topic.name, part) in trimmed]
    imported = "import_id IS NOT NULL" if topic is PLAYS else "false"
    forgotten = "false"
    if lost:
        listeners = [who for (who,) in engine.execute(f"SELECT DISTINCT listener_id FROM {name}").fetchall()]  # noqa: S608
        gone = [who for who in listeners if partition_of(who, topic.partitions) in lost]
        engine.register("of_lost", pa.table({"listener_id": pa.array(gone, pa.string())}))
        key = f"(listener_id, {_IDS[topic]}, received_ms)"
        forgotten = f"listener_id IN (FROM of_lost) AND {key} NOT IN (SELECT {key} FROM told)"  # noqa: S608
    order = "received_ms, started_ms, play_id" if topic is PLAYS else f"received_ms, {_IDS[topic]}"
    rows = _WHOLE_IMPRESSIONS if topic is IMPRESSIONS else name
    query = f"SELECT * FROM {rows} WHERE {imported} OR ({forgotten}) ORDER BY {order}"  # noqa: S608  # our own names
    _write(engine, query, folder / f"{topic.name}.seeds.parquet")


def _write(engine: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    engine.execute(f"COPY ({query}) TO {text_literal(path)} (FORMAT parquet)")


def _seeds(topic: Topic, path: Path, *, imports: bool) -> Iterator[Seed]:
    place, offset = f"lake/{topic.name}", 0
    chosen = ds.field("import_id").is_null() if topic is PLAYS and not imports else None
    for batch in ds.dataset(path).to_batches(filter=chosen, batch_size=SEEDS_A_RECORD):
        events = [_event(topic, row) for row in batch.to_pylist()]
        start = 0
        for end in range(1, len(events) + 1):
            if end == len(events) or events[end].received_ms != events[start].received_ms:
                yield Seed(events[start].received_ms, place, offset, tuple(events[start:end]))
                start, offset = end, offset + 1


def _event(topic: Topic, row: dict[str, Any]) -> Event:
    if topic is PLAYS:
        return msgspec.convert({**row, "track_id": row["source_track_id"]}, Play)
    return msgspec.convert(row, topic.event)


def _name(topic: Topic) -> str:
    return _TABLES[topic].name.removeprefix("raw.")
