"""What the batch makes of the raw tables, by the functions of its own steps: to be held against the stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.charts_daily import places
from jobs.core_plays import counted_plays, remaining_plays, told_counts
from jobs.core_sessions import sessions
from jobs.features_outcomes import outcomes
from jobs.features_taste import taste
from jobs.run import schema_of
from jobs.serving_rows import BASES, ROWS_A_WRITE, base_of
from warehouse.feature_parity import Hour, SlotOutcome
from warehouse.parity import Account, batch_account
from warehouse.rules.quantity import HOUR_MS
from warehouse.stores.cut import Cut
from warehouse.stores.duckdb_inputs import text_literal
from warehouse.tables import (
    CORE_PLAYS,
    CORE_SESSIONS,
    CORE_TRACKS,
    FEATURES_OUTCOMES,
    FEATURES_TASTE,
    RAW_ERASURES,
    RAW_IMPRESSIONS,
    RAW_PLAYS,
    Table,
)
from warehouse.trending import RING_HOURS, is_timely


def batch_accounts(spark: SparkSession, cut: Cut) -> Iterator[tuple[str, Account]]:
    """Every listener of whom the batch says anything; its tables are written beside the cut."""
    folder = _folder(cut)
    plays = _core_plays(spark, cut)
    _made(spark, sessions(plays), CORE_SESSIONS, folder)
    _made(spark, taste(plays), FEATURES_TASTE, folder)
    with duckdb.connect() as engine:
        for name, table in (("plays", CORE_PLAYS), ("taste", FEATURES_TASTE), ("sessions", CORE_SESSIONS)):
            engine.execute(f"CREATE VIEW {name} AS FROM read_parquet({_files(folder, table)})")  # our own names
        for name in ("signals", "erasures"):
            engine.execute(f"CREATE VIEW {name} AS FROM read_parquet({text_literal(cut.path(name))})")  # our own names
        for batch in engine.sql(_ACCOUNTS).to_arrow_reader(ROWS_A_WRITE):
            for row in batch.to_pylist():
                session_of = {start["i"]: start["m"] for start in row["starts"] or ()}
                yield row["listener_id"], batch_account(base_of(row, {}), session_of)


def batch_trends(spark: SparkSession, cut: Cut) -> dict[Hour, dict[str, int]]:
    """How often each track was played in the last hours, by hour and country: of raw.plays without imports."""
    told = remaining_plays(_raw(spark, cut, RAW_PLAYS), _raw(spark, cut, RAW_ERASURES)).where("import_id IS NULL")
    timely = is_timely(F.col("received_ms") - F.col("started_ms"))
    hour = F.floor(F.col("started_ms") / HOUR_MS).alias("hour")
    counted = told.where(told_counts() & timely).select(hour, "country", "source_track_id")
    newest = counted.agg(F.max("hour")).collect()[0][0]
    if newest is None:
        return {}
    lately = counted.where(F.col("hour") > newest - RING_HOURS).select("hour", places(), "source_track_id")
    trends: defaultdict[Hour, dict[str, int]] = defaultdict(dict)
    for row in lately.groupBy("hour", "country", "source_track_id").count().toLocalIterator():
        trends[row["hour"], row["country"]][row["source_track_id"]] = row["count"]
    return dict(trends)


def batch_outcomes(
    spark: SparkSession, cut: Cut, now_ms: int
) -> Iterator[tuple[str, dict[tuple[str, int], SlotOutcome]]]:
    """What had become at that time of all that each listener was shown, by impression_id and slot."""
    told, tracks, erasures = (_raw(spark, cut, table) for table in (RAW_PLAYS, CORE_TRACKS, RAW_ERASURES))
    found = outcomes(now_ms, _raw(spark, cut, RAW_IMPRESSIONS), _core_plays(spark, cut), told, tracks, erasures)
    _made(spark, found, FEATURES_OUTCOMES, _folder(cut))
    with duckdb.connect() as engine:
        files = _files(_folder(cut), FEATURES_OUTCOMES)
        engine.execute(f"CREATE VIEW outcomes AS FROM read_parquet({files})")  # our own names
        for batch in engine.sql(_OUTCOMES).to_arrow_reader(ROWS_A_WRITE):
            for row in batch.to_pylist():
                slots = {(s["i"], s["n"]): SlotOutcome(s["m"], s["o"], s["w"], s["p"], s["l"]) for s in row["slots"]}
                yield row["listener_id"], slots


_OUTCOMES = """
SELECT listener_id,
       list({i: impression_id, n: slot, m: shown_ms, o: source, w: outcome, p: play_id, l: played_ms}) AS slots
FROM outcomes GROUP BY listener_id
"""
_ACCOUNTS = f"""
WITH named AS (
    SELECT listener_id, list({{i: play_id, m: session_started_ms}}) AS starts FROM sessions GROUP BY listener_id
)
SELECT bases.*, starts FROM ({BASES}) bases LEFT JOIN named USING (listener_id)
"""  # noqa: S608  # our own names


def _raw(spark: SparkSession, cut: Cut, table: Table) -> DataFrame:
    return spark.read.schema(schema_of(table)).parquet(cut.path(table.name.split(".")[1]))


def _core_plays(spark: SparkSession, cut: Cut) -> DataFrame:
    """core.plays of the cut, made when it is first asked for."""
    if (_folder(cut) / CORE_PLAYS.name).exists():
        return spark.read.parquet(str(_folder(cut) / CORE_PLAYS.name))
    raw = [_raw(spark, cut, table) for table in (RAW_PLAYS, CORE_TRACKS, RAW_ERASURES)]
    return _made(spark, counted_plays(*raw), CORE_PLAYS, _folder(cut))


def _folder(cut: Cut) -> Path:
    return cut.folder / "batch"


def _made(spark: SparkSession, rows: DataFrame, table: Table, folder: Path) -> DataFrame:
    path = str(folder / table.name)
    rows.select(*table.schema.names).write.parquet(path)
    return spark.read.parquet(path)


def _files(folder: Path, table: Table) -> str:
    return text_literal(folder / table.name / "*.parquet")
