"""What this process has accepted lately, and how long that took: how fresh answers are where the API itself folds."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from serving.service.ports import Clock
from warehouse.delays import RecentDelays
from warehouse.events import PLAYS, Topic
from warehouse.workers import WorkerStatus

EVERYTHING = "all"  # the one feature of a process that folds them all
RATE_SECONDS = 5


class _Accepted(NamedTuple):
    at_ms: int
    events: int
    plays: int
    took_ms: float


class Accepts:
    """Takes note of each call, from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._delays = RecentDelays()
        self._recent: deque[_Accepted] = deque()
        self._events = 0

    def note(self, topic: Topic, events: int, took_ms: float) -> None:
        """So many events of the topic are on the log, and folded where that is done here."""
        now_ms = self._clock()
        with self._turn:
            self._events += events
            self._delays.add(took_ms, events, now_ms)
            self._recent.append(_Accepted(now_ms, events, events if topic == PLAYS else 0, took_ms))
            self._forget(now_ms)

    def status(self) -> WorkerStatus:
        """The same that a worker would say of itself; it is never behind."""
        now_ms = self._clock()
        with self._turn:
            self._forget(now_ms)
            return WorkerStatus(
                feature=EVERYTHING,
                worker="api",
                at_ms=now_ms,
                events=self._events,
                per_second=sum(call.events for call in self._recent) / RATE_SECONDS,
                delay_ms=round(max((call.took_ms for call in self._recent), default=0)),
                places={},
                plays_per_second=sum(call.plays for call in self._recent) / RATE_SECONDS,
                delays=self._delays.counts(now_ms),
            )

    def _forget(self, now_ms: int) -> None:
        while self._recent and self._recent[0].at_ms <= now_ms - RATE_SECONDS * 1_000:
            self._recent.popleft()
