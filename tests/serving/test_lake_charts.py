from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pytest

from serving.service.lake_charts import LakeCharts
from serving.service.ports import Chart, Place
from warehouse.stores.lake import Lake
from warehouse.stores.rows import RowsUnavailable
from warehouse.tables import CHARTS_DAILY, EVERYWHERE

DAY = date(2026, 5, 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path))
    row = {"day": DAY, "country": EVERYWHERE, "rank": 1, "track_id": "t", "plays": 5, "listeners": 3}
    made.append(CHARTS_DAILY, pa.Table.from_pylist([row], CHARTS_DAILY.schema))
    return made


def test_a_chart_of_the_lake_is_read(lake: Lake) -> None:
    assert LakeCharts(lambda: lake).chart(None, EVERYWHERE) == Chart(DAY, (Place(1, "t", 5, 3),))


def test_files_that_are_gone_are_a_store_that_is_away(lake: Lake) -> None:
    charts = LakeCharts(lambda: lake)
    for file in Path(lake.location(CHARTS_DAILY)).rglob("*.parquet"):
        file.unlink()
    with pytest.raises(RowsUnavailable, match=r"could not read charts\.daily"):
        charts.chart(DAY, EVERYWHERE)


def test_a_torn_table_is_a_store_that_is_away_and_is_read_once_it_is_mended(lake: Lake) -> None:
    charts = LakeCharts(lambda: lake)
    (commit,) = Path(lake.location(CHARTS_DAILY)).glob("_delta_log/*.json")
    whole = commit.read_bytes()
    commit.write_bytes(b"{")
    with pytest.raises(RowsUnavailable, match=r"could not read charts\.daily"):
        charts.chart(DAY, EVERYWHERE)
    commit.write_bytes(whole)
    assert charts.chart(DAY, EVERYWHERE) is not None


def test_a_lake_that_does_not_open_is_a_store_that_is_away() -> None:
    def refused() -> NoReturn:
        raise PermissionError("no permission")

    with pytest.raises(RowsUnavailable, match="no permission"):
        LakeCharts(refused).chart(DAY, EVERYWHERE)
