"""The event log port on one SQLite file: every append is on the disk before it returns, one sync for many callers."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from warehouse.events import Event, Topic
from warehouse.stores.log import EventRefused, LogUnavailable, Record, partition_of
from warehouse.stores.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  appended_ms INTEGER NOT NULL, frame BLOB NOT NULL,
  PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""
_APPEND = "INSERT INTO records (topic, partition, offset, appended_ms, frame) VALUES (?, ?, ?, ?, ?)"
_END = "SELECT last FROM ends WHERE topic = ? AND partition = ?"
_ENDS = "SELECT partition, last FROM ends WHERE topic = ?"
_MOVE_END = "INSERT OR REPLACE INTO ends (topic, partition, last) VALUES (?, ?, ?)"
_READ = """
SELECT offset, appended_ms, frame FROM records WHERE topic = ? AND partition = ? AND offset > ? ORDER BY offset LIMIT ?
"""
_FIRST_KEPT = """
SELECT coalesce(min(offset), (SELECT last + 1 FROM ends WHERE topic = :topic AND partition = :partition))
FROM records WHERE topic = :topic AND partition = :partition AND appended_ms >= :before_ms
"""
_CHECKED = ""  # no topic's name
_TRIM = "DELETE FROM records WHERE topic = ? AND partition = ? AND offset < ?"


def now_ms() -> int:
    """The time of this machine, UTC ms."""
    return time.time_ns() // 1_000_000


@dataclass
class _Frame:
    """What one caller appends to one partition; `record` is set once it is on the disk."""

    topic: Topic
    partition: int
    events: tuple[Event, ...]
    encoded: bytes
    record: Record | None = None


@dataclass
class _Appending:
    """One caller's frames, waiting to be committed by whichever caller's turn it is."""

    frames: list[_Frame]
    done: bool = False
    failure: LogUnavailable | None = None


class SqliteLog:
    """`Log` in the file `path`, for any number of threads and processes of one machine."""

    def __init__(self, path: Path, clock: Callable[[], int] = now_ms) -> None:
        self._file = SqliteFile(path, _SCHEMA, synchronous="FULL", unavailable=LogUnavailable)
        self._clock = clock
        self._queue = threading.Lock()
        self._waiting: list[_Appending] = []
        self._turn = threading.Lock()

    def append(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make them durable, a record for each partition touched, and say where they are.

        Raises `EventRefused`, and nothing is appended, where one is not an event of the topic; `LogUnavailable`.
        """
        if not events:
            return []
        mine = _Appending(_frames(topic, events))
        with self._queue:
            self._waiting.append(mine)
        with self._turn:  # while one caller syncs, those behind it gather, and the next commits for all of them
            if not mine.done:
                self._commit_waiting()
        records = [frame.record for frame in mine.frames if frame.record is not None]
        if len(records) < len(mine.frames):
            raise LogUnavailable(str(mine.failure or f"appending to {topic.name} was interrupted")) from mine.failure
        return records

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        """Records with an offset above `after`, in order, at most `limit`."""
        with self._file.reading(f"read {topic.name}/{partition}") as connection:
            rows = connection.execute(_READ, (topic.name, partition, after, limit)).fetchall()
        decode = _decoder(topic.event).decode
        return [Record(partition, offset, appended_ms, decode(frame)) for offset, appended_ms, frame in rows]

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where it is empty."""
        with self._file.reading(f"find the end of {topic.name}") as connection:
            known = dict(connection.execute(_ENDS, (topic.name,)).fetchall())
        return {partition: known.get(partition, -1) for partition in range(topic.partitions)}

    def check(self) -> None:
        """Write something that no reader sees, as `append` would. Raises `LogUnavailable` where it could not."""
        with self._file.writing("check that it takes a write") as connection:
            connection.execute(_MOVE_END, (_CHECKED, 0, self._clock()))

    def trim(self, topic: Topic, before_ms: int) -> int:
        """Forget records appended before that time, oldest first up to the first that stays; how many went.

        Offsets go on from where they were.
        """
        return sum(self._trim(topic, partition, before_ms) for partition in range(topic.partitions))

    def close(self) -> None:
        """Release what is held; a second call does nothing."""
        self._file.close()

    def _trim(self, topic: Topic, partition: int, before_ms: int) -> int:
        place = {"topic": topic.name, "partition": partition, "before_ms": before_ms}
        with self._file.writing(f"trim {topic.name}/{partition}") as connection:
            (first_kept,) = connection.execute(_FIRST_KEPT, place).fetchone()
            if first_kept is None:  # nothing was ever appended
                return 0
            return connection.execute(_TRIM, (topic.name, partition, first_kept)).rowcount

    def _commit_waiting(self) -> None:
        with self._queue:
            batch, self._waiting = self._waiting, []
        try:
            self._commit([frame for appending in batch for frame in appending.frames])
        except LogUnavailable as failure:
            for appending in batch:
                appending.failure = failure
        finally:
            for appending in batch:
                appending.done = True

    def _commit(self, frames: list[_Frame]) -> None:
        ends: dict[tuple[str, int], int] = {}
        records: list[Record] = []
        appended_ms = self._clock()
        with self._file.writing(f"append {len(frames)} records") as connection:
            for frame in frames:
                place = (frame.topic.name, frame.partition)
                ends[place] = offset = (ends[place] if place in ends else _end(connection, *place)) + 1
                connection.execute(_APPEND, (*place, offset, appended_ms, frame.encoded))
                records.append(Record(frame.partition, offset, appended_ms, frame.events))
            connection.executemany(_MOVE_END, [(*place, last) for place, last in ends.items()])
        for frame, record in zip(frames, records, strict=True):
            frame.record = record


def _end(connection: sqlite3.Connection, topic: str, partition: int) -> int:
    found: tuple[int] | None = connection.execute(_END, (topic, partition)).fetchone()
    return found[0] if found else -1


def _frames(topic: Topic, events: Sequence[Event]) -> list[_Frame]:
    """The events by partition, each as the log will give them back."""
    by_partition: dict[int, list[Event]] = {}
    for event in events:
        by_partition.setdefault(partition_of(event.listener_id, topic.partitions), []).append(event)
    return [_frame(topic, partition, together) for partition, together in sorted(by_partition.items())]


def _frame(topic: Topic, partition: int, events: list[Event]) -> _Frame:
    encoded = msgspec.msgpack.encode(events)
    try:
        told = _decoder(topic.event).decode(encoded)  # what could be written but never read would stop every reader
    except msgspec.ValidationError as error:
        raise EventRefused(
            f"cannot append to {topic.name}: wanted a valid {topic.event.__name__}, but {error}"
        ) from error
    return _Frame(topic, partition, told, encoded)


@cache
def _decoder(event: type[Event]) -> msgspec.msgpack.Decoder[tuple[Event, ...]]:
    return msgspec.msgpack.Decoder(tuple[event, ...])  # type: ignore[valid-type]  # the type is known at run time only
