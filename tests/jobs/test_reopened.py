"""Days that somebody reopens: written anew though no input changed, twice or in any order, to the same rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import charts_daily, core_plays, core_sessions, features_taste, features_transitions
from jobs.intervals import Days
from jobs.run import JobRun
from tests.jobs.tables import DAY, MIN, MONDAY, day_of, job_run, raw_play, rows_of
from warehouse.tables import CHARTS_DAILY, CORE_PLAYS, CORE_SESSIONS, FEATURES_TASTE, FEATURES_TRANSITIONS, RAW_PLAYS

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]
MADE = (CORE_PLAYS, CORE_SESSIONS, FEATURES_TASTE, FEATURES_TRANSITIONS, CHARTS_DAILY)
STEPS = (core_plays, core_sessions, features_taste, features_transitions, charts_daily)
DAYS = [day_of(MONDAY + number * DAY) for number in range(8)]


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> JobRun:
    """Eight days of two listeners, each evening going on over midnight, and every table made of them."""
    run = job_run(tmp_path, spark)
    starts = [MONDAY + number * DAY + minute * MIN for number in range(8) for minute in (0, 5, 1_430, 1_437)]
    told = [raw_play(f"{who} {ms}", ms, f"t{ms // MIN % 3}", who) for who in ("ada", "bob") for ms in starts]
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))
    make(run)
    return run


def make(run: JobRun, first: int | None = None, last: int | None = None) -> None:
    """Every table, with the days of these numbers reopened if there are any."""
    days = None if first is None else Days(DAYS[first], DAYS[last if last is not None else first])
    for step in STEPS:
        step.main(replace(run, reopened=days))


def hashes(run: JobRun) -> list[str]:
    return [run.lake.content_hash(table) for table in MADE]


def test_days_that_were_spoilt_are_as_they_were_once_they_are_reopened_in_any_order(run: JobRun) -> None:
    sound = hashes(run)
    for table in MADE:
        assert run.lake.delete(table, f"day IN ('{DAYS[3]}', '{DAYS[4]}')")
    make(run)
    assert run.lake.content_hash(CORE_PLAYS) != sound[0]  # no input changed, so nobody sees what is missing
    make(run, 4)
    make(run, 3)
    assert hashes(run) == sound
    make(run, 3, 4)
    make(run, 3, 4)
    assert hashes(run) == sound


def test_reopened_days_are_written_and_of_all_others_those_alone_that_rest_on_them(run: JobRun) -> None:
    before = [run.lake.version(table) for table in MADE]
    make(run, 3, 4)
    written = [run.lake.changed_days(table, version) for table, version in zip(MADE, before, strict=True)]
    assert written == [{*DAYS[3:5]}, {*DAYS[3:6]}, {*DAYS[3:5]}, {*DAYS[3:7]}, {*DAYS[3:5]}]
    after = [run.lake.version(table) for table in MADE]
    make(run)
    assert [run.lake.version(table) for table in MADE] == after  # they leave nothing to be done


def test_what_is_stale_besides_is_written_too(run: JobRun) -> None:
    run.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play("late", MONDAY + 7 * DAY + 600 * MIN)]))
    before = run.lake.version(CORE_PLAYS)
    make(run, 1)
    assert run.lake.changed_days(CORE_PLAYS, before) == {DAYS[1], *DAYS[6:8]}
    assert "late" in run.lake.read(CORE_PLAYS)["play_id"].to_pylist()
