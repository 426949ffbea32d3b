"""Runs one worker in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
from collections.abc import Callable

import faust
import uvloop

from streaming.features import Feature
from streaming.workers.app import WorkerConfig, feature_app
from streaming.workers.meter import Meter, serve_metrics
from warehouse.stores.rows import Rows

# A fold makes objects by the thousand and hardly a cycle: Python's own 700 would look for some many times a batch.
COLLECT_AFTER = (50_000, 20, 20)


def run_worker(feature: Feature, rows: Rows, config: WorkerConfig, clock: Callable[[], int]) -> None:
    """Fold until SIGINT or SIGTERM; raises `SystemExit` at the end, as Faust's worker does."""
    config.folder.mkdir(parents=True, exist_ok=True)
    meter = Meter(rows, config.worker, clock)
    serve_metrics(meter.registry, config.metrics_port)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    worker = faust.Worker(
        feature_app(feature, rows, meter, config),
        loglevel="WARNING",
        quiet=True,
        stdout=io.StringIO(),
        logging_config=_LOGGING,
    )
    gc.freeze()  # modules live as long as the process
    gc.set_threshold(*COLLECT_AFTER)
    worker.execute_from_commandline()


_LOGGING: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": logging.WARNING},
}
