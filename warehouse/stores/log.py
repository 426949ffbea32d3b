"""The event log port: durable, ordered, partitioned by listener. What it accepted survives the death of any process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from warehouse.events import TOPICS, Event, Topic
from warehouse.frames import Refused, decoded, encoded
from warehouse.tail import topic_partition

RECORDS_A_READ = 1_000
MAX_FRAME_BYTES = 512 << 10  # a record stays below the 1 MiB that a Kafka broker takes


@dataclass(frozen=True)
class Record:
    """A frame on the log: the events of one partition that were appended together, and what of it cannot be read."""

    partition: int
    offset: int
    appended_ms: int
    events: tuple[Event, ...]
    refused: tuple[Refused, ...] = ()


class Log(Protocol):
    """Offsets begin at 0 in each partition of each topic and rise by one a record.

    Every method may raise `LogUnavailable`, and does so within a few seconds where the log is away.
    """

    def append(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make them durable and say where they are: a record for each partition touched, more where they are large.

        A record may hold what others appended at the same moment too. Raises `EventRefused`, and nothing is appended,
        where one is not an event of the topic.
        """

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        """Records with an offset above `after`, in order, at most `limit`."""

    def begin(self, topic: Topic) -> dict[int, int]:
        """The first offset of each partition that is still there, or that its next record will have."""

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where nothing was ever appended."""

    def check(self) -> None:
        """Find out whether an append would be taken now, without one that readers see."""

    def trim(self, topic: Topic, before_ms: int) -> int:
        """Forget records appended before that time, oldest first up to the first that stays; how many went.

        Offsets go on from where they were.
        """

    def close(self) -> None:
        """Release what is held; a second call does nothing."""


class LogUnavailable(Exception):
    """The log did not say yes: says which, where, and why.

    Whether it took what was appended is not always known. Whoever appends it again loses nothing and counts nothing
    twice, as events carry ids.
    """


class EventRefused(ValueError):
    """An event breaks its type's bounds, is too large, or belongs to another topic; says which and why."""


class LogStream:
    """What the API tells where others fold: it appends, and that is all."""

    folds = False

    def __init__(self, log: Log) -> None:
        self._log = log

    def accept(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make the events durable. Raises `EventRefused` and `LogUnavailable`."""
        return self._log.append(topic, events)

    def check(self) -> None:
        """Raises `LogUnavailable` where nothing could be accepted now."""
        self._log.check()

    def ends(self) -> dict[str, int]:
        """The last offset of each `topic/partition`. Raises `LogUnavailable`."""
        return log_ends(self._log)

    def close(self) -> None:
        """Nothing is held here: the log is the caller's."""


def log_ends(log: Log) -> dict[str, int]:
    """The last offset of each `topic/partition` of every topic. Raises `LogUnavailable`."""
    return {
        topic_partition(topic.name, partition): offset
        for topic in TOPICS
        for partition, offset in log.end(topic).items()
    }


def every_record(log: Log, topic: Topic, partition: int, *, after: int = -1) -> Iterator[Record]:
    """The records of one partition above `after`, in order, up to its end. Raises `LogUnavailable`."""
    while page := log.read(topic, partition, after=after, limit=RECORDS_A_READ):
        yield from page
        after = page[-1].offset


class Framed(NamedTuple):
    """Events that become one record, as they will be read, and as they lie on the log."""

    partition: int
    events: tuple[Event, ...]
    frame: bytes


def framed(topic: Topic, events: Sequence[Event]) -> list[Framed]:
    """The events by partition, in frames of a bounded size. Raises `EventRefused`."""
    by_partition: dict[int, list[Event]] = {}
    for event in events:
        by_partition.setdefault(partition_of(event.listener_id, topic.partitions), []).append(event)
    return [frame for partition in sorted(by_partition) for frame in _framed(topic, partition, by_partition[partition])]


def _framed(topic: Topic, partition: int, events: Sequence[Event]) -> Iterator[Framed]:
    frame = encoded(events)
    if len(frame) > MAX_FRAME_BYTES:
        if len(events) == 1:
            found = f"found {len(frame):,} bytes, wanted at most {MAX_FRAME_BYTES:,}"
            raise EventRefused(f"cannot append to {topic.name}: {found}")
        half = len(events) // 2
        yield from _framed(topic, partition, events[:half])
        yield from _framed(topic, partition, events[half:])
        return
    told, refused = decoded(topic, frame)  # what could be written but never read would be a dead letter
    if refused:
        raise EventRefused(f"cannot append to {topic.name}: {refused[0].reason}")
    yield Framed(partition, told, frame)


def now_ms() -> int:
    """The time of this machine, UTC ms."""
    return time.time_ns() // 1_000_000


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key: positive murmur2 of its UTF-8 bytes, modulo partitions."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, seed 0x9747b28c, as in Kafka's `Utils.murmur2`."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    state = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        state = (state * multiplier & mask) ^ word
    if rest := data[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * multiplier & mask
    state = (state ^ (state >> 13)) * multiplier & mask
    return state ^ (state >> 15)
