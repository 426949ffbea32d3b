"""Work beside the requests: one thread that does one thing again and again until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeated:
    """Calls `work` every `seconds`, in a thread of its own, and a last time when it stops."""

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
            self._work()
        self._work()
