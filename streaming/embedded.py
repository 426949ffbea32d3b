"""The stream without a cluster: the same folds, driven over the embedded log by the process that accepts the events."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streaming.features import FEATURES
from streaming.mover import RecordEvents
from warehouse.events import Event, Topic
from warehouse.stores.log import Log, LogUnavailable, Record, log_ends
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.tail import topic_partition

CURSORS = "stream.folded"  # rows table: topic/partition -> the last offset folded, msgpack
FOLDED = {topic.name: topic for feature in FEATURES.values() for topic in feature.topics}
EMBEDDED_ROWS_KEPT = (
    100  # of each feature: every process folds every record, so that what it keeps is what it would read
)
_CURSOR_EVERY = 64  # records between two writes of a cursor: after a crash as many are folded again, and change nothing
_PAGE = 500


class OutOfStep(Exception):
    """The rows have folded more than the log holds: one of the two isn't the other's; says how far each is."""


class EmbeddedStream:
    """Appends events to the log, and folds them into the rows of every feature before it answers.

    On start it folds what the log holds and the rows don't yet, so a death between append and fold loses nothing.
    Where several processes accept events on one log, each is given the same `lock_path`: they fold by turns.
    Raises `OutOfStep`, `LogUnavailable` and `RowsUnavailable`.
    """

    folds = True

    def __init__(self, log: Log, rows: Rows, *, lock_path: Path | None = None) -> None:
        self._log = log
        self._rows = rows
        self._movers = {
            topic: [feature.mover(rows, EMBEDDED_ROWS_KEPT) for feature in FEATURES.values() if topic in feature.topics]
            for topic in FOLDED.values()
        }
        self._turn = _Turn(lock_path)
        self._folded: dict[str, int] = {}
        self._written: dict[str, int] = {}
        for topic in FOLDED.values():
            self._start(topic)

    def accept(self, topic: Topic, events: Sequence[Event]) -> list[Record]:
        """Make the events durable, then visible to whoever reads the rows; says where they are on the log.

        Raises `EventRefused` and `LogUnavailable` where nothing was accepted, and `RowsUnavailable` where all was, but
        isn't visible yet: the next call, or the next start, makes it so.
        """
        records = self._log.append(topic, events)
        if topic.name in FOLDED and records:
            try:
                self._fold(topic, records)
            except LogUnavailable as error:  # it has the events, but not, at this moment, what others appended before
                raise RowsUnavailable(f"{topic.name} was appended to, and is not folded yet: {error}") from error
        return records

    def check(self) -> None:
        """Raises `LogUnavailable` where nothing could be accepted now."""
        self._log.check()

    def ends(self) -> dict[str, int]:
        """The last offset of each `topic/partition`. Raises `LogUnavailable`."""
        return log_ends(self._log)

    def close(self) -> None:
        """Note how far the folds are. The log and the rows stay open: they are the caller's."""
        with self._turn.taken():
            for place in self._folded:
                self._write_cursor(place)
        self._turn.close()

    def _start(self, topic: Topic) -> None:
        with self._turn.taken():
            for partition, last in self._log.end(topic).items():
                place = topic_partition(topic.name, partition)
                self._folded[place] = self._written[place] = self._cursor(place)
                if self._folded[place] > last:
                    ends = f"the log ends at {last}, the rows have folded {self._folded[place]}"
                    raise OutOfStep(f"cannot go on with {place}: {ends}; restore the missing log, or drop the rows")
                self._catch_up(topic, partition, last)

    def _fold(self, topic: Topic, records: Sequence[Record]) -> None:
        with self._turn.taken():
            for record in records:
                self._catch_up(topic, record.partition, record.offset - 1)
                self._move(topic, record.partition, [record])

    def _cursor(self, place: str) -> int:
        found = self._rows.get(CURSORS, place)
        return -1 if found is None else msgspec.msgpack.decode(found, type=int)

    def _catch_up(self, topic: Topic, partition: int, last: int) -> None:
        """Fold the records of the partition up to `last`, in order, whoever appended them."""
        place = topic_partition(topic.name, partition)
        while self._folded[place] < last:
            page = self._log.read(topic, partition, after=self._folded[place], limit=_PAGE)
            if not page or page[0].offset > self._folded[place] + 1:  # trimmed since, and folded by another process
                for mover in self._movers[topic]:
                    mover.forget()
            if not page:
                self._folded[place] = last
                return
            self._move(topic, partition, page)

    def _move(self, topic: Topic, partition: int, records: Sequence[Record]) -> None:
        """Fold records that follow those folded already; one that was folded meanwhile changes nothing."""
        place = topic_partition(topic.name, partition)
        told = [RecordEvents(place, record.offset, record.events) for record in records]
        for mover in self._movers[topic]:
            mover.advance(told)
        self._folded[place] = max(self._folded[place], records[-1].offset)
        if self._folded[place] - self._written[place] >= _CURSOR_EVERY:
            self._write_cursor(place)

    def _write_cursor(self, place: str) -> None:
        if self._folded[place] > self._written[place]:
            self._rows.put(CURSORS, place, msgspec.msgpack.encode(self._folded[place]), version=self._folded[place])
            self._written[place] = self._folded[place]


class _Turn:
    """One fold at a time, among the threads of this process and, by `flock`, among processes that share the path."""

    def __init__(self, path: Path | None) -> None:
        self._threads = threading.Lock()
        self._file = None if path is None else _lock_file(path)

    @contextmanager
    def taken(self) -> Iterator[None]:
        with self._threads:
            if self._file is None:
                yield
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock_file(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
