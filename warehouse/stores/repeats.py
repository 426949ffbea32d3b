"""Which of some new rows were told before, by the grain of their table: one rule for events and for imports.

What a listener erased with everything else is not known any more: it may be told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.events import Event, Play
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_ERASURES, Table

_VOIDS = pa.schema([("listener_id", pa.string()), ("erased_ms", pa.int64())])


class TakenBack(NamedTuple):
    """Single plays by listener_id and play_id, and until when (`received_ms`) all of a listener."""

    plays: frozenset[tuple[str, str]]
    until: Mapping[str, int]

    @classmethod
    def by(cls, erasures: Sequence[Mapping[str, Any]]) -> TakenBack:
        """What rows of raw.erasures take back."""
        single = ((row["listener_id"], row["play_id"]) for row in erasures if row["play_id"] is not None)
        return cls(frozenset(single), _later({}, erasures))

    def has(self, event: Event) -> bool:
        """Whether it was taken back."""
        if event.received_ms <= self.until.get(event.listener_id, -1):
            return True
        return isinstance(event, Play) and (event.listener_id, event.play_id) in self.plays


def erased_until(lake: Lake, waiting: Iterable[Mapping[str, Any]] = ()) -> dict[str, int]:
    """When each listener last erased everything, UTC ms: by raw.erasures, and by rows of it that have yet to land."""
    edition = lake.edition(RAW_ERASURES)
    return _later({} if edition is None else _erased_until(lake.url, edition), waiting)


def _later(until: Mapping[str, int], erasures: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The same times, or those of these rows of raw.erasures where they erase everything later."""
    later = dict(until)
    for row in erasures:
        if row["play_id"] is None:
            later[row["listener_id"]] = max(row["received_ms"], later.get(row["listener_id"], -1))
    return later


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
