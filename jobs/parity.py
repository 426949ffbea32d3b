"""What the batch makes of raw plays, signals and erasures, listener by listener, by the functions of its own steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame, SparkSession

from jobs.core_plays import counted_plays
from jobs.core_sessions import sessions
from jobs.features_taste import taste
from jobs.run import schema_of
from jobs.serving_rows import BASES, ROWS_A_WRITE, base_of
from warehouse.parity import Account, batch_account
from warehouse.stores.cut import Cut
from warehouse.tables import CORE_PLAYS, CORE_SESSIONS, CORE_TRACKS, FEATURES_TASTE, RAW_ERASURES, RAW_PLAYS, Table


def batch_accounts(spark: SparkSession, cut: Cut) -> Iterator[tuple[str, Account]]:
    """Every listener of whom the batch says anything; its tables are written beside the cut."""
    folder = cut.folder / "batch"
    raw = [_read(spark, cut.path(name), table) for name, table in _INPUTS]
    plays = _made(spark, counted_plays(*raw), CORE_PLAYS, folder)
    _made(spark, sessions(plays), CORE_SESSIONS, folder)
    _made(spark, taste(plays), FEATURES_TASTE, folder)
    with duckdb.connect() as engine:
        for name, table in (("plays", CORE_PLAYS), ("taste", FEATURES_TASTE), ("sessions", CORE_SESSIONS)):
            engine.execute(f"CREATE VIEW {name} AS FROM read_parquet('{_files(folder, table)}')")  # our own names
        for name in ("signals", "erasures"):
            engine.execute(f"CREATE VIEW {name} AS FROM read_parquet('{cut.path(name)}')")  # our own names
        for batch in engine.sql(_ACCOUNTS).to_arrow_reader(ROWS_A_WRITE):
            for row in batch.to_pylist():
                session_of = {start["i"]: start["m"] for start in row["starts"] or ()}
                yield row["listener_id"], batch_account(base_of(row, {}), session_of)


_INPUTS = (("plays", RAW_PLAYS), ("tracks", CORE_TRACKS), ("erasures", RAW_ERASURES))
_ACCOUNTS = f"""
WITH named AS (
    SELECT listener_id, list({{i: play_id, m: session_started_ms}}) AS starts FROM sessions GROUP BY listener_id
)
SELECT bases.*, starts FROM ({BASES}) bases LEFT JOIN named USING (listener_id)
"""  # noqa: S608  # our own names


def _read(spark: SparkSession, path: str, table: Table) -> DataFrame:
    return spark.read.schema(schema_of(table)).parquet(path)


def _made(spark: SparkSession, rows: DataFrame, table: Table, folder: Path) -> DataFrame:
    path = str(folder / table.name)
    rows.select(*table.schema.names).write.parquet(path)
    return spark.read.parquet(path)


def _files(folder: Path, table: Table) -> str:
    return str(folder / table.name / "*.parquet").replace("'", "''")
