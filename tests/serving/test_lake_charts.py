from __future__ import annotations

from datetime import date, timedelta
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


def charted(folder: Path, plays: list[int]) -> LakeCharts:
    """Charts of days in a row, of one track that was played so often."""
    made = Lake(str(folder))
    rows = [
        {"day": DAY + timedelta(days=at), "country": EVERYWHERE, "rank": 1, "track_id": "t", "plays": n, "listeners": 1}
        for at, n in enumerate(plays)
    ]
    made.append(CHARTS_DAILY, pa.Table.from_pylist(rows, CHARTS_DAILY.schema))
    return LakeCharts(lambda: made)


@pytest.mark.parametrize(
    ("plays", "answers"),
    [
        ([500] * 10 + [1], 9),
        ([500] * 10 + [1, 2, 3], 9),
        ([500] * 10 + [50], 10),
        ([99] * 10 + [1], 10),
        ([500] * 3 + [1], 3),
        ([500] * 10 + [1] * 40, 49),
        ([1], 0),
    ],
    ids=["a stray", "strays", "a tenth", "few play", "a young service", "now few play", "the first"],
)
def test_the_newest_chart_is_that_of_the_newest_full_day(tmp_path: Path, plays: list[int], answers: int) -> None:
    charts = charted(tmp_path, plays)
    found = charts.chart(None, EVERYWHERE)
    assert found is not None
    assert found.day == DAY + timedelta(days=answers)
    last = charts.chart(DAY + timedelta(days=len(plays) - 1), EVERYWHERE)  # by name any day may be asked for
    assert last is not None
    assert last.places[0].plays == plays[-1]


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
