"""What every adapter of the event log port does. An adapter's test class inherits it and gives the `log` fixture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from warehouse.events import ERASURES, PLAYS, SIGNALS, Erasure, Event, Play, Topic
from warehouse.stores.log import EventRefused, Log, Record, partition_of


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


class LogContract:
    def test_what_is_appended_is_read_back_equal(self, log: Log) -> None:
        told = Play(
            listener_id="Adá",
            received_ms=2**53 - 1,
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

    def test_closing_twice_does_nothing(self, log: Log) -> None:
        log.close()
        log.close()
