"""What Prometheus reads: how long requests take, and what went wrong."""

from __future__ import annotations

from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_METHODS = frozenset(HTTPMethod)
OTHER = "other"


def method_label(method: str) -> str:
    """The method, or `other`: a label has few values, whatever callers make up, since each is kept for ever."""
    return method if method in _METHODS else OTHER


class Meters:
    """The meters of one API, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "backbeat_request_seconds",
            "Time from a request's arrival to its answer's last byte",
            ("method", "route", "status", "model_version"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rows_errors = Counter("backbeat_rows_errors", "Reads that the rows store failed", registry=self.registry)
        self.log_appends = Counter(
            "backbeat_log_events", "Events told to the log", ("topic", "outcome"), registry=self.registry
        )
        self.impressions_lost = Counter(
            "backbeat_impressions_lost",
            "Impressions that found no place in the queue, or that the log refused",
            registry=self.registry,
        )
        self.reloads = Counter("backbeat_model_reloads", "Models swapped in", registry=self.registry)
        self.model_broken = Gauge(
            "backbeat_model_broken", "1 while the published artifact cannot be loaded", registry=self.registry
        )

    def page(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
