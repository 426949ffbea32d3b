"""Charts out of the lake's `charts.daily`, kept in memory by day and country."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from serving.service.ports import Chart, Place
from warehouse.stores.rows import RowsUnavailable
from warehouse.tables import CHARTS_DAILY, Table

if TYPE_CHECKING:
    from warehouse.stores.lake import Lake

LOOK_SECONDS = 5.0  # how long a chart may be behind the lake
KEPT = 1_000


class LakeCharts:
    """Opens the lake when the first chart is asked for, so that an API that never is asked does not carry its client.

    A call that reads files takes a tenth of a second: make it in a thread.
    """

    def __init__(self, open_lake: Callable[[], Lake], seconds: Callable[[], float] = time.monotonic) -> None:
        self._open_lake = open_lake
        self._seconds = seconds
        self._turn = threading.Lock()
        self._lake: Lake | None = None
        self._looked: float | None = None
        self._version: int | None = None
        self._days: tuple[date, ...] = ()
        self._kept: dict[tuple[date, str], Chart | None] = {}

    def chart(self, day: date | None, country: str) -> Chart | None:
        """That day's, or the newest; None where there is none. Raises `RowsUnavailable`."""
        with self._turn, translated(CHARTS_DAILY):
            lake = self._current_lake()
            wanted = day or (self._days[-1] if self._days else None)
            if wanted is None or wanted not in self._days:
                return None
            if (wanted, country) not in self._kept:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[wanted, country] = self._read(lake, wanted, country)
            return self._kept[wanted, country]

    def _current_lake(self) -> Lake:
        if self._lake is None:
            self._lake = self._open_lake()
        now = self._seconds()
        if self._looked is None or now - self._looked >= LOOK_SECONDS:
            version = self._lake.version(CHARTS_DAILY)
            if version != self._version:
                self._version, self._days = version, tuple(sorted(self._lake.days(CHARTS_DAILY, version)))
                self._kept.clear()
            self._looked = now
        return self._lake

    def _read(self, lake: Lake, day: date, country: str) -> Chart | None:
        rows = lake.read(CHARTS_DAILY, days=[day], version=self._version)
        rows = rows.filter(pc.field("country") == country).sort_by("rank")
        columns = (rows.column(name).to_pylist() for name in ("rank", "track_id", "plays", "listeners"))
        places = tuple(Place(*values) for values in zip(*columns, strict=True))
        return Chart(day, places) if places else None


@contextmanager
def translated(table: Table) -> Iterator[None]:
    """Whatever a lake that is away raises while the table is read, as `RowsUnavailable`."""
    from deltalake.exceptions import DeltaError  # the lake's client, which is loaded when a chart is asked for

    from warehouse.stores.lake import NoSuchTable

    try:
        yield
    except (DeltaError, NoSuchTable, OSError, pa.ArrowException) as error:
        raise RowsUnavailable(f"the lake: could not read {table.name}: {error}") from error
