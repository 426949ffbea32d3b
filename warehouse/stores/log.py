"""The event log port: durable, ordered, partitioned by listener. What it accepted survives the death of any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from warehouse.events import Event, Topic


@dataclass(frozen=True)
class Record:
    """A frame on the log: the events of one partition that were appended together."""

    partition: int
    offset: int
    appended_ms: int
    events: tuple[Event, ...]


class Log(Protocol):
    """Offsets begin at 0 in each partition of each topic and rise by one a record."""

    def append(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make them durable, a record for each partition touched, and say where they are.

        Raises `EventRefused`, and nothing is appended, where one is not an event of the topic; `LogUnavailable`.
        """

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        """Records with an offset above `after`, in order, at most `limit`."""

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where it is empty."""

    def check(self) -> None:
        """Write something that no reader sees, as `append` would. Raises `LogUnavailable` where it could not."""

    def trim(self, topic: Topic, before_ms: int) -> int:
        """Forget records appended before that time, oldest first; how many. Offsets go on from where they were."""

    def close(self) -> None:
        """Release what is held; a second call does nothing."""


class LogUnavailable(Exception):
    """Nothing was accepted: says which log, where, and why."""


class EventRefused(ValueError):
    """An event breaks its type's bounds, or belongs to another topic; says which and why."""


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
