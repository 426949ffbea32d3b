from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.sql import CATALOG, PLAYS, SqlContract, table_of
from warehouse.analytics import answer, model_named
from warehouse.stores.duckdb_sql import DuckDbWarehouse
from warehouse.stores.lake import Lake, NoSuchTable
from warehouse.stores.sql import SqlWarehouse
from warehouse.tables import CORE_CATALOG, CORE_PLAYS


class TestDuckDb(SqlContract):
    @pytest.fixture
    def warehouse(self) -> Iterator[SqlWarehouse]:
        with closing(DuckDbWarehouse()) as warehouse:
            yield warehouse


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    lake.replace(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS[:1]))
    return lake


def test_a_query_sees_the_lakes_newest_version(lake: Lake) -> None:
    with closing(DuckDbWarehouse(lake)) as warehouse:
        assert warehouse.query("SELECT COUNT(*) AS n FROM core.plays").to_pylist() == [{"n": 1}]
        lake.append(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS[1:]))
        assert answer(model_named("plays_per_day"), warehouse)["plays"].to_pylist() == [3, 1, 1, 2, 2]


def test_rows_that_were_loaded_stand_before_the_lakes(lake: Lake) -> None:
    with closing(DuckDbWarehouse(lake)) as warehouse:
        warehouse.load(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS))
        assert warehouse.query("SELECT COUNT(*) AS n FROM core.plays").to_pylist() == [{"n": len(PLAYS)}]


def test_a_table_that_the_lake_does_not_have_yet_is_named(lake: Lake) -> None:
    with closing(DuckDbWarehouse(lake)) as warehouse:
        warehouse.load(CORE_CATALOG, table_of(CORE_CATALOG, CATALOG))
        with pytest.raises(NoSuchTable, match=r"raw\.impressions"):
            answer(model_named("recommended_coverage"), warehouse)
