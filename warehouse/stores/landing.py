"""The event log -> raw.*: what was accepted lands in the lake, each record once.

The offsets land in the same Delta commit as the rows, an app id a topic and partition, so that a crash in between
neither loses a record nor lands one twice. What cannot be read as an event lands in raw.deadletters, by offsets of its
own and before the rows: whatever has landed has its dead letters beside it.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError

from warehouse.events import (
    ERASURES,
    IMPRESSIONS,
    MAX_ID_CHARACTERS,
    PLAYS,
    SIGNALS,
    Erasure,
    Event,
    Impression,
    Play,
    Signal,
    Topic,
)
from warehouse.frames import Refused
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import LakeBroken
from warehouse.stores.log import Log, Record, every_record
from warehouse.stores.repeats import erased_until, find_repeats
from warehouse.tables import RAW_DEADLETTERS, RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, RAW_SIGNALS, Table
from warehouse.tail import topic_partition

EVENTS_A_COMMIT = 200_000  # they are in memory while they land
LAND_TRIES = 5
LAND_WAIT_SECONDS = 0.05  # at most, before the second try; each later one may wait twice as long
LONGEST_WAIT_SECONDS = 8 * LAND_WAIT_SECONDS
MAX_CONTENT_BYTES = 256 << 10  # of a dead letter; no event is as large
MAX_REASON_CHARACTERS = 1_000
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Landing:
    """Where a topic's events go, and the rows that one event is."""

    topic: Topic
    table: Table
    rows: Callable[[Any], Iterable[dict[str, Any]]]


class Landed(NamedTuple):
    """Rows and dead letters that came into the lake, and records that the log had forgotten before they could."""

    rows: int = 0
    dead_letters: int = 0
    missed: int = 0


@dataclass
class _Waiting:
    """Records that have not landed, taken apart; `ends` is the last offset of each place that has any, by app id."""

    ends: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    missed: int = 0

    @property
    def size(self) -> int:
        return len(self.events) + len(self.letters)

    def add(self, topic: Topic, record: Record) -> None:
        self.ends[topic_partition(topic.name, record.partition)] = record.offset
        self.events.extend(record.events)
        self.letters.extend(_letter(topic, record, refused) for refused in record.refused)


def land(lake: Lake, log: Log, landing: Landing, *, until: float = 0.0) -> Landed:
    """Bring one topic up to its end, in as many commits as its events need.

    Raises `CommitFailedError` where others are faster `LAND_TRIES` times and until then, in seconds of
    `time.monotonic`; also `LakeBroken` and `LogUnavailable`.
    """
    landed, more = Landed(), True
    while more:
        step, more = _persistently(partial(_land_next, lake, log, landing), until)
        landed = Landed(*(before + now for before, now in zip(landed, step, strict=True)))
    return landed


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
    return erased_until(lake, waiting_erasures(lake, log))


def waiting_erasures(lake: Lake, log: Log) -> list[dict[str, Any]]:
    """Rows of raw.erasures that are on the log and have yet to land."""
    waiting = _unlanded(lake, log, ERASURE_LANDING)
    return [row for event in waiting.events for row in ERASURE_LANDING.rows(event)]


def without_repeats(lake: Lake, table: Table, rows: pa.Table, voids: Mapping[str, int]) -> pa.Table:
    """Rows whose grain neither an earlier one of them nor the lake has already, but for what `voids` forget.

    Raises `LakeBroken`.
    """
    if not rows.num_rows:
        return rows
    placed = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    try:
        with duckdb.connect() as engine:
            engine.register("told", placed)
            find_repeats(engine, "told", lake, table, voids)
            repeated = engine.table("repeats").to_arrow_table()["place"]
    except duckdb.Error as error:
        raise LakeBroken.by(error, f"looking in {table.name} for what is told again") from error
    return rows.filter(pc.invert(pc.is_in(placed["place"], repeated)))


def _persistently(once: Callable[[], _Made], until: float) -> _Made:
    """A commit that another overtook is not tried again as it is: what has landed by now is left out of it first.

    Those who overtake one another wait for times of their own, so that they do not meet again.
    """
    tries, longest = 1, LAND_WAIT_SECONDS
    while tries < LAND_TRIES or time.monotonic() <= until:
        with suppress(CommitFailedError):
            return once()
        time.sleep(random.uniform(0, longest))  # noqa: S311  # chance, and no secret
        tries, longest = tries + 1, min(2 * longest, LONGEST_WAIT_SECONDS)
    return once()


def _land_next(lake: Lake, log: Log, landing: Landing) -> tuple[Landed, bool]:
    since = lake.version(landing.table)  # before the offsets are read: whoever lands them after it is noticed
    waiting = _unlanded(lake, log, landing, EVENTS_A_COMMIT)
    return _commit(lake, log, landing, waiting, since), waiting.size >= EVENTS_A_COMMIT


def _commit(lake: Lake, log: Log, landing: Landing, waiting: _Waiting, since: int | None) -> Landed:
    if not waiting.ends:
        return Landed()
    letters = _land_letters(lake, waiting)
    rows = pa.Table.from_pylist([row for event in waiting.events for row in landing.rows(event)], landing.table.schema)
    # Read after the rows: a play told again after an erasure is on the log behind it.
    voids = {} if landing.table == RAW_ERASURES else voided_until(lake, log)
    fresh = without_repeats(lake, landing.table, rows, voids)
    lake.append(landing.table, fresh, transactions=waiting.ends, since=since)
    return Landed(int(fresh.num_rows), letters, waiting.missed)


def _land_letters(lake: Lake, waiting: _Waiting) -> int:
    """Those that are not there from a try that ended before its rows had landed."""
    if not waiting.letters:
        return 0
    since = lake.version(RAW_DEADLETTERS)
    landed = {place: _landed(lake, RAW_DEADLETTERS, place) for place in waiting.ends}
    fresh = [
        letter
        for letter in waiting.letters
        if letter["log_offset"] > landed[topic_partition(letter["topic"], letter["partition"])]
    ]
    if fresh:
        ends = {place: end for place, end in waiting.ends.items() if end > landed[place]}
        letters = pa.Table.from_pylist(fresh, RAW_DEADLETTERS.schema)
        lake.append(RAW_DEADLETTERS, letters, transactions=ends, since=since)
    return len(fresh)


def _unlanded(lake: Lake, log: Log, landing: Landing, enough: int | None = None) -> _Waiting:
    """What the log holds and the lake does not yet: all of it, or about `enough`."""
    waiting = _Waiting()
    for partition in range(landing.topic.partitions):
        expected = _landed(lake, landing.table, topic_partition(landing.topic.name, partition)) + 1
        for record in every_record(log, landing.topic, partition, after=expected - 1):
            waiting.missed += record.offset - expected  # trimmed before they could land
            waiting.add(landing.topic, record)
            expected = record.offset + 1
            if enough is not None and waiting.size >= enough:
                return waiting
    return waiting


def _landed(lake: Lake, table: Table, place: str) -> int:
    offset = lake.transaction(table, place)
    return -1 if offset is None else offset


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1_000, UTC).date()


def _play(play: Play) -> Iterator[dict[str, Any]]:
    row = {name: getattr(play, name) for name in play.__struct_fields__}
    yield {**row, "source_track_id": play.track_id, "day": _day(play.started_ms)}


def _signal(signal: Signal) -> Iterator[dict[str, Any]]:
    row = {name: getattr(signal, name) for name in signal.__struct_fields__}
    yield {**row, "kind": signal.kind.value, "day": _day(signal.received_ms)}


def _impression(shown: Impression) -> Iterator[dict[str, Any]]:
    propensities = shown.propensities or repeat(None, len(shown.track_ids))
    slots = zip(shown.track_ids, shown.sources, propensities, strict=True)
    for slot, (track_id, source, propensity) in enumerate(slots):
        yield {
            "impression_id": shown.impression_id,
            "listener_id": shown.listener_id,
            "shelf": shown.shelf,
            "slot": slot,
            "track_id": track_id,
            "source": source,
            "model_version": shown.model_version,
            "propensity": propensity,
            "experiment": shown.experiment,
            "arm": shown.arm,
            "received_ms": shown.received_ms,
            "day": _day(shown.received_ms),
        }


def _erasure(erasure: Erasure) -> Iterator[dict[str, Any]]:
    yield {name: getattr(erasure, name) for name in erasure.__struct_fields__}


def _letter(topic: Topic, record: Record, refused: Refused) -> dict[str, Any]:
    return {
        "topic": topic.name,
        "partition": record.partition,
        "log_offset": record.offset,
        "position": refused.position,
        "listener_id": listener_of(refused.content),
        "reason": refused.reason[:MAX_REASON_CHARACTERS],
        "content": base64.b64encode(refused.content[:MAX_CONTENT_BYTES]).decode(),
        "content_bytes": len(refused.content),
        "received_ms": record.appended_ms,
        "replayed_ms": None,
        "day": _day(record.appended_ms),
    }


def listener_of(content: bytes) -> str | None:
    """Whom it is about, where it says so, so that an erasure reaches it."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = msgspec.msgpack.decode(content, type=dict[str, Any], strict=False)
        listener_id = told.get("listener_id")
        if isinstance(listener_id, str) and len(listener_id) <= MAX_ID_CHARACTERS:
            return listener_id
    return None


ERASURE_LANDING = Landing(ERASURES, RAW_ERASURES, _erasure)
LANDINGS = (
    Landing(PLAYS, RAW_PLAYS, _play),
    Landing(SIGNALS, RAW_SIGNALS, _signal),
    Landing(IMPRESSIONS, RAW_IMPRESSIONS, _impression),
    ERASURE_LANDING,
)
