"""What the batch writes for serving equals, listener by listener, what a plain reading of their whole history gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession

from jobs import core_plays, core_tracks, features_taste
from jobs.intervals import Days
from jobs.run import JobRun
from jobs.serving_rows import write_rows
from tests.fakes.memory_rows import MemoryRows
from tests.jobs.tables import job_run, raw_track, rows_of
from tests.streaming.batch import base_of
from tests.streaming.tastes import DAY, MIN, NOON
from warehouse.events import ERASURES, PLAYS, SIGNALS, Erasure, Event, Play, Signal, SignalKind, Topic
from warehouse.sources import SOURCES
from warehouse.stores.landing import LANDINGS, land, landed_offsets
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.tastes import Tastes
from warehouse.tables import CORE_CATALOG, CORE_PLAYS, FEATURES_TASTE, RAW_TRACKS
from warehouse.taste import BASE, CATALOG, TasteBase, TrackCard

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

TRACKS = ("t1", "t2", "t:\u00e9")
TOPICS: dict[type[Event], Topic] = {Play: PLAYS, Signal: SIGNALS, Erasure: ERASURES}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "log.db")
    yield log
    log.close()


@pytest.fixture
def run(tmp_path: Path, spark: SparkSession) -> JobRun:
    run = job_run(tmp_path, spark)
    return replace(run, wiring=replace(run.wiring, clock_ms=iter(range(1, 100)).__next__))


def history(listener_id: str, random: Random, events: int) -> list[Event]:
    """Plays around two midnights, so near that many are one play told twice; words; erasures of one and of all."""
    return [_event(listener_id, number, f"p{random.randrange(events)}", random) for number in range(events)]


def _event(listener_id: str, number: int, play_id: str, random: Random) -> Event:
    what, received_ms = random.random(), NOON + 9 * DAY + number
    who: dict[str, Any] = {"listener_id": listener_id, "received_ms": received_ms}
    if what < 0.82:
        return _play(who, play_id, random)
    if what < 0.92:
        kind = random.choice([SignalKind.LIKE, SignalKind.DISLIKE, SignalKind.DO_NOT_RECOMMEND])
        return Signal(**who, signal_id=f"s{number}", track_id=random.choice(TRACKS), kind=kind)
    return Erasure(**who, erasure_id=f"e{number}", play_id=None if what > 0.98 else play_id)


def _play(who: dict[str, Any], play_id: str, random: Random) -> Play:
    near_midnight_ms = random.choice([-2 * MIN, 0, 0, 5 * MIN]) + 13_000 * random.randrange(8)
    return msgspec.convert(
        who
        | {
            "play_id": play_id,
            "track_id": random.choice(TRACKS),
            "started_ms": NOON + DAY // 2 + near_midnight_ms,
            "source": random.choice(sorted(SOURCES)),
            "played_ms": random.choice([None, 5_000, 29_999, 30_000, 3 * MIN]),
            "track_ms": random.choice([None, 0, 50_000]),
            "ended_by": random.choice([None, "skip", "end"]),
        },
        Play,
    )


def bring_up(run: JobRun, log: SqliteLog, rows: MemoryRows) -> int:
    for landing in LANDINGS:
        land(run.lake, log, landing)
    for step in (core_tracks, core_plays, features_taste):
        step.main(run)
    return write_rows(run, rows)


def tell(log: SqliteLog, events: list[Event]) -> None:
    for event in events:
        log.append(TOPICS[type(event)], [event])


def wanted(events: list[Event], offsets: dict[str, int]) -> TasteBase:
    base = base_of(events)
    opinions = tuple(sorted(base.opinions, key=lambda opinion: opinion.track_id))
    return TasteBase(base.entries, base.recent, opinions, offsets, tuple(sorted(set(base.taken_back))))


def found(rows: MemoryRows, listener_id: str) -> TasteBase:
    base = Tastes(rows).base(listener_id, settled=False)
    return msgspec.structs.replace(base, taken_back=tuple(sorted(base.taken_back)))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_base_is_what_the_whole_history_says_however_it_was_landed(run: JobRun, log: SqliteLog, seed: int) -> None:
    random, rows = Random(seed), MemoryRows()  # noqa: S311  # a seeded history, not a secret
    histories = {f"l{n}": history(f"l{n}", random, random.randrange(1, 30)) for n in range(60)}
    for part in (slice(None, 11), slice(11, None)):
        for events in histories.values():
            tell(log, events[part])
        bring_up(run, log, rows)
    offsets = landed_offsets(run.lake)
    expected = {who: wanted(events, offsets) for who, events in histories.items()}
    there = {who: b for who, b in expected.items() if b.entries or b.recent or b.opinions}
    assert {who: found(rows, who) for who, _ in rows.scan(BASE)} == there
    assert len(there) < len(histories)  # some have erased all that they had told
    assert sum(len(base.recent) for base in there.values()) > 200


def play_of(listener_id: str, number: int) -> Play:
    started_ms = NOON + number * DAY
    return Play(
        listener_id=listener_id,
        received_ms=started_ms,
        play_id=f"p{number}",
        track_id=f"s:{number}",
        started_ms=started_ms,
        source="backbeat",
    )


def test_rows_follow_the_tables_and_rest_where_nothing_changed(run: JobRun, log: SqliteLog) -> None:
    rows = MemoryRows()
    run.lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:0", artist="A", title="One", isrc="USRC17607839")]))
    tell(log, [play_of("ada", 0), play_of("bob", 1)])
    assert bring_up(run, log, rows) == 4  # two bases, and a card by each of the names of its track
    card = rows.get(CATALOG, "isrc:USRC17607839")
    assert card is not None
    assert msgspec.msgpack.decode(card, type=TrackCard).artist == "A"
    versions = [run.lake.version(table) for table in (CORE_CATALOG, CORE_PLAYS, FEATURES_TASTE)]
    assert bring_up(run, log, rows) == 0
    assert [run.lake.version(table) for table in (CORE_CATALOG, CORE_PLAYS, FEATURES_TASTE)] == versions
    tell(log, [Erasure(listener_id="bob", received_ms=NOON + 2 * DAY, erasure_id="e")])
    assert bring_up(run, log, rows) == 3
    assert [who for who, _ in rows.scan(BASE)] == ["ada"]


def test_a_broken_row_comes_right_once_any_day_is_reopened(run: JobRun, log: SqliteLog) -> None:
    rows = MemoryRows()
    run.lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("s:0", isrc="USRC17607839")]))
    tell(log, [play_of("ada", 0)])
    bring_up(run, log, rows)
    before = found(rows, "ada")
    rows.delete(BASE, ["ada"])
    rows.put(BASE, "ada", b"\xc1", version=1)
    assert bring_up(run, log, rows) == 0
    day = max(run.lake.days(CORE_PLAYS))
    assert bring_up(replace(run, reopened=Days(day, day)), log, rows) > 0
    assert found(rows, "ada") == before
