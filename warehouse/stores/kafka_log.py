"""The event log port on Kafka: a record is a frame, its time that of its arrival, its partition its listeners'.

An append returns when every replica in sync has it. What that survives is the death of any process; on one broker it
is no promise beyond a power cut, since Kafka leaves the disk to the system.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from warehouse.events import TOPICS, Event, Topic
from warehouse.frames import decoded
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.kafka_reader import Reader, turned
from warehouse.stores.kafka_sender import Sender, reason_of
from warehouse.stores.log import LogUnavailable, Record, framed, now_ms
from warehouse.tail import topic_partition

PATIENCE_SECONDS = 5.0  # how long any call waits for the brokers, all in all: one restarts within it
LINGER_SECONDS = 0.002
_RETRY_SECONDS = 0.02
Left = Callable[[], float]  # seconds that a call may still take; raises TimeoutError where none are left


class KafkaLog:
    """`Log` on the brokers at `bootstrap` (HOST:PORT, more of them with commas), for any number of threads.

    Topics are made when they are first used, with their partitions and retention; `prefix` stands before their names.
    Nothing is asked of the brokers before that. Where they don't answer, every call ends after `patience_seconds`.
    """

    def __init__(
        self,
        bootstrap: str,
        clock: Callable[[], int] = now_ms,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
        prefix: str = "",
    ) -> None:
        self._bootstrap = bootstrap
        self._patience_seconds = patience_seconds
        self._prefix = prefix
        self._admin = AdminClient(self._settings())
        self._sender = Sender(self._producer, clock, linger_seconds=linger_seconds, prefix=prefix)
        self._reader = Reader(self._settings())
        self._making = threading.Lock()
        self._made: set[str] = set()
        self._closed = False

    @property
    def bootstrap(self) -> str:
        """Where its brokers are."""
        return self._bootstrap

    def append(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make them durable, and say where they are: a record for each partition touched, more where they are large.

        A record may hold what others appended at the same moment too. Raises `EventRefused`, and nothing is appended,
        where one is not an event of the topic; `LogUnavailable`, and then some may have been.
        """
        if not events:
            return []
        frames = framed(topic, events)
        with self._asking(f"append to {topic.name}") as left:
            self._make(topic, left)
            return self._sender.send(topic, frames, left())

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        """Records with an offset above `after`, in order, at most `limit`."""
        with self._asking(f"read {topic.name}/{partition}") as left:
            self._make(topic, left)
            end = self._offsets(topic, [partition], OffsetSpec.latest(), left)[partition]
            place = TopicPartition(self._name(topic), partition, after + 1)
            return [_record(topic, message) for message in self._reader.read(place, end, limit, left)]

    def begin(self, topic: Topic) -> dict[int, int]:
        """The first offset of each partition that is still there, or that its next record will have."""
        with self._asking(f"find the beginning of {topic.name}") as left:
            return self._everywhere(topic, OffsetSpec.earliest(), left)

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where nothing was ever appended."""
        with self._asking(f"find the end of {topic.name}") as left:
            ends = self._everywhere(topic, OffsetSpec.latest(), left)
        return {partition: following - 1 for partition, following in ends.items()}

    def acknowledged(self, group: str, topics: Sequence[Topic]) -> dict[str, int]:
        """The last offset that a consumer group is done with, by `topic/partition`; -1 where it has said nothing."""
        names = {self._name(topic): topic for topic in topics}
        with self._asking(f"ask how far {group} is") as left:
            asked = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=left()
            )
            told = asked[group].result(left()).topic_partitions or ()
        done = {topic_partition(topic.name, partition): -1 for topic in topics for partition in range(topic.partitions)}
        known = [place for place in told if place.topic in names and place.offset >= 0]
        return done | {topic_partition(names[p.topic].name, p.partition): p.offset - 1 for p in known}

    def check(self) -> None:
        """Find out whether every partition has a leader, which would take an append."""
        with self._asking("find the leaders") as left:
            for topic in TOPICS:
                self._make(topic, left)
                self._await_leaders(topic, left)

    def trim(self, topic: Topic, before_ms: int) -> int:
        """Forget records appended before that time, oldest first up to the first that stays; how many went.

        Offsets go on from where they were.
        """
        with self._asking(f"trim {topic.name}") as left:
            begins = self._everywhere(topic, OffsetSpec.earliest(), left)
            ends = self._everywhere(topic, OffsetSpec.latest(), left)  # before the times: what is appended now stays
            kept = self._everywhere(topic, OffsetSpec.for_timestamp(before_ms), left)
            firsts = {partition: ends[partition] if first < 0 else first for partition, first in kept.items()}
            gone = {partition: first - begins[partition] for partition, first in firsts.items()}
            places = [
                TopicPartition(self._name(topic), partition, firsts[partition])
                for partition, records in gone.items()
                if records
            ]
            if places:
                for deleted in self._admin.delete_records(places, request_timeout=left()).values():
                    deleted.result(left())
        return sum(gone.values())

    def make(self, topics: Sequence[Topic]) -> None:
        """Make those topics that are not there. Raises `LogUnavailable`, also for one with other partitions."""
        with self._asking("make topics") as left:
            for topic in topics:
                self._make(topic, left)

    def close(self) -> None:
        """Release what is held; a second call does nothing."""
        self._closed = True
        self._sender.close(self._patience_seconds)
        self._reader.close()

    def _settings(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self._bootstrap,
            "client.id": "backbeat",
            "log_level": 2,  # what fails is raised here; librdkafka need not write it to standard error too
            "reconnect.backoff.max.ms": 1_000,
            "socket.timeout.ms": 10_000,  # after which a broker that says nothing is given up and asked anew
        }

    def _producer(self) -> Producer:
        return Producer(
            {
                **self._settings(),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,  # callers were gathered already
                "compression.type": "lz4",
                "delivery.timeout.ms": int(self._patience_seconds * 1_000),
            }
        )

    def _name(self, topic: Topic) -> str:
        return self._prefix + topic.name

    @contextmanager
    def _asking(self, doing: str) -> Iterator[Left]:
        """How long the call may still take. Whatever Kafka answers is raised as `LogUnavailable`."""
        deadline = time.monotonic() + self._patience_seconds

        def left() -> float:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                raise TimeoutError(f"no answer in {self._patience_seconds:g} s")
            return seconds

        try:
            if self._closed:
                raise LogUnavailable("the log was closed")
            yield left
        except (LogUnavailable, KafkaException, TimeoutError) as error:
            why = reason_of(error) or f"no answer in {self._patience_seconds:g} s"
            raise LogUnavailable(f"Kafka at {self._bootstrap}: could not {doing}: {why}") from error

    def _everywhere(self, topic: Topic, spec: OffsetSpec, left: Left) -> dict[int, int]:
        self._make(topic, left)
        return self._offsets(topic, range(topic.partitions), spec, left)

    def _offsets(self, topic: Topic, partitions: Sequence[int], spec: OffsetSpec, left: Left) -> dict[int, int]:
        """The offset that `spec` finds in each partition; -1 for a time after all. Leaders may still be moving."""
        asked = {TopicPartition(self._name(topic), partition): spec for partition in partitions}
        while True:
            try:
                found = self._admin.list_offsets(asked, request_timeout=left())
                offsets = {place.partition: int(offset.result(left()).offset) for place, offset in found.items()}
            except KafkaException:
                if left() < 2 * _RETRY_SECONDS:
                    raise
            else:
                if all(offset >= -1 for offset in offsets.values()):
                    return offsets  # where a leader says nothing in time, librdkafka gives -1001 and calls it no error
            time.sleep(min(_RETRY_SECONDS, left()))

    def _make(self, topic: Topic, left: Left) -> None:
        """Once a process and topic; it is no error where another was faster."""
        if topic.name in self._made:
            return
        with turned(self._making, left):
            if topic.name not in self._made:
                self._create(topic, left)
                self._await_leaders(topic, left)
                self._made.add(topic.name)

    def _create(self, topic: Topic, left: Left) -> None:
        config = {"retention.ms": str(topic.retention_days * DAY_MS), "message.timestamp.type": "CreateTime"}
        wanted = NewTopic(self._name(topic), topic.partitions, config=config)
        (created,) = self._admin.create_topics([wanted], request_timeout=left()).values()
        try:
            created.result(left())
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def _await_leaders(self, topic: Topic, left: Left) -> None:
        """Raises `LogUnavailable` for a topic of another shape: listeners would be where nobody looks for them."""
        name = self._name(topic)
        while True:
            partitions = self._admin.list_topics(name, timeout=left()).topics[name].partitions
            if partitions and len(partitions) != topic.partitions:
                raise LogUnavailable(f"{name} has {len(partitions)} partitions; wanted {topic.partitions}")
            if partitions and all(partition.leader >= 0 for partition in partitions.values()):
                return
            time.sleep(min(_RETRY_SECONDS, left()))


def _record(topic: Topic, message: Message) -> Record:
    partition: Any = message.partition()
    offset: Any = message.offset()  # of a message that was read, both are known
    return Record(partition, offset, message.timestamp()[1], *decoded(topic, message.value() or b""))
