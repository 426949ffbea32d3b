from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError, KafkaException

from tests.contracts.log import play
from tests.fakes.producer import FakeProducer, fatal
from warehouse.events import PLAYS, Play
from warehouse.frames import decoded
from warehouse.stores.kafka_sender import Sender
from warehouse.stores.log import MAX_FRAME_BYTES, LogUnavailable, Record, framed, partition_of


@contextmanager
def sending(*producers: FakeProducer, linger_seconds: float = 0.0) -> Iterator[Sender]:
    made = iter(producers)
    sender = Sender(lambda: next(made), lambda: 7, linger_seconds=linger_seconds)
    try:
        yield sender
    finally:
        sender.close(0.1)


def send(sender: Sender, *plays: Play, seconds: float = 5) -> list[Record]:
    return sender.send(PLAYS, framed(PLAYS, plays), seconds)


def test_a_caller_is_told_where_its_events_are_when_they_are_acknowledged() -> None:
    producer = FakeProducer()
    with sending(producer) as sender:
        (record,) = send(sender, play("ada", 1), play("ada", 2))
    assert record == Record(partition_of("ada", PLAYS.partitions), 0, 7, (play("ada", 1), play("ada", 2)))
    (produced,) = producer.produced
    assert (produced.topic, produced.partition, produced.timestamp) == (PLAYS.name, record.partition, 7)
    assert decoded(PLAYS, produced.value).events == record.events


def test_callers_that_meet_share_a_record_a_partition() -> None:
    producer = FakeProducer()
    with sending(producer, linger_seconds=0.3) as sender, ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda n: send(sender, play("ada", n))[0], range(20)))
    assert len(producer.produced) == 1
    assert {record.offset for record in told} == {0}
    assert sorted(event.received_ms for event in told[0].events) == [play("ada", n).received_ms for n in range(20)]


def test_a_record_takes_no_more_than_its_bound() -> None:
    producer = FakeProducer()
    many = [play("a" * 250, n) for n in range(600)]  # some 420 KB
    with sending(producer, linger_seconds=0.3) as sender, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: send(sender, *many), range(3)))
    assert len(producer.produced) == 3
    assert max(len(produced.value) for produced in producer.produced) <= MAX_FRAME_BYTES


def test_what_nobody_acknowledges_is_unavailable_in_time_and_said_to_be_unknown() -> None:
    began = time.monotonic()
    with sending(FakeProducer(answers=False)) as sender, pytest.raises(LogUnavailable, match="not known"):
        send(sender, play("ada"), seconds=0.2)
    assert time.monotonic() - began < 2


def test_what_is_not_delivered_is_unavailable_and_the_next_may_be() -> None:
    producer = FakeProducer()
    with sending(producer) as sender:
        producer.fails = KafkaError(KafkaError._MSG_TIMED_OUT, "Local: Message timed out")
        with pytest.raises(LogUnavailable, match="Local: Message timed out"):
            send(sender, play("ada"))
        producer.fails = None
        assert len(send(sender, play("ada"))) == 1


def test_a_caller_of_whose_records_several_fail_is_told_once_and_the_next_is_served() -> None:
    producer = FakeProducer()
    everywhere = [play(f"listener-{n}") for n in range(40)]
    with sending(producer) as sender:
        producer.fails = KafkaError(KafkaError._MSG_TIMED_OUT, "Local: Message timed out")
        with pytest.raises(LogUnavailable):
            send(sender, *everywhere)
        producer.fails = None
        assert len(send(sender, *everywhere)) == PLAYS.partitions


@pytest.mark.parametrize("refusal", [BufferError("Local: Queue full"), KafkaException(KafkaError(KafkaError._STATE))])
def test_what_the_producer_does_not_take_is_unavailable(refusal: Exception) -> None:
    producer = FakeProducer()
    producer.refuses = refusal
    with sending(producer) as sender, pytest.raises(LogUnavailable):
        send(sender, play("ada"))


def test_a_producer_that_is_beyond_repair_is_replaced() -> None:
    broken, sound = FakeProducer(), FakeProducer()
    with sending(broken, sound) as sender:
        broken.refuses = fatal()
        with pytest.raises(LogUnavailable, match="Fatal"):
            send(sender, play("ada"))
        assert len(send(sender, play("ada"))) == 1
    assert len(sound.produced) == 1


def test_a_delivery_that_fails_fatally_replaces_the_producer_too() -> None:
    broken, sound = FakeProducer(), FakeProducer()
    with sending(broken, sound) as sender:
        broken.fails = fatal().args[0]
        with pytest.raises(LogUnavailable):
            send(sender, play("ada"))
        send(sender, play("ada"))
    assert len(sound.produced) == 1


def test_nothing_is_sent_after_the_end() -> None:
    with sending(FakeProducer()) as sender:
        sender.close(0.1)
        with pytest.raises(LogUnavailable, match="closed"):
            send(sender, play("ada"))
