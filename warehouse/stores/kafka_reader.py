"""Kafka read by offset: one consumer of no group, which goes on where it was when it is asked page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

WAIT_SECONDS = 0.1  # for messages that may not be there, before it looks whether it has read all
_CONSUMING = {
    "group.id": "backbeat-reader",  # librdkafka wants a name; nothing is committed under it
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # what was trimmed is passed over
    "enable.partition.eof": True,
    "isolation.level": "read_uncommitted",  # the end that is asked for is the same one
    "fetch.wait.max.ms": 10,
}


@contextmanager
def turned(turn: Lock, left: Callable[[], float]) -> Iterator[None]:
    """Hold the lock for the block. Raises `TimeoutError` where it is not free before `left` seconds are over."""
    if not turn.acquire(timeout=left()):
        raise TimeoutError
    try:
        yield
    finally:
        turn.release()


class Reader:
    """Reads by turns. It connects when it is first used."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._turn = Lock()
        self._consumer: Consumer | None = None
        self._at: tuple[str, int, int] | None = None

    def read(self, place: TopicPartition, end: int, limit: int, left: Callable[[], float]) -> list[Message]:
        """Messages from the place on until `end` is reached, the offset after the last, and at most `limit`.

        Raises KafkaException, and TimeoutError where `left` seconds are over.
        """
        if place.offset >= end:
            return []
        with turned(self._turn, left):
            try:
                return self._read(self._placed(place), place, end, limit, left)
            except BaseException:
                self._at = None
                raise

    def close(self) -> None:
        """Disconnect; a second call does nothing."""
        with self._turn:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _placed(self, place: TopicPartition) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer({**self._settings, **_CONSUMING})
        if self._at != (place.topic, place.partition, place.offset):
            self._consumer.assign([place])
        return self._consumer

    def _read(
        self, consumer: Consumer, place: TopicPartition, end: int, limit: int, left: Callable[[], float]
    ) -> list[Message]:
        read: list[Message] = []
        following = place.offset
        while following < end and len(read) < limit:
            for message in consumer.consume(min(limit - len(read), end - following), min(WAIT_SECONDS, left())):
                offset: Any = message.offset()
                error = message.error()
                if error is None:
                    following = offset + 1
                    read.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    following = max(following, offset)
                else:
                    raise KafkaException(error)
        self._at = (place.topic, place.partition, following)
        return read
