"""What every adapter of the event log port does.

An adapter's test class inherits it and gives the fixtures `log`, whose records are appended at the time that `clock`
tells, and `put`, which writes bytes as a foreign producer would.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pytest

from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, Erasure, Event, Impression, Play, Topic
from warehouse.frames import WHOLE
from warehouse.stores.log import MAX_FRAME_BYTES, EventRefused, Log, LogStream, Record, now_ms, partition_of

Put = Callable[[Topic, int, bytes], None]
MADE_MS = 1_700_000_000_000


@dataclass
class Clock:
    """Tells what it is set to, UTC ms. It begins with the time that it is: Kafka may forget what is a month old."""

    now_ms: int = field(default_factory=now_ms)

    def __call__(self) -> int:
        return self.now_ms


def play(listener_id: str, number: int = 0) -> Play:
    return Play(
        listener_id=listener_id,
        received_ms=1_700_000_000_000 + number,
        play_id=f"{listener_id}-{number}",
        track_id="t1",
        started_ms=1_700_000_000_000 + number,
        source="backbeat",
    )


def all_of(log: Log, topic: Topic) -> list[Record]:
    return [record for partition in range(topic.partitions) for record in log.read(topic, partition)]


def shown(impression_id: str, tracks: int) -> Impression:
    return Impression(
        listener_id="ada",
        received_ms=MADE_MS,
        impression_id=impression_id,
        shelf="discover",
        model_version="m",
        track_ids=[f"{n:0>250}" for n in range(tracks)],
        sources=["als"] * tracks,
    )


class LogContract:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    def test_what_is_appended_is_read_back_equal(self, log: Log) -> None:
        told = Play(
            listener_id="Adá",
            received_ms=253_402_300_799_999,
            play_id="p",
            track_id="spotify:1",
            started_ms=0,
            source="backbeat",
            played_ms=1,
            ended_by="skip",
            country="IE",
        )
        (record,) = log.append(PLAYS, [told])
        assert record.events == (told,)
        assert log.read(PLAYS, record.partition) == [record]

    def test_offsets_are_dense_from_zero_in_each_partition(self, log: Log) -> None:
        records = [log.append(PLAYS, [play("ada", n)])[0] for n in range(5)]
        assert [record.offset for record in records] == [0, 1, 2, 3, 4]
        assert {record.partition for record in records} == {partition_of("ada", PLAYS.partitions)}

    def test_a_frame_keeps_the_order_of_its_events(self, log: Log) -> None:
        plays = [play("ada", n) for n in (3, 1, 2)]
        (record,) = log.append(PLAYS, plays)
        assert record.events == tuple(plays)

    def test_a_record_never_mixes_partitions(self, log: Log) -> None:
        plays = [play(f"listener-{n}") for n in range(40)]
        records = log.append(PLAYS, plays)
        assert len({record.partition for record in records}) == len(records) == PLAYS.partitions
        for record in records:
            assert {partition_of(event.listener_id, PLAYS.partitions) for event in record.events} == {record.partition}
        assert sum(len(record.events) for record in records) == 40

    def test_a_read_begins_after_an_offset_and_stops_at_its_limit(self, log: Log) -> None:
        appended = [log.append(PLAYS, [play("ada", n)])[0] for n in range(5)]
        partition = appended[0].partition
        assert log.read(PLAYS, partition, after=1, limit=2) == appended[2:4]
        assert log.read(PLAYS, partition, after=4) == []

    def test_topics_are_apart(self, log: Log) -> None:
        (first,) = log.append(PLAYS, [play("ada")])
        (second,) = log.append(ERASURES, [Erasure(listener_id="ada", received_ms=1, erasure_id="e")])
        assert (first.offset, second.offset) == (0, 0)
        assert log.read(SIGNALS, first.partition) == []

    def test_the_end_is_the_last_offset_of_each_partition(self, log: Log) -> None:
        assert log.end(PLAYS) == dict.fromkeys(range(PLAYS.partitions), -1)
        for n in range(3):
            log.append(PLAYS, [play("ada", n)])
        mine = partition_of("ada", PLAYS.partitions)
        assert log.end(PLAYS) == {partition: 2 if partition == mine else -1 for partition in range(PLAYS.partitions)}

    def test_the_beginning_is_the_first_offset_or_where_it_will_be(self, log: Log) -> None:
        assert log.begin(PLAYS) == dict.fromkeys(range(PLAYS.partitions), 0)
        log.append(PLAYS, [play("ada")])
        assert log.begin(PLAYS) == dict.fromkeys(range(PLAYS.partitions), 0)

    def test_a_record_knows_when_it_was_appended(self, log: Log, clock: Clock) -> None:
        (record,) = log.append(PLAYS, [play("ada")])
        assert record.appended_ms == clock.now_ms

    def test_nothing_appended_is_no_record(self, log: Log) -> None:
        assert log.append(PLAYS, []) == []
        assert all_of(log, PLAYS) == []

    def test_an_event_out_of_bounds_is_refused_with_all_that_came_along(self, log: Log) -> None:
        bad = Play(listener_id="ada", received_ms=-1, play_id="p", track_id="t", started_ms=0, source="backbeat")
        with pytest.raises(EventRefused, match=r"playback\.play\.v1.*received_ms"):
            log.append(PLAYS, [play("ada"), bad])
        assert all_of(log, PLAYS) == []

    def test_an_event_of_another_topic_is_refused(self, log: Log) -> None:
        with pytest.raises(EventRefused, match="wanted a valid Erasure"):
            log.append(ERASURES, [play("ada")])

    def test_much_becomes_records_of_a_bounded_size_in_order(self, log: Log) -> None:
        impressions = [shown(f"i{n}", 300) for n in range(10)]
        records = log.append(IMPRESSIONS, impressions)
        assert len(records) > 1
        assert [record.offset for record in records] == list(range(len(records)))
        assert [event for record in all_of(log, IMPRESSIONS) for event in record.events] == impressions

    def test_an_event_larger_than_a_record_is_refused(self, log: Log) -> None:
        with pytest.raises(EventRefused, match=r"found [\d,]+ bytes, wanted at most 524,288"):
            log.append(IMPRESSIONS, [shown("i", MAX_FRAME_BYTES // 250)])

    def test_an_event_that_cannot_be_read_is_refused_alone(self, log: Log, put: Put) -> None:
        good = play("ada", 1)
        put(PLAYS, 0, msgspec.msgpack.encode([{"listener_id": "ada"}, good]))
        log.append(PLAYS, [play("ada", 2)])
        (record,) = log.read(PLAYS, 0, limit=1)
        assert record.events == (good,)
        (refused,) = record.refused
        assert (refused.position, msgspec.msgpack.decode(refused.content)) == (0, {"listener_id": "ada"})
        assert "missing required field `received_ms`" in refused.reason
        assert play("ada", 2) in [event for record in all_of(log, PLAYS) for event in record.events]

    @pytest.mark.parametrize("content", [b"", b"not a frame", b"\x81\xa1a\x01", b"\x92\x01"])
    def test_a_record_that_is_no_frame_is_refused_as_a_whole(self, log: Log, put: Put, content: bytes) -> None:
        put(PLAYS, 1, content)
        (record,) = log.read(PLAYS, 1)
        assert record.events == ()
        assert [(refused.position, refused.content) for refused in record.refused] == [(WHOLE, content)]

    def test_concurrent_appends_lose_nothing_and_keep_each_callers_order(self, log: Log) -> None:
        def tell(caller: int) -> list[Event]:
            told = [play(f"listener-{caller}", n) for n in range(25)]
            for event in told:
                log.append(PLAYS, [event])
            return list(told)

        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(tell, range(8)))
        records = all_of(log, PLAYS)
        for partition in range(PLAYS.partitions):
            offsets = [record.offset for record in records if record.partition == partition]
            assert offsets == list(range(len(offsets)))
        heard = [event for record in records for event in record.events]
        for caller, events in enumerate(told):
            assert [event for event in heard if event.listener_id == f"listener-{caller}"] == events

    def test_what_an_append_returned_is_what_is_read(self, log: Log) -> None:
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda n: log.append(PLAYS, [play("ada", n), play("bob", n)]), range(20)))
        records = {(record.partition, record.offset): record for record in all_of(log, PLAYS)}
        assert {(r.partition, r.offset): r for some in said for r in some} == records

    def test_a_log_that_is_there_takes_appends(self, log: Log) -> None:
        LogStream(log).check()
        assert all_of(log, PLAYS) == []

    def test_a_stream_that_folds_nothing_appends(self, log: Log) -> None:
        LogStream(log).accept(PLAYS, [play("ada")])
        assert [record.events for record in all_of(log, PLAYS)] == [(play("ada"),)]

    @pytest.fixture
    def four(self, log: Log, clock: Clock) -> Log:
        """A log with four plays of one listener, appended a second apart, the last one now."""
        for number in range(4):
            log.append(PLAYS, [play("ada", number)])
            clock.now_ms += 1_000
        clock.now_ms -= 1_000
        return log

    def test_a_trim_forgets_what_was_appended_before(self, four: Log, clock: Clock) -> None:
        assert four.trim(PLAYS, before_ms=clock.now_ms - 1_000) == 2
        assert [(record.offset, record.appended_ms) for record in all_of(four, PLAYS)] == [
            (2, clock.now_ms - 1_000),
            (3, clock.now_ms),
        ]
        assert four.begin(PLAYS)[partition_of("ada", PLAYS.partitions)] == 2

    def test_a_trim_leaves_the_offsets_to_go_on(self, four: Log, clock: Clock) -> None:
        mine = partition_of("ada", PLAYS.partitions)
        assert four.trim(PLAYS, before_ms=clock.now_ms + 1) == 4
        assert (four.begin(PLAYS)[mine], four.end(PLAYS)[mine]) == (4, 3)
        assert four.append(PLAYS, [play("ada", 9)])[0].offset == 4

    def test_a_read_of_what_was_trimmed_begins_with_what_is_left(self, four: Log, clock: Clock) -> None:
        four.trim(PLAYS, before_ms=clock.now_ms - 1_000)
        assert [record.offset for record in four.read(PLAYS, partition_of("ada", PLAYS.partitions), after=0)] == [2, 3]

    def test_a_trim_of_an_empty_topic_forgets_nothing(self, log: Log) -> None:
        assert log.trim(PLAYS, before_ms=10**12) == 0

    def test_closing_twice_does_nothing(self, log: Log) -> None:
        log.close()
        log.close()
