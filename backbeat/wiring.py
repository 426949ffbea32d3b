"""Which adapter stands behind each port: read from the settings, once, for every command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from backbeat.output import BadUsage, CommandFailed
from backbeat.settings import Settings
from warehouse.stores.log import Log, LogStream
from warehouse.stores.rows import Rows
from warehouse.stores.runs import RunLedger

if TYPE_CHECKING:  # the API's process loads neither Spark nor, until it is asked for a chart, the lake's client
    from jobs.session import SparkSettings
    from streaming.embedded import EmbeddedStream
    from warehouse.stores.lake import Lake
    from warehouse.stores.sql import SqlWarehouse

Read = TypeVar("Read")
_BROKER = re.compile(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
BRIEF_ROWS = 3_000_000  # below this many plays a run is over before an optimising compiler has paid for itself


def open_rows(settings: Settings) -> Rows:
    """The rows store that `BACKBEAT_ROWS` names. Raises `BadUsage` for an address that is none."""
    if settings.rows == "sqlite":
        from warehouse.stores.sqlite_rows import SqliteRows

        return SqliteRows(settings.home.rows)
    if settings.rows.startswith("valkey://"):
        from warehouse.stores.valkey_rows import ValkeyRows

        try:
            return ValkeyRows.at(settings.rows)
        except ValueError as error:
            raise BadUsage(f"BACKBEAT_ROWS is {settings.rows!r}; wanted valkey://HOST:PORT[/DATABASE]") from error
    project, _, instance = settings.rows.removeprefix("bigtable://").partition("/")
    if not settings.rows.startswith("bigtable://") or not project or not instance:
        wanted = "sqlite, valkey://HOST:PORT[/DATABASE] or bigtable://PROJECT/INSTANCE"
        raise BadUsage(f"BACKBEAT_ROWS is {settings.rows!r}; wanted {wanted}")
    from warehouse.stores.bigtable_rows import BigtableRows  # its client takes seconds to import

    return BigtableRows(project, instance)


def open_log(settings: Settings) -> Log:
    """The event log that `BACKBEAT_LOG` names. Raises `BadUsage` for an address that is none."""
    if settings.log == "sqlite":
        from warehouse.stores.sqlite_log import SqliteLog

        return SqliteLog(settings.home.log)
    brokers = settings.log.removeprefix("kafka://").split(",")
    if not settings.log.startswith("kafka://") or not all(_BROKER.fullmatch(broker) for broker in brokers):
        raise BadUsage(f"BACKBEAT_LOG is {settings.log!r}; wanted sqlite or kafka://HOST:PORT")
    from warehouse.stores.kafka_log import KafkaLog

    return KafkaLog(",".join(brokers))


def open_stream(settings: Settings, log: Log, rows: Rows) -> EmbeddedStream | LogStream:
    """What the API tells. On the embedded log it folds too, on Kafka the workers do. Raises `OutOfStep`."""
    if settings.log != "sqlite":
        return LogStream(log)
    from streaming.embedded import EmbeddedStream

    return EmbeddedStream(log, rows, lock_path=settings.home.root / "stream.lock")


def open_lake(settings: Settings) -> Lake:
    """The lake that `BACKBEAT_LAKE` names."""
    from warehouse.stores.lake import Lake

    return Lake(settings.home.lake_url)


def read_lake(settings: Settings, reading: Callable[[Lake], Read]) -> Read:
    """What is read of the lake. Raises `CommandFailed` where a table is not there yet."""
    from warehouse.stores.lake import NoSuchTable

    try:
        return reading(open_lake(settings))
    except NoSuchTable as error:
        raise CommandFailed(f"{error}; `backbeat run` makes it") from error


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
