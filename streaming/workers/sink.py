"""The lake sink: brings the log into raw.*, every few seconds.

Its offsets are in the lake, in the same commits as the rows, so it needs neither a consumer group nor a place to
remember anything: one that dies is started again anywhere, and of two at once one is always overtaken and lands less.
"""

from __future__ import annotations

import logging
import threading
import time

from deltalake.exceptions import CommitFailedError

from streaming.workers.meter import BEAT_SECONDS, Meter
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land, landed_offsets
from warehouse.stores.log import Log, LogUnavailable

SINK = "sink"
LAND_SECONDS = 2.0
_log = logging.getLogger("backbeat.stream")


class LakeSink:
    """Lands what is on the log until it is told to stop. A log or lake that is away is asked again later."""

    def __init__(self, lake: Lake, log: Log, meter: Meter, *, every_seconds: float = LAND_SECONDS) -> None:
        self._lake = lake
        self._log = log
        self._meter = meter
        self._every_seconds = every_seconds

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; the round under way is finished first."""
        land_at = 0.0
        while not stop.is_set():
            if time.monotonic() >= land_at:
                self.land()
                land_at = time.monotonic() + self._every_seconds
            self._meter.beat(SINK)
            stop.wait(BEAT_SECONDS)

    def land(self) -> bool:
        """Bring every topic up to its end; False, and something is left for the next round, where that failed."""
        try:
            for landing in LANDINGS:
                landed = land(self._lake, self._log, landing)
                self._meter.reached(landed_offsets(self._lake), landed.rows)
                self._meter.beat(SINK)  # a round may take longer than a worker is silent while it lives
        except (LogUnavailable, CommitFailedError, OSError) as error:  # a full disk, a store that is away
            _log.error("landing: %s; trying again in %g s", error, self._every_seconds)
            return False
        return True
