"""Dead letters that wait in the lake, counted now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.service.lake_charts import translated
from warehouse.tables import RAW_DEADLETTERS

if TYPE_CHECKING:
    from warehouse.stores.lake import Lake

LOOK_SECONDS = 5.0  # how long a count may be behind the lake


class LakeDeadLetters:
    """Opens the lake when it is first asked. A call may read files: make it in a thread, one at a time."""

    def __init__(self, open_lake: Callable[[], Lake], seconds: Callable[[], float] = time.monotonic) -> None:
        self._open_lake = open_lake
        self._seconds = seconds
        self._lake: Lake | None = None
        self._looked: float | None = None
        self._version: int | None = None
        self._waiting = 0

    def waiting(self) -> int:
        """Those that were not replayed. Raises `RowsUnavailable`."""
        now = self._seconds()
        if self._looked is None or now - self._looked >= LOOK_SECONDS:
            with translated(RAW_DEADLETTERS):
                self._look()
            self._looked = now
        return self._waiting

    def _look(self) -> None:
        self._lake = self._lake or self._open_lake()
        version = self._lake.version(RAW_DEADLETTERS)
        if version is not None and version != self._version:
            rows = self._lake.read(RAW_DEADLETTERS, version=version, columns=["replayed_ms"])
            self._waiting = rows["replayed_ms"].null_count
            self._version = version
