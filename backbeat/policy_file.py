"""A policy as a table: with which probability it would show which track in which slot of the log."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from backbeat.output import CommandFailed
from warehouse.stores.experiments import POLICY

_COLUMNS = ", ".join(POLICY.names)


def policy_of(path: Path) -> pa.Table:
    """The policy's chances, with the columns `POLICY`. Raises `CommandFailed` for what is not one."""
    try:
        read = pyarrow.csv.read_csv if path.suffix.lower() == ".csv" else pyarrow.parquet.read_table
        policy = read(path).select(POLICY.names).cast(POLICY)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CommandFailed(f"reading the policy {path}: {error}; wanted Parquet or CSV with {_COLUMNS}") from error
    if any(column.null_count for column in policy.columns):
        raise CommandFailed(f"reading the policy {path}: found nulls; wanted {_COLUMNS} in every row")
    keys = policy.group_by(["impression_id", "slot", "track_id"]).aggregate([("probability", "sum")])
    chances = policy["probability"]
    if len(keys) < len(policy) or not pc.all(pc.and_(pc.greater_equal(chances, 0), pc.less_equal(chances, 1))).as_py():
        raise CommandFailed(f"reading the policy {path}: wanted each track once a slot, with a probability from 0 to 1")
    return policy
