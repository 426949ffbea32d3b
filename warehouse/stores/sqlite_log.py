"""The event log port on one SQLite file: every append is on the disk before it returns, one sync for many callers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from warehouse.events import Event, Topic
from warehouse.frames import decoded
from warehouse.stores.log import Framed, LogUnavailable, Record, framed, now_ms
from warehouse.stores.sqlite_file import SqliteFile

PATIENCE_SECONDS = 2.0  # how long an append waits for another process that writes; with its turn at most twice that
TRIMMED_AT_ONCE = 5_000  # records: an append may wait while they go

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
_BEGINS = """
SELECT partition, (SELECT min(offset) FROM records WHERE topic = ends.topic AND partition = ends.partition), last + 1
FROM ends WHERE topic = ?
"""
_MOVE_END = "INSERT OR REPLACE INTO ends (topic, partition, last) VALUES (?, ?, ?)"
_READ = """
SELECT offset, appended_ms, frame FROM records WHERE topic = ? AND partition = ? AND offset > ? ORDER BY offset LIMIT ?
"""
_FIRST_KEPT = """
SELECT coalesce(min(offset), (SELECT last + 1 FROM ends WHERE topic = :topic AND partition = :partition))
FROM records WHERE topic = :topic AND partition = :partition AND appended_ms >= :before_ms
"""
_CHECKED = ""  # no topic's name
_TRIM = """
DELETE FROM records WHERE (topic, partition, offset) IN (
  SELECT topic, partition, offset FROM records WHERE topic = ? AND partition = ? AND offset < ? ORDER BY offset LIMIT ?
)
"""


@dataclass
class _Appending:
    """One caller's frames, waiting to be committed by whichever caller's turn it is."""

    topic: Topic
    frames: list[Framed]
    records: list[Record] | None = None
    failure: LogUnavailable | None = None


class SqliteLog:
    """`Log` in the file `path`, for any number of threads and processes of one machine.

    Callers that meet a locked file wait for it together, `patience_seconds` at most, and fail together.
    """

    def __init__(
        self, path: Path, clock: Callable[[], int] = now_ms, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._file = SqliteFile(
            path, _SCHEMA, synchronous="FULL", unavailable=LogUnavailable, busy_seconds=patience_seconds
        )
        self._clock = clock
        self._queue = threading.Lock()
        self._waiting: list[_Appending] = []
        self._turn = threading.Lock()

    def append(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make them durable, and say where they are: a record for each partition touched, more where they are large.

        Raises `EventRefused`, and nothing is appended, where one is not an event of the topic; `LogUnavailable`.
        """
        if not events:
            return []
        mine = _Appending(topic, framed(topic, events))
        with self._queue:
            self._waiting.append(mine)
        with self._turn:  # while one caller syncs, those behind it gather, and the next commits for all of them
            if mine.records is None and mine.failure is None:
                self._commit_waiting()
        if mine.records is None:
            raise LogUnavailable(str(mine.failure or f"appending to {topic.name} was interrupted")) from mine.failure
        return mine.records

    def read(self, topic: Topic, partition: int, *, after: int = -1, limit: int = 1_000) -> list[Record]:
        """Records with an offset above `after`, in order, at most `limit`."""
        with self._file.reading(f"read {topic.name}/{partition}") as connection:
            rows = connection.execute(_READ, (topic.name, partition, after, limit)).fetchall()
        return [Record(partition, offset, appended_ms, *decoded(topic, frame)) for offset, appended_ms, frame in rows]

    def begin(self, topic: Topic) -> dict[int, int]:
        """The first offset of each partition that is still there, or that its next record will have."""
        with self._file.reading(f"find the beginning of {topic.name}") as connection:
            rows = connection.execute(_BEGINS, (topic.name,)).fetchall()
        known = {partition: following if first is None else first for partition, first, following in rows}
        return {partition: known.get(partition, 0) for partition in range(topic.partitions)}

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where nothing was ever appended."""
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
        with self._file.reading(f"find what to trim of {topic.name}/{partition}") as connection:
            (first_kept,) = connection.execute(_FIRST_KEPT, place).fetchone()
        trimmed = 0
        while first_kept is not None:  # None: nothing was ever appended
            with self._file.writing(f"trim {topic.name}/{partition}") as connection:
                gone = connection.execute(_TRIM, (topic.name, partition, first_kept, TRIMMED_AT_ONCE)).rowcount
            trimmed += gone
            if gone < TRIMMED_AT_ONCE:
                break
        return trimmed

    def _commit_waiting(self) -> None:
        batch = self._taken()
        try:
            self._commit(batch)
        except LogUnavailable as failure:
            for appending in batch + self._taken():  # those that came meanwhile would only wait as long for the same
                appending.failure = failure

    def _taken(self) -> list[_Appending]:
        with self._queue:
            taken, self._waiting = self._waiting, []
        return taken

    def _commit(self, batch: list[_Appending]) -> None:
        ends: dict[tuple[str, int], int] = {}
        appended_ms = self._clock()
        appended: list[list[Record]] = []
        with self._file.writing(
            f"append to {', '.join(sorted({waiting.topic.name for waiting in batch}))}"
        ) as connection:
            for waiting in batch:
                appended.append([])
                for partition, events, frame in waiting.frames:
                    place = (waiting.topic.name, partition)
                    ends[place] = offset = (ends[place] if place in ends else _end(connection, *place)) + 1
                    connection.execute(_APPEND, (*place, offset, appended_ms, frame))
                    appended[-1].append(Record(partition, offset, appended_ms, events))
            connection.executemany(_MOVE_END, [(*place, last) for place, last in ends.items()])
        for waiting, records in zip(batch, appended, strict=True):
            waiting.records = records


def _end(connection: sqlite3.Connection, topic: str, partition: int) -> int:
    found: tuple[int] | None = connection.execute(_END, (topic, partition)).fetchone()
    return found[0] if found else -1
