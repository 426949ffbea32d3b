"""Ends a worker whose group stands still although the log has more: whoever started it starts it again.

Clients of Kafka recover from nearly everything, and now and then from something not: a broker that dies while a group
forms can leave a member waiting for ever. What stands still is seen from outside, by the offsets of the group alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from streaming.features import Feature, group_of
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.log import LogUnavailable
from warehouse.tail import topic_partition

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


def watch(feature: Feature, log: KafkaLog) -> None:
    """Look every few seconds, in a thread that ends with the process. A log that is away stands still for nobody."""
    threading.Thread(target=_look_for_ever, args=(feature, log), name="standstill", daemon=True).start()


def _look_for_ever(feature: Feature, log: KafkaLog) -> None:
    standstill = Standstill()
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            done = log.acknowledged(group_of(feature), feature.topics)
            ends = {
                topic_partition(topic.name, part): e for topic in feature.topics for part, e in log.end(topic).items()
            }
        except LogUnavailable:
            standstill = Standstill()
            continue
        if standstill.seconds(done, ends) > STILL_SECONDS:
            _log.error("%s: nothing was folded for %g s, and the log has more; ending", feature.name, STILL_SECONDS)
            os._exit(STOOD_STILL)
