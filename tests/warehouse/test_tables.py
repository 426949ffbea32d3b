"""The declared tables are those that the steps write: names, types, what may be unknown, and what is there once."""

from __future__ import annotations

from datetime import date
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.importers.intake import Request, import_plays
from jobs.plan import DAILY
from jobs.run import JobRun
from jobs.world import PLAYS_FILE, TRACKS_FILE, WorldConfig, generate
from tests.fakes import foreign
from tests.jobs.tables import job_run
from tests.streaming.tastes import NOON, erasure, play, word
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, Impression, SignalKind
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import DAY, TABLES, Table

WORLD = WorldConfig(listeners=30, tracks=80, plays=900, days=6)
NOW_MS = 1_800_000_000_000
SQL_STEPS = [step.name for step in DAILY.steps if set(step.writes) & set(TABLES) and step.name != "land_events"]

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
EVERY_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A small world, some of it told through the API, brought through every step that writes a table."""
    folder = tmp_path_factory.mktemp("tables")
    generate(WORLD, folder / "world")
    run = job_run(folder / "home", spark, date(2026, 7, 1))
    home = run.wiring.home
    import_plays(Request([folder / "world" / name for name in (PLAYS_FILE, TRACKS_FILE)]), home, now_ms=NOW_MS)
    _quarantined(folder, run)
    _told_through_the_api(folder, run.lake)
    for name in SQL_STEPS:
        import_module(f"jobs.{name}").main(run)
    return run.lake


def _quarantined(folder: Path, run: JobRun) -> None:
    scrobbles = folder / "scrobbles.csv"
    scrobbles.write_text(
        "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\nnever,,A,,,,T,\n1,,A,,,,T,\n"
    )
    import_plays(Request([scrobbles], listener="ada", format="lastfm"), run.wiring.home, now_ms=NOW_MS)


def _told_through_the_api(folder: Path, lake: Lake) -> None:
    log = SqliteLog(folder / "log.db")
    log.append(PLAYS, [play("p1", "t1"), play("p2", "t2")])
    log.append(SIGNALS, [word("t1", SignalKind.LIKE)])
    log.append(ERASURES, [erasure("p2")])
    shown = Impression(
        listener_id="ada",
        received_ms=NOON,
        impression_id="i",
        shelf="discover",
        model_version="m",
        track_ids=["t1", "t2"],
        sources=["als", "repeat"],
    )
    log.append(IMPRESSIONS, [shown])
    foreign.put(folder / "log.db", PLAYS, 0, foreign.frame({"listener_id": "ada"}), NOON)
    foreign.put(folder / "log.db", PLAYS, 0, b"no frame", NOON)
    for landing in LANDINGS:
        land(lake, log, landing)
    log.close()


def test_every_declared_table_is_written_and_no_other(lake: Lake) -> None:
    found = {".".join(log.parent.relative_to(lake.url).parts) for log in Path(lake.url).glob("*/*/_delta_log")}
    assert found == set(TABLES)
    assert [name for name, table in TABLES.items() if not lake.count(table)] == []


@EVERY_TABLE
def test_a_table_has_the_declared_columns_and_partition(lake: Lake, table: Table) -> None:
    delta = DeltaTable(lake.location(table))
    written = pa.schema(delta.schema())
    assert [(field.name, field.type) for field in written] == [(c.name, c.type) for c in table.columns]
    assert delta.metadata().partition_columns == ([DAY] if table.daily else [])


@EVERY_TABLE
def test_only_what_may_be_unknown_is(lake: Lake, table: Table) -> None:
    rows = lake.read(table)
    assert {name for name in rows.schema.names if rows[name].null_count} <= {c.name for c in table.columns if c.null}


@EVERY_TABLE
def test_a_table_has_one_row_for_each_of_its_grain(lake: Lake, table: Table) -> None:
    rows = lake.read(table).select(list(table.grain))
    assert rows.group_by(list(table.grain)).aggregate([]).num_rows == rows.num_rows


@EVERY_TABLE
def test_a_day_is_that_of_the_moment_that_its_column_speaks_of(lake: Lake, table: Table) -> None:
    moment = next(
        (name for name in ("started_ms", "received_ms", "shown_ms", "last_started_ms") if name in table.schema.names),
        None,
    )
    if table.daily and moment is not None:
        rows = lake.read(table, columns=[moment, DAY]).to_pylist()
        assert all(
            (row[DAY] - date(1970, 1, 1)).days == row[moment] // 86_400_000 for row in rows if row[moment] is not None
        )


@EVERY_TABLE
def test_a_declaration_says_what_each_column_is(table: Table) -> None:
    assert table.comment
    assert all(column.comment for column in table.columns)
    assert set(table.grain) <= set(table.schema.names)
    assert table.volatile <= set(table.schema.names)
    assert set(table.reads) <= set(TABLES)
    assert not any(column.null for column in table.columns if column.name in table.grain)
