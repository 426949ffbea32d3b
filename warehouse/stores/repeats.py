"""Which of some new rows were told before, by the grain of their table: one rule for events and for imports.

What a listener erased with everything else is not known any more: it may be told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.stores.lake import Lake
from warehouse.tables import RAW_ERASURES, Table

_VOIDS = pa.schema([("listener_id", pa.string()), ("erased_ms", pa.int64())])


def erased_until(lake: Lake, waiting: Iterable[Mapping[str, Any]] = ()) -> dict[str, int]:
    """When each listener last erased everything, UTC ms: by raw.erasures, and by rows of it that have yet to land."""
    edition = lake.edition(RAW_ERASURES)
    until = {} if edition is None else dict(_erased_until(lake.url, edition))
    for row in waiting:
        if row["play_id"] is None:
            until[row["listener_id"]] = max(row["received_ms"], until.get(row["listener_id"], -1))
    return until


def plays_taken_back(lake: Lake, waiting: Iterable[Mapping[str, Any]] = ()) -> frozenset[tuple[str, str]]:
    """Single plays that were erased, by listener and play_id: the same rows say so."""
    landed = lake.read(RAW_ERASURES).to_pylist() if lake.exists(RAW_ERASURES) else []
    told = (*landed, *waiting)
    return frozenset((row["listener_id"], row["play_id"]) for row in told if row["play_id"] is not None)


@lru_cache(maxsize=1)  # landings ask every few seconds, and few listeners ever erase everything
def _erased_until(lake_url: str, edition: tuple[str, int]) -> Mapping[str, int]:
    columns = ["listener_id", "play_id", "received_ms"]
    rows = Lake(lake_url).read(RAW_ERASURES, version=edition[1], columns=columns)
    whole = rows.filter(pc.field("play_id").is_null()).group_by("listener_id").aggregate([("received_ms", "max")])
    return dict(zip(whole["listener_id"].to_pylist(), whole["received_ms_max"].to_pylist(), strict=True))


def find_repeats(
    engine: duckdb.DuckDBPyConnection, told: str, lake: Lake, table: Table, voids: Mapping[str, int]
) -> None:
    """Make the table `repeats` of the `place`s of rows that an earlier one of them, or the lake, has already.

    `told` is what SQL reads the new rows from: the grain of `table`, listener_id, received_ms, and their place. The
    lake is asked for all its days, since a caller may tell a play_id again with any time. Rows received by `voids`
    (UTC ms by listener, see `erased_until`) are known to nobody.
    """
    listed = pa.table([list(voids), list(voids.values())], schema=_VOIDS)
    engine.register("voids", listed)
    _find_among(engine, told, table)
    if lake.exists(table):
        _find_held(engine, told, lake, table)


def _find_among(engine: duckdb.DuckDBPyConnection, told: str, table: Table) -> None:
    """Rows are compared exactly, but only where a 64-bit hash of the grain says that they may be equal."""
    grain = ", ".join(table.grain)
    engine.execute(
        "CREATE TABLE doubtful AS SELECT key FROM "  # noqa: S608 - our own names
        f"(SELECT hash({grain}) AS key FROM {told}) GROUP BY key HAVING count(*) > 1"
    )
    engine.execute(
        "CREATE TABLE repeats AS SELECT place FROM (SELECT place, row_number() OVER "  # noqa: S608 - our own names
        f"(PARTITION BY {grain}, coalesce(received_ms <= erased_ms, false) ORDER BY place) AS telling "
        f"FROM {told} LEFT JOIN voids USING (listener_id) WHERE hash({grain}) IN (FROM doubtful)) WHERE telling > 1"
    )


def _find_held(engine: duckdb.DuckDBPyConnection, told: str, lake: Lake, table: Table) -> None:
    """The lake streams by the new rows' keys: they alone are in memory, or on disk beyond the engine's limit."""
    grain = ", ".join(table.grain)
    columns = list(dict.fromkeys([*table.grain, "listener_id", "received_ms"]))
    lake.reading(table, columns=columns).relation(engine).create_view("held_rows")
    engine.execute(
        f"CREATE TABLE held_keys AS SELECT {grain} FROM held_rows SEMI JOIN {told} USING ({grain}) "  # noqa: S608 - our own names
        "ANTI JOIN voids ON held_rows.listener_id = voids.listener_id AND held_rows.received_ms <= voids.erased_ms"
    )
    engine.execute(
        "INSERT INTO repeats SELECT place "  # noqa: S608 - our own names
        f"FROM {told} SEMI JOIN held_keys USING ({grain}) ANTI JOIN repeats USING (place)"
    )
