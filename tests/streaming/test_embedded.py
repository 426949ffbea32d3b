from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from streaming.embedded import EmbeddedStream, OutOfStep
from streaming.settling import LOOK_EVERY
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.answers import as_read, led_to, shown
from tests.streaming.tastes import NOON, erasure, play, word
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, SignalKind, Topic
from warehouse.outcomes import OUTCOMES, outcomes_at
from warehouse.reading import CurrentTaste
from warehouse.stores.log import LogUnavailable, Record, partition_of
from warehouse.stores.rows import Move, RowBroken, Rows, RowsUnavailable
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.stores.tastes import Tastes
from warehouse.tail import topic_partition
from warehouse.taste import BASE, Entry, TasteBase
from warehouse.trending import TRENDING, HourCounts


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "log.db")
    yield log
    log.close()


@pytest.fixture
def rows() -> Rows:
    return MemoryRows()


def plays_of(rows: Rows, listener_id: str = "ada") -> Mapping[str, int]:
    return {entry.track_id: entry.plays for entry in taste_of(rows, listener_id).entries}


def taste_of(rows: Rows, listener_id: str = "ada") -> CurrentTaste:
    return Tastes(rows).now(listener_id)


def place_of(listener_id: str) -> str:
    return topic_partition(PLAYS.name, partition_of(listener_id, PLAYS.partitions))


def test_a_play_is_in_the_taste_once_it_is_accepted(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    (record,) = stream.accept(PLAYS, [play("p1", "t1")])
    assert log.read(PLAYS, record.partition) == [record]
    assert plays_of(rows) == {"t1": 1}


def test_an_opinion_is_in_the_taste_once_it_is_accepted(log: SqliteLog, rows: Rows) -> None:
    EmbeddedStream(log, rows).accept(SIGNALS, [word("t1", SignalKind.DO_NOT_RECOMMEND)])
    assert taste_of(rows).opinions["t1"].kind == SignalKind.DO_NOT_RECOMMEND


def test_a_play_accepted_twice_counts_once(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    for _ in range(2):
        stream.accept(PLAYS, [play("p1")])
    assert plays_of(rows) == {"t1": 1}


def test_each_listener_of_a_batch_gets_their_own_plays(log: SqliteLog, rows: Rows) -> None:
    listeners = [f"listener-{n}" for n in range(20)]
    EmbeddedStream(log, rows).accept(PLAYS, [play(f"p-{who}", f"t-{who}", listener_id=who) for who in listeners])
    assert [plays_of(rows, who) for who in listeners] == [{f"t-{who}": 1} for who in listeners]


def test_an_impression_and_the_play_that_names_it_are_in_the_outcomes_and_a_play_in_what_trends(
    log: SqliteLog, rows: Rows
) -> None:
    stream = EmbeddedStream(log, rows)
    stream.accept(IMPRESSIONS, [shown("i", "t0", "t1")])
    stream.accept(PLAYS, [led_to("p", "t0", "i")])
    (found,) = outcomes_at(as_read(rows.get(OUTCOMES, "ada") or b""), NOON, {})
    assert [slot.outcome for slot in found.slots] == ["played", "open"]
    counts = msgspec.msgpack.decode(next(rows.scan(TRENDING))[1], type=HourCounts)
    assert counts.tracks == {"t0": (1, 0)}


def test_what_was_appended_and_not_folded_is_folded_on_start(log: SqliteLog, rows: Rows) -> None:
    log.append(PLAYS, [play("p1", "t1")])
    log.append(PLAYS, [play("p2", "t2")])
    EmbeddedStream(log, rows)
    assert plays_of(rows) == {"t1": 1, "t2": 1}


def test_a_start_folds_nothing_twice(log: SqliteLog, rows: Rows) -> None:
    first = EmbeddedStream(log, rows)
    for number in range(100):  # more than the records between two notes of how far the fold is
        first.accept(PLAYS, [play(f"p{number}", "t1", NOON + number * 120_000)])
    EmbeddedStream(log, rows)
    assert plays_of(rows) == {"t1": 100}


def test_a_start_after_a_close_reads_no_record_again(log: SqliteLog, rows: Rows) -> None:
    first = EmbeddedStream(log, rows)
    first.accept(PLAYS, [play("p1")])
    first.close()
    rows.delete("taste.tail", ["ada"])
    EmbeddedStream(log, rows)
    assert plays_of(rows) == {}


def test_a_record_that_another_appended_first_is_folded_too(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    log.append(PLAYS, [play("p1", "t1")])  # appended by a process that died before its fold
    stream.accept(PLAYS, [play("p2", "t2")])
    assert plays_of(rows) == {"t1": 1, "t2": 1}


def test_two_streams_on_one_log_lose_nothing(log: SqliteLog, rows: Rows, tmp_path: Path) -> None:
    streams = [EmbeddedStream(log, rows, lock_path=tmp_path / "stream.lock") for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: streams[n % 2].accept(PLAYS, [play(f"p{n}", f"t{n}")]), range(60)))
    assert plays_of(rows) == {f"t{n}": 1 for n in range(60)}
    for stream in streams:
        stream.close()


def test_a_stream_that_missed_trimmed_records_goes_on_from_what_another_folded(tmp_path: Path, rows: Rows) -> None:
    now_ms = NOON
    log = SqliteLog(tmp_path / "log.db", clock=lambda: now_ms)
    idle, busy = EmbeddedStream(log, rows), EmbeddedStream(log, rows)
    idle.accept(PLAYS, [play("p0", "t0")])
    busy.accept(PLAYS, [play("p1", "t1")])
    now_ms += 1
    busy.accept(PLAYS, [play("p2", "t2")])
    log.trim(PLAYS, now_ms)
    idle.accept(PLAYS, [play("p3", "t3")])
    assert plays_of(rows) == {f"t{n}": 1 for n in range(4)}
    log.close()


def test_threads_that_accept_at_once_lose_nothing(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: stream.accept(PLAYS, [play(f"p{n}", f"t{n}")]), range(100)))
    assert plays_of(rows) == {f"t{n}": 1 for n in range(100)}


def test_events_that_a_new_base_holds_leave_the_tail(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    (record,) = stream.accept(PLAYS, [play("p1", "t1")])
    base = TasteBase((Entry("t1", 20_000, 1, 0, "p1", NOON),), offsets={place_of("ada"): record.offset})
    Tastes(rows).publish({"ada": base}, version=1)
    assert plays_of(rows) == {"t1": 1}
    stream.accept(PLAYS, [play(f"p{n}", f"t{n}") for n in range(2, 2 + LOOK_EVERY)])
    assert {event.offset for event in Tastes(rows).tail("ada").events} == {1}
    assert len(plays_of(rows)) == 1 + LOOK_EVERY


def test_erasing_everything_empties_tail_and_base(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    Tastes(rows).publish({"ada": TasteBase((Entry("t1", 20_000, 5, 0, "p1", NOON),))}, version=1)
    stream.accept(PLAYS, [play("p2", "t2")])
    stream.accept(ERASURES, [erasure()])
    assert rows.get(BASE, "ada") is None
    assert plays_of(rows) == {}
    assert [event.heard for event in Tastes(rows).tail("ada").events] == [None]


def test_a_base_that_knows_nothing_of_an_erasure_stays_unread(log: SqliteLog, rows: Rows) -> None:
    stream = EmbeddedStream(log, rows)
    stream.accept(ERASURES, [erasure()])
    late = TasteBase((Entry("t1", 20_000, 5, 0, "p1", NOON),))  # of a run that began before the erasure
    Tastes(rows).publish({"ada": late}, version=1)
    assert plays_of(rows) == {}


def test_an_erasure_that_was_folded_leaves_a_later_base_alone(log: SqliteLog, rows: Rows) -> None:
    first = EmbeddedStream(log, rows)
    (record,) = first.accept(ERASURES, [erasure()])
    offsets = {topic_partition(ERASURES.name, record.partition): record.offset}
    Tastes(rows).publish({"ada": TasteBase((Entry("t9", 20_001, 1, 0, "p9", NOON),), offsets=offsets)}, version=1)
    log.append(ERASURES, [erasure("some play")])
    EmbeddedStream(log, rows)
    assert plays_of(rows) == {"t9": 1}


class _RowsThatFailOnce(MemoryRows):
    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def move(self, table: str, rows: Mapping[str, Move]) -> frozenset[str]:
        if self.fails:
            self.fails = False
            raise RowsUnavailable("the rows are away")
        return super().move(table, rows)


def test_what_could_not_be_folded_is_folded_with_the_next_event(log: SqliteLog) -> None:
    rows = _RowsThatFailOnce()
    stream = EmbeddedStream(log, rows)
    rows.fails = True
    with pytest.raises(RowsUnavailable):
        stream.accept(PLAYS, [play("p1", "t1")])
    stream.accept(PLAYS, [play("p2", "t2")])
    assert plays_of(rows) == {"t1": 1, "t2": 1}


class _LogThatCannotBeRead(SqliteLog):
    fails = False

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        if self.fails:
            raise LogUnavailable("the log cannot be read")
        return super().read(topic, partition, after=after, limit=limit)


def test_behind_a_broken_row_all_is_accepted_and_folded_once_it_is_deleted(log: SqliteLog, rows: Rows) -> None:
    rows.put(OUTCOMES, "ada", b"\xc1", version=1)
    stream = EmbeddedStream(log, rows)
    for name in ("i1", "i2"):
        with pytest.raises(RowBroken, match=f"row 'ada' of {OUTCOMES} is broken"):
            stream.accept(IMPRESSIONS, [shown(name)])
    rows.delete(OUTCOMES, ["ada"])
    stream.accept(IMPRESSIONS, [shown("i3")])
    found = outcomes_at(as_read(rows.get(OUTCOMES, "ada") or b""), NOON, {})
    assert {one.impression_id for one in found} == {"i1", "i2", "i3"}


def test_events_that_the_log_has_are_accepted_though_it_cannot_be_read(tmp_path: Path, rows: Rows) -> None:
    with closing(_LogThatCannotBeRead(tmp_path / "log.db")) as log:
        stream = EmbeddedStream(log, rows)
        log.append(PLAYS, [play("p1", "t1")])  # by another process, so that this one has to read it
        log.fails = True
        with pytest.raises(RowsUnavailable, match="not folded yet"):
            stream.accept(PLAYS, [play("p2", "t2")])
        log.fails = False
        stream.accept(PLAYS, [play("p3", "t3")])
    assert plays_of(rows) == {"t1": 1, "t2": 1, "t3": 1}


def test_rows_ahead_of_the_log_are_refused(log: SqliteLog, rows: Rows, tmp_path: Path) -> None:
    stream = EmbeddedStream(log, rows)
    stream.accept(PLAYS, [play("p1")])
    stream.close()
    another = SqliteLog(tmp_path / "another.db")
    with pytest.raises(OutOfStep, match=r"the log ends at -1, the rows have folded 0"):
        EmbeddedStream(another, rows)
    another.close()


_ACCEPTS_FOREVER = """
import sys
from pathlib import Path
from streaming.embedded import EmbeddedStream
from tests.streaming.tastes import play
from warehouse.events import PLAYS
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows

home = Path(sys.argv[1])
stream = EmbeddedStream(SqliteLog(home / "log.db"), SqliteRows(home / "rows.db"))
number = 0
while True:
    stream.accept(PLAYS, [play(f"p{number}", f"t{number}")])
    print(number, flush=True)
    number += 1
"""


def test_a_sigkill_between_append_and_fold_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _ACCEPTS_FOREVER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    accepted = [int(child.stdout.readline()) for _ in range(90)][-1]
    child.send_signal(signal.SIGKILL)
    accepted = max([accepted, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    log, rows = SqliteLog(tmp_path / "log.db"), SqliteRows(tmp_path / "rows.db")
    EmbeddedStream(log, rows).close()
    on_the_log = {
        event.track_id: 1
        for partition in range(PLAYS.partitions)
        for record in log.read(PLAYS, partition)
        for event in record.events
        if isinstance(event, type(play("p")))
    }
    assert plays_of(rows) == on_the_log
    assert len(on_the_log) > accepted
    log.close()
    rows.close()
