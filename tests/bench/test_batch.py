"""DuckDB, the peer, makes the same tables: so that it is the same work that takes it less or more time."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bench.batch import MADE, STEPS, fitted_exponent, imported, world_of
from bench.peers import duckdb_plays
from jobs.world import WorldConfig
from tests.jobs.tables import DAY, MONDAY, job_run, raw_play, raw_track, rows_of
from warehouse.sources import SOURCES
from warehouse.stores.lake import Lake, day_after_newest
from warehouse.tables import RAW_PLAYS, RAW_TRACKS, TABLES


def crowd(lake: Lake) -> None:
    """Plays beside two midnights, most of them one play told again and again by many tellers."""
    random = np.random.default_rng(3)
    told = []
    for number in range(600):
        started_ms = MONDAY + int(random.integers(0, 2)) * DAY + int(random.integers(-20, 20)) * 11_000
        played_ms = [None, 5_000, 29_999, 30_000][random.integers(0, 4)]
        more = {"source": sorted(SOURCES)[random.integers(0, len(SOURCES))], "played_ms": played_ms}
        more |= {"ended_by": [None, "skip"][random.integers(0, 2)], "country": [None, "DE"][random.integers(0, 2)]}
        told.append(raw_play(f"p{number}", started_ms, f"t{number % 3}", f"l{number % 7}", **more))
    lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))
    lake.append(RAW_TRACKS, rows_of(RAW_TRACKS, [raw_track("t0", artist="A", title="T"), raw_track("t1")]))


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
@pytest.mark.parametrize("world", [True, False], ids=["a world", "a crowd of tellings"])
def test_the_peer_writes_the_same_rows(spark: SparkSession, tmp_path: Path, world: bool) -> None:
    run = job_run(tmp_path / "home", spark)
    if world:
        imported(run.wiring.home, WorldConfig(listeners=30, tracks=80, plays=900, days=5))
    else:
        crowd(run.lake)
    as_of = day_after_newest(run.lake.days(RAW_PLAYS))
    assert as_of is not None
    run.as_of = as_of - timedelta(days=1)
    for name in STEPS:
        import_module(f"jobs.{name}").main(run)
    duckdb_plays.refresh(run.lake, tmp_path / "duckdb", run.as_of, memory="1gb", threads=1)
    ours = {table.name: (run.lake.count(table), run.lake.content_hash(table)) for table in MADE}
    assert ours == {table.name: duckdb_plays.content(tmp_path / "duckdb", table) for table in MADE}
    assert all(rows for rows, _ in ours.values())


def test_all_that_sql_makes_of_plays_is_measured() -> None:
    raw = {name for name in TABLES if name.startswith("raw.")}
    assert {table.name for table in MADE} == set(TABLES) - raw - {"features.outcomes"}


def test_worlds_of_all_sizes_have_as_many_plays_a_listener() -> None:
    assert {size // world_of(size).listeners for size in (200_000, 20_000_000)} == {200}


def test_the_exponent_of_a_power_is_found_with_its_doubt() -> None:
    sizes = [1e6, 2e6, 4e6, 8e6]
    exact, no_doubt = fitted_exponent(sizes, [3.0 * (size / 1e6) ** 0.9 for size in sizes])
    assert exact == pytest.approx(0.9)
    assert no_doubt == pytest.approx(0.0, abs=1e-9)
    noisy, doubt = fitted_exponent(sizes, [1.0, 2.2, 3.9, 8.3])
    assert noisy == pytest.approx(1.003, abs=0.03)
    assert 0.05 < doubt < 0.4
