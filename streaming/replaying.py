"""The folds again, from the beginning: what the stream's rows are after the log up to some offsets."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from streaming.features import Feature
from streaming.mover import ROWS_KEPT, RecordEvents
from warehouse.events import Event, Topic
from warehouse.stores.log import Log
from warehouse.stores.rows import Rows
from warehouse.tail import topic_partition

RECORDS_AT_ONCE = 500
_PAGE = 1_000


class Timed(NamedTuple):
    """A record, and when it arrived, UTC ms."""

    at_ms: int
    place: str
    offset: int
    events: Sequence[Event]


def replay(feature: Feature, rows: Rows, told: Iterable[Timed]) -> int:
    """Fold the records into rows that nobody else writes; how many records there were."""
    mover = feature.mover(rows, ROWS_KEPT)
    waiting, count = iter(told), 0
    while some := [
        RecordEvents(record.place, record.offset, record.events) for record in islice(waiting, RECORDS_AT_ONCE)
    ]:
        mover.advance(some)
        count += len(some)
    return count


def timeline(
    log: Log, topics: Sequence[Topic], offsets: Mapping[str, int], *others: Iterable[Timed]
) -> Iterator[Timed]:
    """The records of the topics up to the offsets, and others, by time of arrival; each place in its own order."""
    places = [
        _of_place(log, topic, partition, offsets.get(topic_partition(topic.name, partition), -1))
        for topic in topics
        for partition in range(topic.partitions)
    ]
    return heapq.merge(*places, *others, key=lambda record: record.at_ms)


def _of_place(log: Log, topic: Topic, partition: int, end: int) -> Iterator[Timed]:
    place, after, at_ms = topic_partition(topic.name, partition), -1, 0
    while after < end:
        page = log.read(topic, partition, after=after, limit=min(_PAGE, end - after))
        if not page:
            return
        for record in page:
            if record.offset > end:
                return
            at_ms = max(at_ms, record.appended_ms)  # clocks may go back, places do not
            yield Timed(at_ms, place, record.offset, record.events)
        after = page[-1].offset
