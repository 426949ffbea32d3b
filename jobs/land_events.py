"""The event log -> raw.*: what the API accepted lands in the lake, each record once.

The offsets land in the same Delta commit as the rows, an app id a topic and partition, so that a crash in between
neither loses a record nor lands one twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError

from jobs.repeats import erased_until, find_repeats
from jobs.run import JobRun
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, Erasure, Event, Impression, Play, Signal, Topic
from warehouse.stores.lake import Lake
from warehouse.stores.log import Log
from warehouse.tables import RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, RAW_SIGNALS, Table
from warehouse.tail import topic_partition

RECORDS_A_READ = 1_000
LAND_TRIES = 5


@dataclass(frozen=True)
class Landing:
    """Where a topic's events go, and the rows that one event is."""

    topic: Topic
    table: Table
    rows: Callable[[Any], Iterable[dict[str, Any]]]


def main(run: JobRun) -> None:
    """Bring every topic up to its end."""
    log = run.wiring.open_log()
    try:
        for landing in LANDINGS:
            run.tally.written += land(run.lake, log, landing)
    finally:
        log.close()


def land(lake: Lake, log: Log, landing: Landing) -> int:
    """Bring one topic up to its end; how many rows that added.

    A commit that another overtook is not tried again as it is: what has landed by now is left out of it first.
    Raises `CommitFailedError` where others are always faster.
    """
    for _ in range(LAND_TRIES - 1):
        with suppress(CommitFailedError):
            return _land_once(lake, log, landing)
    return _land_once(lake, log, landing)


def _land_once(lake: Lake, log: Log, landing: Landing) -> int:
    ends, events = _unlanded(lake, log, landing)
    if not ends:
        return 0
    rows = pa.Table.from_pylist([row for event in events for row in landing.rows(event)], landing.table.schema)
    # Read after the rows: a play told again after an erasure is on the log behind it.
    voids = {} if landing.table == RAW_ERASURES else voided_until(lake, log)
    fresh = without_repeats(lake, landing.table, rows, voids)
    lake.append(landing.table, fresh, transactions=ends)
    return int(fresh.num_rows)


def _unlanded(lake: Lake, log: Log, landing: Landing) -> tuple[dict[str, int], list[Event]]:
    """The events that the lake has not yet, and the last offset of each partition that has any, by app id."""
    ends, events = {}, []
    for partition in log.end(landing.topic):
        app_id = topic_partition(landing.topic.name, partition)
        landed = lake.transaction(landing.table, app_id)
        for offset, event in _after(log, landing.topic, partition, -1 if landed is None else landed):
            events.append(event)
            ends[app_id] = offset
    return ends, events


def landed_offsets(lake: Lake, versions: Mapping[str, int | None] | None = None) -> dict[str, int]:
    """The last offset of each `topic/partition` that the lake holds, or held in those versions of tables by name."""
    found = {}
    for landing in LANDINGS:
        version = (versions or {}).get(landing.table.name)
        for partition in range(landing.topic.partitions):
            app_id = topic_partition(landing.topic.name, partition)
            if (offset := lake.transaction(landing.table, app_id, version)) is not None:
                found[app_id] = offset
    return found


def voided_until(lake: Lake, log: Log) -> dict[str, int]:
    """When each listener last erased everything, UTC ms, by the erasures that have landed and those that have not."""
    _, waiting = _unlanded(lake, log, ERASURE_LANDING)
    return erased_until(lake, (row for event in waiting for row in ERASURE_LANDING.rows(event)))


def without_repeats(lake: Lake, table: Table, rows: pa.Table, voids: Mapping[str, int]) -> pa.Table:
    """Rows whose grain neither an earlier one of them nor the lake has already, but for what `voids` forget."""
    if not rows.num_rows:
        return rows
    placed = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    with duckdb.connect() as engine:
        engine.register("told", placed)
        find_repeats(engine, "told", lake, table, voids)
        repeated = engine.table("repeats").to_arrow_table()["place"]
    return rows.filter(pc.invert(pc.is_in(placed["place"], repeated)))


def _after(log: Log, topic: Topic, partition: int, offset: int) -> Iterator[tuple[int, Event]]:
    while records := log.read(topic, partition, after=offset, limit=RECORDS_A_READ):
        for record in records:
            yield from ((record.offset, event) for event in record.events)
        offset = records[-1].offset


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1_000, UTC).date()


def _play(play: Play) -> Iterator[dict[str, Any]]:
    row = {name: getattr(play, name) for name in play.__struct_fields__}
    yield {**row, "source_track_id": play.track_id, "day": _day(play.started_ms)}


def _signal(signal: Signal) -> Iterator[dict[str, Any]]:
    row = {name: getattr(signal, name) for name in signal.__struct_fields__}
    yield {**row, "kind": signal.kind.value, "day": _day(signal.received_ms)}


def _impression(shown: Impression) -> Iterator[dict[str, Any]]:
    for slot, (track_id, source) in enumerate(zip(shown.track_ids, shown.sources, strict=True)):
        yield {
            "impression_id": shown.impression_id,
            "listener_id": shown.listener_id,
            "shelf": shown.shelf,
            "slot": slot,
            "track_id": track_id,
            "source": source,
            "model_version": shown.model_version,
            "received_ms": shown.received_ms,
            "day": _day(shown.received_ms),
        }


def _erasure(erasure: Erasure) -> Iterator[dict[str, Any]]:
    yield {name: getattr(erasure, name) for name in erasure.__struct_fields__}


ERASURE_LANDING = Landing(ERASURES, RAW_ERASURES, _erasure)
LANDINGS = (
    Landing(PLAYS, RAW_PLAYS, _play),
    Landing(SIGNALS, RAW_SIGNALS, _signal),
    Landing(IMPRESSIONS, RAW_IMPRESSIONS, _impression),
    ERASURE_LANDING,
)
