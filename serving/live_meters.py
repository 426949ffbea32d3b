"""What Prometheus reads of the stream from the API: it is there while all workers are dead."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.live_answers import LedgerAnswer, StreamAnswer

PREFIX = "backbeat_stream_"


class LiveMeters(Collector):
    """The last answer as gauges; what it does not know is not there."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answer: StreamAnswer | None = None
        registry.register(self)

    def show(self, answer: StreamAnswer) -> None:
        """Tell this one from now on."""
        self._answer = answer

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called by the registry."""
        if self._answer is None:
            return
        yield GaugeMetricFamily(f"{PREFIX}log_up", "Whether the event log answers.", self._answer.log_up)
        yield from _features(self._answer)
        if (letters := self._answer.dead_letters) is not None:
            meaning = "What came on the log, could not be read, and waits to be looked at."
            yield GaugeMetricFamily(f"{PREFIX}dead_letters", meaning, letters)
        if self._answer.ledger is not None:
            yield from _ledger(self._answer.ledger)


def _features(answer: StreamAnswer) -> Iterator[GaugeMetricFamily]:
    lag = _family("lag_records", "Records of the log that wait for the feature.", "feature")
    delay = _family(
        "event_delay_seconds", "The longest that an event waited for its rows in the last second.", "feature"
    )
    alive = _family("workers_alive", "Workers of the feature that have said something lately.", "feature")
    age = _family("worker_age_seconds", "Since the worker's last word.", "feature", "worker")
    meaning = "Within what time this percentage of the last minute's events was in the rows."
    fresh = _family("freshness_seconds", meaning, "feature", "percentile")
    for one in answer.features:
        if one.lag is not None:
            lag.add_metric([one.feature], one.lag)
        delay.add_metric([one.feature], one.delay_ms / 1_000)
        alive.add_metric([one.feature], one.alive)
        for worker in one.workers:
            age.add_metric([one.feature, worker.worker], worker.age_ms / 1_000)
        for percentile, fresh_ms in (("50", one.fresh_p50_ms), ("99", one.fresh_p99_ms)):
            if fresh_ms is not None:
                fresh.add_metric([one.feature, percentile], fresh_ms / 1_000)
    yield from (lag, delay, alive, age, fresh)


def _ledger(ledger: LedgerAnswer) -> Iterator[GaugeMetricFamily]:
    meaning = "Events that the last ledger could not account for."
    yield GaugeMetricFamily(f"{PREFIX}ledger_difference", meaning, ledger.difference)
    meaning = "When the last ledger was made, in Unix time."
    yield GaugeMetricFamily(f"{PREFIX}ledger_timestamp_seconds", meaning, ledger.at_ms / 1_000)


def _family(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
