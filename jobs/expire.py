"""Retention: plays taken back leave the raw tables, unneeded files the disk, landed records the event log."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from jobs.run import JobRun
from warehouse.events import TOPICS
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.duckdb_inputs import text_literal
from warehouse.stores.lake import Lake
from warehouse.stores.landing import landed_offsets
from warehouse.stores.log import Log
from warehouse.tables import (
    RAW_DEADLETTERS,
    RAW_ERASURES,
    RAW_IMPRESSIONS,
    RAW_PLAYS,
    RAW_QUARANTINE,
    RAW_SIGNALS,
    TABLES,
    Table,
)
from warehouse.tail import topic_partition

KEPT_HOURS = 7 * 24  # how far back a table's older versions can be read
LETTER_DAYS = 90  # how long a dead letter waits to be read after all
QUARANTINE_DAYS = 90  # how long a row that could not be imported waits for somebody to look at it
_OF_LISTENERS = (RAW_PLAYS, RAW_SIGNALS, RAW_IMPRESSIONS, RAW_DEADLETTERS, RAW_QUARANTINE)


def main(run: JobRun) -> None:
    """Forget what listeners took back, then remove the files that no kept version needs."""
    if run.lake.exists(RAW_ERASURES):
        run.tally.written += forget(run.lake, run.lake.read(RAW_ERASURES))
    run.tally.written += forget_letters(run.lake, run.wiring.clock_ms())
    run.tally.written += forget_quarantine(run.lake, run.wiring.clock_ms())
    for table in TABLES.values():
        if run.lake.exists(table):
            run.lake.vacuum(table, KEPT_HOURS)
    log = run.wiring.open_log()
    try:
        run.tally.facts["records_trimmed"] = trimmed(run.lake, log, run.wiring.clock_ms())
    finally:
        log.close()


def trimmed(lake: Lake, log: Log, now_ms: int) -> int:
    """Forget what the log holds longer than its topics promise, and never what has not landed; how many records."""
    landed, trimmed_records = landed_offsets(lake), 0
    for topic in TOPICS:
        before_ms = now_ms - topic.retention_days * DAY_MS
        for partition in range(topic.partitions):
            waiting = log.read(topic, partition, after=landed.get(topic_partition(topic.name, partition), -1), limit=1)
            before_ms = min([before_ms, *(record.appended_ms for record in waiting)])
        trimmed_records += log.trim(topic, before_ms)
    return trimmed_records


def forget_letters(lake: Lake, now_ms: int) -> int:
    """Delete the dead letters that have waited longer than they may; how many."""
    return lake.delete(RAW_DEADLETTERS, f"received_ms < {now_ms - LETTER_DAYS * DAY_MS}")


def forget_quarantine(lake: Lake, now_ms: int) -> int:
    """Delete the rows that were set aside so long ago; how many. Those of an unknown time wait from now on."""
    lake.update(RAW_QUARANTINE, "received_ms IS NULL", {"received_ms": str(now_ms)})
    return lake.delete(RAW_QUARANTINE, f"received_ms < {now_ms - QUARANTINE_DAYS * DAY_MS}")


def forget(lake: Lake, erasures: pa.Table) -> int:
    """Delete what erasures name of plays, signals, impressions, dead letters and quarantine; how many rows went.

    core.plays leaves them out already; this takes them from what it is made of.
    """
    forgotten = 0
    for listener, play in _matches(lake, RAW_PLAYS, erasures, _PLAYS_HELD):
        forgotten += lake.delete(
            RAW_PLAYS, f"listener_id = {text_literal(listener)} AND play_id = {text_literal(play)}"
        )
    for table in _OF_LISTENERS:
        for listener, until_ms in _matches(lake, table, erasures, _LISTENERS_HELD):
            forgotten += lake.delete(table, f"listener_id = {text_literal(listener)} AND received_ms <= {until_ms}")
    return forgotten


def _matches(lake: Lake, table: Table, erasures: pa.Table, query: str) -> list[tuple[Any, ...]]:
    """What of a table erasures name: found in one reading, as nearly all of them were carried out long ago."""
    if not lake.exists(table):
        return []
    with duckdb.connect() as connection:
        connection.register("erasures", erasures)
        connection.register("held", lake.dataset(table))
        return connection.sql(query).fetchall()


_PLAYS_HELD = "SELECT DISTINCT listener_id, play_id FROM held JOIN erasures USING (listener_id, play_id)"
_LISTENERS_HELD = """
SELECT listener_id, max(erasures.received_ms) FROM held JOIN erasures USING (listener_id)
WHERE erasures.play_id IS NULL AND held.received_ms <= erasures.received_ms
GROUP BY listener_id
"""
