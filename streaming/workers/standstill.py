"""Ends a worker whose group stands still although the log has more: whoever started it starts it again.

Clients of Kafka recover from nearly everything, and now and then from something not: a broker that dies while a group
forms can leave a member waiting for ever. What stands still is seen from outside, by the offsets of the group alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streaming.features import Feature, group_of
from warehouse.events import Topic
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.tail import topic_partition
from warehouse.workers import WORKERS

STILL_SECONDS = 20.0  # longer than a rebalance after a death takes, and than a batch of any size
LOOK_SECONDS = 2.0
STOOD_STILL = 71  # exit code
_log = logging.getLogger("backbeat.stream")


class Standstill:
    """Since when a group has not moved at all while it was behind. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: Mapping[str, int] = {}
        self._since: float | None = None

    def seconds(self, done: Mapping[str, int], ends: Mapping[str, int]) -> float:
        """For how long, after this look at what is done and where the log ends, by place; 0 where it moves."""
        behind = any(done.get(place, -1) < end for place, end in ends.items())
        if not behind or done != self._done or self._since is None:
            self._since = self._clock() if behind else None
        self._done = dict(done)
        return 0.0 if self._since is None else self._clock() - self._since

    def forget(self) -> None:
        """Begin anew with the next look."""
        self._since = None


class WatchedLog(Protocol):
    """What is asked of a log of which a group reads; every method may raise `LogUnavailable`."""

    def acknowledged(self, group: str, topics: Sequence[Topic]) -> dict[str, int]:
        """The last offset that the group is done with, by `topic/partition`; -1 where it has said nothing."""

    def begin(self, topic: Topic) -> dict[int, int]:
        """The first offset of each partition that is still there, or that its next record will have."""

    def end(self, topic: Topic) -> dict[int, int]:
        """The last offset of each partition; -1 where nothing was ever appended."""


def progress(feature: Feature, log: WatchedLog) -> tuple[dict[str, int], dict[str, int]]:
    """How far the feature's group is and where the log ends, by place. Raises `LogUnavailable`.

    What the log has forgotten nobody can fold: a group that never saw it is done with it.
    """
    done = log.acknowledged(group_of(feature), feature.topics)
    ends: dict[str, int] = {}
    for topic in feature.topics:
        last = log.end(topic)
        for partition, first in log.begin(topic).items():
            place = topic_partition(topic.name, partition)
            ends[place] = last[partition]
            done[place] = max(done[place], first - 1)
    return done, ends


def still_seconds(standstill: Standstill, feature: Feature, log: WatchedLog, rows: Rows) -> float:
    """How long the group has stood still, as of one more look. While the log or the rows are away, nobody does."""
    try:
        done, ends = progress(feature, log)
        rows.version_of(WORKERS, feature.name)  # for the sake of an answer
    except (LogUnavailable, RowsUnavailable):
        standstill.forget()
        return 0.0
    return standstill.seconds(done, ends)


def watch(feature: Feature, log: WatchedLog, rows: Rows) -> None:
    """Look every few seconds, in a thread that ends with the process."""
    threading.Thread(target=_look_for_ever, args=(feature, log, rows), name="standstill", daemon=True).start()


def _look_for_ever(feature: Feature, log: WatchedLog, rows: Rows) -> None:
    standstill = Standstill()
    while True:
        time.sleep(LOOK_SECONDS)
        if still_seconds(standstill, feature, log, rows) > STILL_SECONDS:
            _log.error("%s: nothing was folded for %g s, and the log has more; ending", feature.name, STILL_SECONDS)
            os._exit(STOOD_STILL)
