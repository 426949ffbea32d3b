"""Retention: plays taken back leave the raw tables, unneeded files the disk, old models the shelf."""

from __future__ import annotations

import pyarrow as pa

from jobs.run import JobRun
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, RAW_SIGNALS, TABLES

KEPT_HOURS = 7 * 24  # how far back a table's older versions can be read


def main(run: JobRun) -> None:
    """Forget what listeners took back, then remove the files that no kept version needs."""
    if run.lake.exists(RAW_ERASURES):
        run.tally.written += forget(run.lake, run.lake.read(RAW_ERASURES))
    for table in TABLES.values():
        if run.lake.exists(table):
            run.lake.vacuum(table, KEPT_HOURS)


def forget(lake: Lake, erasures: pa.Table) -> int:
    """Delete the plays, signals and impressions that erasures name; how many rows went.

    core.plays leaves them out already; this takes them from what it is made of.
    """
    forgotten = 0
    for erasure in erasures.to_pylist():
        listener = _quoted(erasure["listener_id"])
        if erasure["play_id"] is not None:
            where = f"listener_id = {listener} AND play_id = {_quoted(erasure['play_id'])}"
            forgotten += lake.delete(RAW_PLAYS, where)
            continue
        where = f"listener_id = {listener} AND received_ms <= {erasure['received_ms']}"
        forgotten += sum(lake.delete(table, where) for table in (RAW_PLAYS, RAW_SIGNALS, RAW_IMPRESSIONS))
    return forgotten


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
