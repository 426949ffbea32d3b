"""BigQuery, on its emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from deploy.local.bigquery import BIGQUERY, PROJECT, emulator
from tests.contracts.sql import PLAYS, SqlContract, table_of
from warehouse.stores.bigquery_sql import VERSION_LABEL, BigQueryWarehouse, connect
from warehouse.stores.lake import Lake, NoSuchTable
from warehouse.stores.sql import SqlUnavailable, SqlWarehouse
from warehouse.tables import CORE_PLAYS

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("bigquery")]
NUMBERS = count()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variable that leads the client to an emulator."""
    if not BIGQUERY.installed():
        pytest.skip("the BigQuery emulator is not installed in .venv-bqemulator: make servers")
    with emulator(tmp_path_factory.mktemp("bigquery")) as bigquery:
        yield {"BIGQUERY_EMULATOR_HOST": bigquery.address}


class TestBigQuery(SqlContract):
    @pytest.fixture
    def warehouse(self, environment: dict[str, str]) -> Iterator[SqlWarehouse]:
        with closing(BigQueryWarehouse(connect(PROJECT, environment), f"test_{next(NUMBERS)}")) as warehouse:
            yield warehouse


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    lake.replace(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS[:1]))
    return lake


def test_a_query_sees_the_lakes_newest_version_copied_once(environment: dict[str, str], lake: Lake) -> None:
    count_plays = "SELECT COUNT(*) AS n FROM core.plays"
    with closing(connect(PROJECT, environment)) as client:
        warehouse = BigQueryWarehouse(client, "versions", lake)
        assert warehouse.query(count_plays).to_pylist() == [{"n": 1}]
        copied = client.get_table("versions.core_plays")
        assert copied.labels[VERSION_LABEL] == "0"
        client.query("DELETE FROM versions.core_plays WHERE TRUE").result()
        assert warehouse.query(count_plays).to_pylist() == [{"n": 0}], "the same version is not copied again"
        lake.append(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS[1:]))
        assert warehouse.query(count_plays).to_pylist() == [{"n": len(PLAYS)}]
        with pytest.raises(NoSuchTable, match=r"core\.catalog"):
            warehouse.query("SELECT 1 FROM core.catalog")


def test_a_copied_table_is_partitioned_by_day_and_says_what_it_is(environment: dict[str, str], lake: Lake) -> None:
    with closing(connect(PROJECT, environment)) as client:
        BigQueryWarehouse(client, "described", lake).query("SELECT day FROM core.plays")
        copied = client.get_table("described.core_plays")
    assert copied.time_partitioning.field == "day"
    assert CORE_PLAYS.comment in copied.description
    assert [field.description for field in copied.schema] == [column.comment for column in CORE_PLAYS.columns]
    assert [field.is_nullable for field in copied.schema] == [column.null for column in CORE_PLAYS.columns]


def test_where_nothing_answers_the_error_says_what_was_asked_of_whom() -> None:
    nowhere = connect(PROJECT, {"BIGQUERY_EMULATOR_HOST": "127.0.0.1:1"})
    with (
        closing(BigQueryWarehouse(nowhere, "lake", patience_s=0.1)) as warehouse,
        pytest.raises(SqlUnavailable, match=r"load core\.plays in backbeat\.lake"),
    ):
        warehouse.load(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS))
