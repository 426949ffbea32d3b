"""Work beside the requests: one thread that does one thing again and again until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("backbeat.serving")


class Repeated:
    """Calls `work` every `seconds`, in a thread of its own, and a last time when it stops.

    Whatever `work` raises is logged and ends nothing: this is the one boundary where that holds.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self._seconds = seconds
        self._work = work
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being done, do it once more, and return when that is over."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._once()
        self._once()

    def _once(self) -> None:
        try:
            self._work()
        except Exception:  # a thread that ended would be missed by nobody: what fails is logged, and tried again
            _log.exception("%s failed, and goes on", self._thread.name)
