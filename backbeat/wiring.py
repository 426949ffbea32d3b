"""Which adapter stands behind each port: read from the settings, once, for every command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from backbeat.output import BadUsage
from backbeat.settings import Settings
from warehouse.stores.log import Log
from warehouse.stores.rows import Rows
from warehouse.stores.runs import RunLedger
from warehouse.stores.sql import SqlWarehouse

if TYPE_CHECKING:  # the API's process loads neither Spark nor, until it is asked for a chart, the lake's client
    from jobs.session import SparkSettings
    from warehouse.stores.lake import Lake

BRIEF_ROWS = 3_000_000  # below this many plays a run is over before an optimising compiler has paid for itself


def now_ms() -> int:
    """The time of this machine, UTC ms."""
    return time.time_ns() // 1_000_000


def open_rows(settings: Settings) -> Rows:
    """The rows store that `BACKBEAT_ROWS` names. Raises `BadUsage` for an address that is none."""
    if settings.rows == "sqlite":
        from warehouse.stores.sqlite_rows import SqliteRows

        return SqliteRows(settings.home.rows)
    project, _, instance = settings.rows.removeprefix("bigtable://").partition("/")
    if not settings.rows.startswith("bigtable://") or not project or not instance:
        raise BadUsage(f"BACKBEAT_ROWS is {settings.rows!r}; wanted sqlite or bigtable://PROJECT/INSTANCE")
    from warehouse.stores.bigtable_rows import BigtableRows  # its client takes seconds to import

    return BigtableRows(project, instance)


def open_log(settings: Settings) -> Log:
    """The embedded event log in BACKBEAT_HOME."""
    from warehouse.stores.sqlite_log import SqliteLog

    return SqliteLog(settings.home.log)


def open_lake(settings: Settings) -> Lake:
    """The lake that `BACKBEAT_LAKE` names."""
    from warehouse.stores.lake import Lake

    return Lake(settings.home.lake_url)


def open_warehouse(settings: Settings) -> SqlWarehouse:
    """The SQL engine that `BACKBEAT_WAREHOUSE` names, over the lake. Raises `BadUsage` for an address that is none."""
    if settings.warehouse == "duckdb":
        from warehouse.stores.duckdb_sql import DuckDbWarehouse

        return DuckDbWarehouse(open_lake(settings))
    project, _, dataset = settings.warehouse.removeprefix("bigquery://").partition("/")
    if not settings.warehouse.startswith("bigquery://") or not project or not dataset:
        raise BadUsage(f"BACKBEAT_WAREHOUSE is {settings.warehouse!r}; wanted duckdb or bigquery://PROJECT/DATASET")
    from warehouse.stores.bigquery_sql import BigQueryWarehouse, connect  # its client takes seconds to import

    return BigQueryWarehouse(connect(project, os.environ), dataset, open_lake(settings))


def open_ledger(settings: Settings) -> RunLedger:
    """The run ledger in BACKBEAT_HOME."""
    return RunLedger(settings.home.runs)


def spark_settings(settings: Settings, plays: int) -> SparkSettings:
    """How Spark is started for that many plays."""
    from jobs.session import SparkSettings

    return SparkSettings(settings.spark_master, settings.spark_memory, brief=plays < BRIEF_ROWS)
