"""The event log -> raw.*: what the API accepted lands in the lake, each record once.

The offsets land in the same Delta commit as the rows, an app id a topic and partition, so that a crash in between
neither loses a record nor lands one twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.run import JobRun
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, Erasure, Event, Impression, Play, Signal, Topic
from warehouse.stores.lake import Lake
from warehouse.stores.log import Log
from warehouse.tables import RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, RAW_SIGNALS, Table

RECORDS_A_READ = 1_000


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
    """Bring one topic up to its end; how many rows that added."""
    ends, events = {}, []
    for partition in log.end(landing.topic):
        app_id = app_id_of(landing.topic, partition)
        landed = lake.transaction(landing.table, app_id)
        for offset, event in _after(log, landing.topic, partition, -1 if landed is None else landed):
            events.append(event)
            ends[app_id] = offset
    if not ends:
        return 0
    rows = pa.Table.from_pylist([row for event in events for row in landing.rows(event)], landing.table.schema)
    fresh = without_repeats(lake, landing.table, rows)
    lake.append(landing.table, fresh, transactions=ends)
    return fresh.num_rows


def app_id_of(topic: Topic, partition: int) -> str:
    """The Delta application id under which a partition's offsets are committed."""
    return f"{topic.name}/{partition}"


def landed_offsets(lake: Lake) -> dict[str, int]:
    """The last offset of each `topic/partition` that the lake holds."""
    found = {}
    for landing in LANDINGS:
        for partition in range(landing.topic.partitions):
            app_id = app_id_of(landing.topic, partition)
            if (offset := lake.transaction(landing.table, app_id)) is not None:
                found[app_id] = offset
    return found


def without_repeats(lake: Lake, table: Table, rows: pa.Table) -> pa.Table:
    """Rows whose grain neither an earlier one of them nor the lake, on their days and those beside, has already."""
    seen = set(_known(lake, table, rows))
    keep = []
    for key in zip(*(rows[name].to_pylist() for name in table.grain), strict=True):
        keep.append(key not in seen)
        seen.add(key)
    return rows.filter(pa.array(keep, pa.bool_()))


def _known(lake: Lake, table: Table, rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    if not lake.exists(table):
        return
    days = None
    if table.daily:
        days = {day + timedelta(days=shift) for day in set(rows["day"].to_pylist()) for shift in (-1, 0, 1)}
    known = lake.read(table, days=days, columns=list(table.grain))
    yield from zip(*(known[name].to_pylist() for name in table.grain), strict=True)


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


LANDINGS = (
    Landing(PLAYS, RAW_PLAYS, _play),
    Landing(SIGNALS, RAW_SIGNALS, _signal),
    Landing(IMPRESSIONS, RAW_IMPRESSIONS, _impression),
    Landing(ERASURES, RAW_ERASURES, _erasure),
)
