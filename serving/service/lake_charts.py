"""Charts out of the lake's `charts.daily`, kept in memory by day and country."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from serving.service.ports import Chart, Place
from warehouse.rules.volume import LOOK_BACK_DAYS, is_full
from warehouse.stores.rows import RowsUnavailable
from warehouse.tables import CHARTS_DAILY, EVERYWHERE, Table

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
        self._newest: date | None = None
        self._kept: dict[tuple[date, str], Chart | None] = {}

    def chart(self, day: date | None, country: str) -> Chart | None:
        """That day's, or that of the newest full day; None where there is none. Raises `RowsUnavailable`.

        A day is full by `warehouse.rules.volume`: one that has only begun, or has a few strays, is not what many play.
        """
        with self._turn, translated(CHARTS_DAILY):
            lake = self._current_lake()
            wanted = day or self._newest_full(lake)
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
                self._newest = None
                self._kept.clear()
            self._looked = now
        return self._lake

    def _newest_full(self, lake: Lake) -> date | None:
        """Found once a version: the newest of four weeks of charts, each beside the four weeks before it."""
        if self._newest is None and self._days:
            days = self._days[-2 * LOOK_BACK_DAYS :]
            told = self._plays(lake, days)
            plays = [told.get(day, 0) for day in days]
            full = (
                day
                for at, day in reversed(list(enumerate(days)))
                if is_full(plays[at], plays[max(0, at - LOOK_BACK_DAYS) : at])
            )
            self._newest = next(full)  # the oldest has none before it, and so is
        return self._newest

    def _plays(self, lake: Lake, days: Sequence[date]) -> dict[date, int]:
        """Those of the tracks in each day's chart."""
        columns = ["day", "country", "plays"]
        rows = lake.read(CHARTS_DAILY, days=days, version=self._version, columns=columns)
        summed = rows.filter(pc.field("country") == EVERYWHERE).group_by("day").aggregate([("plays", "sum")])
        return dict(zip(summed["day"].to_pylist(), summed["plays_sum"].to_pylist(), strict=True))

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
