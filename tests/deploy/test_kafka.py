"""Kafka as it is started here: what it has acknowledged survives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.kafka import KAFKA, broker

pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.skipif(not KAFKA.installed(), reason="Kafka is not installed: make servers"),
]
TOPIC = "playback.play.v1"
QUIET = {"log_level": 0}  # librdkafka would tell of each connection that a killed broker broke
PATIENCE_S = 60


def make_topic(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address, **QUIET})
    for made in admin.create_topics([NewTopic(TOPIC, 16, 1)]).values():
        made.result(PATIENCE_S)


def append(address: str, values: list[bytes]) -> None:
    """Returns when all of them are acknowledged."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True, **QUIET})
    for value in values:
        producer.produce(TOPIC, value, key=value)
    assert producer.flush(PATIENCE_S) == 0
    producer.close()


@contextmanager
def member_of(group: str, address: str) -> Iterator[Consumer]:
    settings = {"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest", **QUIET}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    try:
        yield consumer
    finally:
        consumer.close()


def read(consumer: Consumer, count: int) -> list[bytes]:
    return [record.value() or b"" for record in consumer.consume(count, PATIENCE_S)]


def test_records_and_places_in_the_log_survive_a_sigkill(tmp_path: Path) -> None:
    values = [f"{number:03}".encode() for number in range(500)]
    with broker(tmp_path) as kafka:
        make_topic(kafka.address)
        append(kafka.address, values[:300])
        with member_of("taste", kafka.address) as consumer:
            first = read(consumer, 100)
            consumer.commit(asynchronous=False)
        append(kafka.address, values[300:400])
        kafka.kill()
        with broker(tmp_path, kafka.port) as again:
            assert again.address == kafka.address
            append(again.address, values[400:])
            with member_of("taste", again.address) as consumer:
                assert sorted([*first, *read(consumer, 400)]) == values


def test_a_topic_that_nobody_made_is_not_made_by_naming_it(tmp_path: Path) -> None:
    with broker(tmp_path) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.address, **QUIET})
        admin.list_topics("playback.typo.v1", timeout=PATIENCE_S)
        assert not admin.list_topics(timeout=PATIENCE_S).topics
