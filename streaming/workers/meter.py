"""How a worker is doing: Prometheus metrics on a port of its own, and a row a second for the live page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from streaming.mover import RecordEvents
from warehouse.delays import RecentDelays
from warehouse.events import PLAYS
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.workers import WORKERS, WorkerStatus, worker_key

BEAT_SECONDS = 1.0
_DELAYS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)


class Meter:
    """Counts what a worker of a feature folds. `clock` gives UTC ms."""

    def __init__(self, rows: Rows, worker: str, clock: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._rows = rows
        self._worker = worker
        self._clock = clock
        self._events = Counter("backbeat_stream_events", "Events folded.", ["feature"], registry=self.registry)
        self._delay = Histogram(
            "backbeat_stream_delay_seconds",
            "From the oldest record of a batch on the log to its rows in the store.",
            buckets=_DELAYS,
            registry=self.registry,
        )
        self._offset = Gauge(
            "backbeat_stream_offset", "The last offset whose rows are written.", ["place"], registry=self.registry
        )
        self._count = 0
        self._places: dict[str, int] = {}
        self._longest_ms = 0
        self._delays = RecentDelays()
        self._plays = 0
        self._beaten = (time.monotonic(), 0)

    def moved(self, told: Sequence[RecordEvents], *, oldest_ms: int) -> None:
        """Records were folded, and their rows are written."""
        self.reached({record.place: record.offset for record in told}, sum(len(record.events) for record in told))
        delay_ms = max(0, self._clock() - oldest_ms)
        self._longest_ms = max(self._longest_ms, delay_ms)
        self._delay.observe(delay_ms / 1_000)
        self._delays.add(delay_ms, sum(len(record.events) for record in told), self._clock())
        self._plays += sum(len(record.events) for record in told if record.place.startswith(PLAYS.name))

    def reached(self, places: Mapping[str, int], events: int) -> None:
        """So many events more are written, up to these offsets."""
        self._count += events
        self._places.update(places)
        for place, offset in places.items():
            self._offset.labels(place).set(offset)

    def beat(self, feature: str) -> None:
        """Write the row of this second; where the store is away, the next second's will do."""
        at, before = self._beaten
        now = time.monotonic()
        seconds = max(now - at, 0.001)
        self._events.labels(feature).inc(self._count - before)
        status = WorkerStatus(
            feature=feature,
            worker=self._worker,
            at_ms=self._clock(),
            events=self._count,
            per_second=round((self._count - before) / seconds, 1),
            delay_ms=self._longest_ms,
            places=dict(self._places),
            plays_per_second=round(self._plays / seconds, 1),
            delays=self._delays.counts(self._clock()),
        )
        self._beaten = (now, self._count)
        self._longest_ms = self._plays = 0
        try:
            key = worker_key(feature, self._worker)
            self._rows.put(WORKERS, key, msgspec.msgpack.encode(status), version=status.at_ms)
        except RowsUnavailable:
            return


def serve_metrics(registry: CollectorRegistry, port: int) -> None:
    """Prometheus' text on 127.0.0.1 at this port, none where it is 0."""
    if port:
        start_http_server(port, "127.0.0.1", registry)
