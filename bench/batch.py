"""The SQL part of the daily plan, core_tracks to features_matrix: beside DuckDB, for one more day, and as plays grow.

Without features_outcomes: nobody was shown anything in these worlds.

python -m bench.batch refresh|day|growth [--plays N]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from scipy.stats import t as student

from backbeat.settings import Settings
from backbeat.wiring import spark_settings
from bench.peers import duckdb_plays
from bench.report import RESULTS, Result, machine, write
from jobs.importers.intake import Request, import_plays
from jobs.plan import DAILY, FEATURES_MATRIX, FEATURES_OUTCOMES, LAND
from jobs.run import JobRun, Wiring
from jobs.session import spark_session
from jobs.world import PLAYS_FILE, TRACKS_FILE, WorldConfig, generate
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake, day_after_newest
from warehouse.tables import DAY, RAW_PLAYS, TABLES

CACHE = Path(".backbeat-bench")  # not under version control
PLAYS, SMALL = 20_000_000, 200_000
DAYS = 180
MEMORY = "8g"
NOW_MS = 1_800_000_000_000
REFRESH_GOAL, DAY_GOAL_S, GROWTH_GOAL = 5.0, 1.0, 1.05
GROWTH_SHARES = (0.25, 0.5, 1.0, 2.0)
ROUNDS = 3

_UP_TO_MATRIX = DAILY.steps[: DAILY.steps.index(FEATURES_MATRIX) + 1]
_MEASURED = tuple(step for step in _UP_TO_MATRIX if step not in (LAND, FEATURES_OUTCOMES))
STEPS = tuple(step.name for step in _MEASURED)
MADE = tuple(TABLES[name] for step in _MEASURED for name in step.writes)
T = TypeVar("T")


def world_of(plays: int) -> WorldConfig:
    """Two hundred plays a listener over half a year, whatever the size."""
    crowd = max(plays // 200, 100)
    return WorldConfig(listeners=crowd, tracks=crowd, plays=plays, days=DAYS)


def home_of(plays: int) -> Home:
    """Where the world of that size is kept."""
    return Home.from_environment({"BACKBEAT_HOME": str(CACHE / f"plays-{plays}")})


def imported(home: Home, world: WorldConfig) -> Home:
    """The home with that world in its raw tables; made once and kept. Its other tables are removed."""
    root = home.root
    if not (root / "imported").exists():
        shutil.rmtree(root, ignore_errors=True)
        generate(world, root / "world")
        import_plays(Request([root / "world" / name for name in (PLAYS_FILE, TRACKS_FILE)]), home, now_ms=NOW_MS)
        shutil.rmtree(root / "world")
        (root / "imported").touch()
    for table in MADE:
        shutil.rmtree(Lake(home.lake_url).location(table), ignore_errors=True)
    return home


@dataclass(frozen=True)
class Made:
    """What making every table took, by step [s], and what came of it: rows and content hash by table."""

    seconds: Mapping[str, float]
    plays: int
    contents: Mapping[str, tuple[int, str]]

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())


def made(plays: int) -> Made:
    """Make every table from the raw ones, in a session that has just started."""
    home = imported(home_of(plays), world_of(plays))
    lake = Lake(home.lake_url)
    with _session(plays) as spark:
        seconds = _timed(home, spark, _as_of(lake))
    return Made(seconds, lake.count(RAW_PLAYS), {t.name: (lake.count(t), lake.content_hash(t)) for t in MADE})


def _session(plays: int) -> Any:
    """The session that `backbeat run` would start for that many plays, with the memory that its peer has too."""
    settings = Settings.from_environment({"BACKBEAT_SPARK_MEMORY": MEMORY})
    return spark_session(spark_settings(settings, plays))


def _as_of(lake: Lake) -> date:
    newest = day_after_newest(lake.days(RAW_PLAYS))
    assert newest is not None  # noqa: S101  # a world has plays
    return newest


def _timed(home: Home, spark: SparkSession, as_of: date) -> dict[str, float]:
    """Seconds by step."""
    spark.range(1).count()  # the first job of a session starts what all others use
    wiring = Wiring(Lake(home.lake_url), home, _absent, _absent, _absent)
    seconds = {}
    for name in STEPS:
        began = time.perf_counter()
        import_module(f"jobs.{name}").main(JobRun(wiring, as_of, lambda: spark))
        seconds[name] = round(time.perf_counter() - began, 3)
    return seconds


def _absent() -> Any:
    raise AssertionError("these steps open no store but the lake")


def _in_a_fresh_process(call: Callable[[int], T], plays: int) -> T:
    """A JVM that has run before has compiled what it runs: each measurement starts its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(call, plays).result()


# ---- a full refresh, beside DuckDB


def refresh(plays: int) -> Result:
    """Make every table of that many plays by Spark and by DuckDB, and compare what both have written."""
    ours = _in_a_fresh_process(made, plays)
    theirs = _in_a_fresh_process(_peer, plays)
    ratio = ours.total_s / theirs.total_s
    unequal = sorted(name for name in ours.contents if ours.contents[name] != theirs.contents[name])
    return Result(
        bench="batch_refresh",
        value=round(ours.total_s, 1),
        unit="s for a full refresh, JVM start excluded",
        peer="DuckDB, the same tables in Parquet partitioned by day",
        peer_value=round(theirs.total_s, 1),
        goal=f"at most {REFRESH_GOAL:g} times DuckDB",
        ok=ratio <= REFRESH_GOAL and not unequal,
        details={
            "times": round(ratio, 2),
            "plays": ours.plays,
            "days": DAYS,
            "seconds_by_step": dict(ours.seconds),
            "rows": {name: rows for name, (rows, _) in ours.contents.items()},
            "tables_that_differ": unequal,
            "memory": MEMORY,
        },
    )


def _peer(plays: int) -> Made:
    home = home_of(plays)
    lake, out = Lake(home.lake_url), home.root / "duckdb"
    shutil.rmtree(out, ignore_errors=True)
    seconds = duckdb_plays.refresh(lake, out, _as_of(lake), memory=f"{MEMORY}b", threads=int(machine()["cores"]))
    contents = {table.name: duckdb_plays.content(out, table) for table in MADE}
    shutil.rmtree(out)
    return Made({"all": seconds}, lake.count(RAW_PLAYS), contents)


# ---- one more day


def day(plays: int, rounds: int = ROUNDS) -> Result:
    """A day of plays more, beside the same day once nobody has played on it: what each step takes beyond that.

    A step that finds no stale day starts nothing, and so says nothing of what a step costs. The empty day is therefore
    one that steps have to write: its plays have been taken back. Medians of rounds in one warm session, each of which
    has new plays on a day, and then takes them back.
    """
    empty, more, added = _in_a_fresh_process(partial(_days, rounds=rounds), plays)
    extra = {name: [round(b[name] - a[name], 3) for a, b in zip(empty, more, strict=True)] for name in STEPS}
    middle = {name: median(seconds) for name, seconds in extra.items()}
    return Result(
        bench="batch_day",
        value=max(middle.values()),
        unit="s, the step with the most beyond its time on an empty day",
        goal=f"at most {DAY_GOAL_S:g} s a step",
        ok=max(middle.values()) <= DAY_GOAL_S,
        details={
            "extra_seconds_by_step": middle,
            "extra_seconds_by_round": extra,
            "seconds_by_step": {name: median(seconds[name] for seconds in more) for name in STEPS},
            "seconds_by_step_on_an_empty_day": {name: median(seconds[name] for seconds in empty) for name in STEPS},
            "plays_before": plays,
            "plays_of_the_day": added,
            "rounds": rounds,
        },
    )


def _days(plays: int, rounds: int) -> tuple[list[dict[str, float]], list[dict[str, float]], int]:
    """Seconds by step and round, on the emptied days and on the days with plays, after a round that nobody counts."""
    home = imported(home_of(plays), world_of(plays))
    lake = Lake(home.lake_url)
    version = lake.version(RAW_PLAYS)
    empty, more, added = [], [], 0
    try:
        with _session(plays) as spark:
            first = _as_of(lake)
            _timed(home, spark, first)
            for number in range(1 + rounds):
                new = first + timedelta(days=1 + 2 * number)  # apart from all others, so that no neighbour is stale
                added = _another_day(lake, first - timedelta(days=1), new)
                more.append(_timed(home, spark, new + timedelta(days=1)))
                lake.delete(RAW_PLAYS, f"{DAY} = DATE '{new}'")
                empty.append(_timed(home, spark, new + timedelta(days=1)))
    finally:
        _restore(lake, version)
    return empty[1:], more[1:], added


def _another_day(lake: Lake, old: date, new: date) -> int:
    """The plays of one day told again as those of another; how many they are."""
    rows = lake.read(RAW_PLAYS, days=[old])
    later_ms = (new - old) // timedelta(milliseconds=1)
    values = {
        "play_id": pc.binary_join_element_wise(rows["play_id"], new.isoformat(), "-"),
        "started_ms": pc.add(rows["started_ms"], later_ms),
        "day": pa.array([new] * rows.num_rows, pa.date32()),
    }
    for name, value in values.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, value)
    lake.append(RAW_PLAYS, rows)
    return int(rows.num_rows)


def _restore(lake: Lake, version: int | None) -> None:
    from deltalake import DeltaTable

    if version is not None:
        DeltaTable(lake.location(RAW_PLAYS)).restore(version)


# ---- as plays grow


def growth(plays: int, shares: Sequence[float] = GROWTH_SHARES) -> Result:
    """Refreshes of a quarter, a half, all and twice as many plays: the power of plays that seconds grow by."""
    sizes = [round(plays * share) for share in shares]
    runs = [_in_a_fresh_process(made, size) for size in sizes]
    exponent, half_width = fitted_exponent([run.plays for run in runs], [run.total_s for run in runs])
    return Result(
        bench="batch_growth",
        value=round(exponent, 3),
        unit="power of plays by which seconds grow",
        goal=f"at most {GROWTH_GOAL}",
        ok=exponent <= GROWTH_GOAL,
        details={
            "interval_95": [round(exponent - half_width, 3), round(exponent + half_width, 3)],
            "seconds_by_plays": {str(run.plays): round(run.total_s, 1) for run in runs},
            "days": DAYS,
        },
    )


def fitted_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """The slope of log seconds over log size by least squares, and half the width of its 95% interval."""
    x, y = np.log(sizes), np.log(seconds)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    freedom = len(x) - 2
    error = float(np.sqrt(residual @ residual / freedom / (centred @ centred)))
    return slope, float(student.ppf(0.975, freedom)) * error


BENCHES: dict[str, Callable[[int], Result]] = {"refresh": refresh, "day": day, "growth": growth}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description=__doc__)
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("--plays", type=int, default=PLAYS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON, another one for a trial")
    asked = parser.parse_args(arguments)
    write(BENCHES[asked.bench](asked.plays), asked.results)


if __name__ == "__main__":
    main()
