"""A Kafka producer without a broker: what it was given is acknowledged, or not, when a test polls it."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

from confluent_kafka import KafkaError, KafkaException, Message

from warehouse.stores.kafka_sender import Delivered


@dataclass(frozen=True)
class Produced:
    """One record that a sender has handed over."""

    topic: str
    value: bytes
    partition: int
    timestamp: int


class FakeProducer:
    """Acknowledges each record at once, with the next offset of its partition; `fails` says otherwise."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.fails: KafkaError | None = None
        self.refuses: Exception | None = None
        self.produced: list[Produced] = []
        self._offsets: dict[tuple[str, int], count[int]] = defaultdict(count)
        self._waiting: list[tuple[Delivered, Produced]] = []
        self._came = threading.Event()

    def produce(self, topic: str, *, value: bytes, partition: int, timestamp: int, on_delivery: Delivered) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.produced.append(Produced(topic, value, partition, timestamp))
        self._waiting.append((on_delivery, self.produced[-1]))
        self._came.set()

    def poll(self, timeout: float) -> int:
        self._came.wait(timeout)
        self._came.clear()
        waiting, self._waiting = (self._waiting, []) if self.answers else ([], self._waiting)
        for on_delivery, record in waiting:
            offset = next(self._offsets[record.topic, record.partition])
            on_delivery(self.fails, Message(topic=record.topic, partition=record.partition, offset=offset))
        return len(waiting)

    def flush(self, timeout: float) -> int:
        self.poll(min(timeout, 0.01))
        return len(self._waiting)


def fatal() -> KafkaException:
    """What a producer says that sends nothing more."""
    return KafkaException(KafkaError(KafkaError._FATAL, "Fatal error", True))
