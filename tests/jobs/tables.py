"""Rows of tables for tests of jobs: what a test does not name is as it usually is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from jobs.run import JobRun, Wiring, schema_of
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_ERASURES, RAW_PLAYS, RAW_TRACKS, Table

SEC = 1_000
MIN = 60 * SEC
HOUR = 60 * MIN
DAY = 24 * HOUR
MONDAY = 1_735_776_000_000 - 3 * DAY  # 2024-12-30, 00:00 UTC
NEXT_YEAR = date(2026, 1, 1)


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1_000, UTC).date()


def raw_play(play_id: str, started_ms: int, track: str = "t1", listener: str = "ada", **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(RAW_PLAYS.schema.names)
    row |= {
        "play_id": play_id,
        "listener_id": listener,
        "source_track_id": track,
        "started_ms": started_ms,
        "received_ms": started_ms,
        "source": "backbeat",
        "played_ms": 3 * MIN,
        "day": day_of(started_ms),
    }
    return row | more


def raw_track(source_track_id: str, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(RAW_TRACKS.schema.names) | {"source_track_id": source_track_id} | more


def erasure(listener: str, play_id: str | None = None, received_ms: int = MONDAY) -> dict[str, Any]:
    told = {"erasure_id": f"{listener} {play_id}", "listener_id": listener, "play_id": play_id}
    return dict.fromkeys(RAW_ERASURES.schema.names) | told | {"received_ms": received_ms}


def rows_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), table.schema)


def frame(spark: SparkSession, table: Table, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    values = [tuple(row[name] for name in table.schema.names) for row in rows]
    return spark.createDataFrame(values, schema_of(table))


def job_run(folder: Path, spark: SparkSession, as_of: date = NEXT_YEAR) -> JobRun:
    """A step's run on an empty lake in `folder`, without rows, log or clock."""
    home = Home.from_environment({"BACKBEAT_HOME": str(folder)})

    def absent() -> Any:
        raise AssertionError("this step was not meant to open a store")

    return JobRun(Wiring(Lake(home.lake_url), home, absent, absent, absent), as_of, lambda: spark)
