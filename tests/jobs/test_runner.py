"""The embedded runner: steps in order, each in the ledger; where one fails, the run ends there.

The steps are real ones that need no Spark; the master that is named here could not be reached.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from jobs.intervals import Days
from jobs.plan import CHECK, COMPACT, EXPIRE, LAND, Plan, Step
from jobs.run import Wiring
from jobs.runner import Execution, NothingToRun, StepDone, StepFailed, execute
from jobs.session import SparkSettings
from tests.jobs.tables import DAY, MONDAY, day_of, raw_play, rows_of
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.log import LogUnavailable
from warehouse.stores.runs import RunLedger, RunRecord, Status
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import CORE_PLAYS, FEATURES_MATRIX, RAW_PLAYS

NO_SPARK = SparkSettings(master="spark://127.0.0.1:1")
DATED = replace(EXPIRE, dated=True)
PLAN = Plan("plan", "Steps that need no Spark, the last of them as of a day", (LAND, COMPACT, DATED))


@dataclass
class Recorded:
    """A watcher that keeps what it was told."""

    began_: list[str] = field(default_factory=list)
    ended_: list[str] = field(default_factory=list)

    def began(self, step: Step) -> None:
        self.began_.append(step.name)

    def ended(self, done: StepDone) -> None:
        self.ended_.append(done.step)


@dataclass
class House:
    """A lake, its stores and the ledger of its runs."""

    home: Home
    ledger: RunLedger
    clock_ms: Callable[[], int]
    watcher: Recorded = field(default_factory=Recorded)

    @property
    def lake(self) -> Lake:
        return Lake(self.home.lake_url)

    def tell(self, *days: int) -> None:
        told = [raw_play(f"{day} {self.lake.version(RAW_PLAYS)}", MONDAY + day * DAY) for day in days]
        self.lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))

    def run(
        self, plan: Plan = PLAN, as_of: date | None = None, open_log: Any = None, reopened: Days | None = None
    ) -> tuple[date | None, list[StepDone]]:
        wiring = Wiring(self.lake, self.home, absent, open_log or self.log, self.clock_ms)
        execution = Execution(plan, plan.steps, as_of, reopened)
        return execute(execution, wiring, self.ledger, NO_SPARK, self.watcher, self.clock_ms)

    def log(self) -> SqliteLog:
        return SqliteLog(self.home.log)

    def last(self) -> RunRecord:
        return self.ledger.last(1)[0]


def absent() -> Any:
    raise AssertionError("these steps open no rows")


def unavailable() -> Any:
    raise LogUnavailable("opening the log: found no disk, wanted one")


def interrupted() -> Any:
    raise KeyboardInterrupt


@pytest.fixture
def house(tmp_path: Path) -> House:
    home = Home.from_environment({"BACKBEAT_HOME": str(tmp_path)})
    return House(home, RunLedger(home.runs), count(1_000, 10).__next__)


def states(record: RunRecord) -> list[tuple[str, Status]]:
    return [(step.step, step.status) for step in record.steps]


def test_steps_are_done_in_order_and_told_as_they_begin_and_end(house: House) -> None:
    house.tell(0)
    as_of, done = house.run()
    assert as_of == day_of(MONDAY) + timedelta(days=1)
    assert [step.step for step in done] == house.watcher.began_ == house.watcher.ended_
    assert house.watcher.began_ == ["land_events", "compact", "expire"]


def test_the_ledger_says_what_ran_as_of_which_day_and_what_each_step_did(house: House) -> None:
    house.tell(0)
    house.tell(0)
    house.run()
    record = house.last()
    assert (record.plan, record.as_of, record.status) == ("plan", day_of(MONDAY) + timedelta(days=1), Status.DONE)
    assert [step.step for step in record.steps] == ["land_events", "compact", "expire"]
    assert record.steps[1].done == {"read": 0, "written": 1, "days": 0}  # two files became one
    assert all(step.finished_ms is not None and step.finished_ms > step.started_ms for step in record.steps)


def test_a_day_that_is_asked_for_stands(house: House) -> None:
    house.tell(0, 5)
    as_of, _ = house.run(as_of=day_of(MONDAY + 2 * DAY))
    assert as_of == day_of(MONDAY + 2 * DAY) == house.last().as_of


@pytest.mark.parametrize(("days", "as_of"), [((), None), ((3,), day_of(MONDAY + 3 * DAY))], ids=["none", "none before"])
def test_without_plays_before_the_day_there_is_nothing_to_run(
    house: House, days: tuple[int, ...], as_of: date | None
) -> None:
    if days:
        house.tell(*days)
    with pytest.raises(NothingToRun, match=r"no plays.*: import some first"):
        house.run(as_of=as_of)
    assert states(house.last()) == [("land_events", Status.DONE), ("compact", Status.DONE), ("expire", Status.FAILED)]


def test_the_ledger_says_which_days_a_run_reopened(house: House) -> None:
    house.tell(0, 1)
    house.run(reopened=Days(day_of(MONDAY), day_of(MONDAY + DAY)))
    assert house.last().reopened == "2024-12-30..2024-12-31"
    house.run()
    assert house.last().reopened is None


def test_days_without_plays_are_not_reopened(house: House) -> None:
    house.tell(0, 5)
    with pytest.raises(
        NothingToRun, match=r"plays from 2024-12-30 to 2025-01-04, and none on 2024-12-31\.\.2025-01-01"
    ):
        house.run(reopened=Days(day_of(MONDAY + DAY), day_of(MONDAY + 2 * DAY)))


def test_a_ledger_from_before_days_could_be_reopened_is_read_and_written_on(house: House) -> None:
    house.run(Plan("plan", "", (LAND,)))
    with closing(sqlite3.connect(house.home.runs)) as database:
        database.execute("ALTER TABLE runs DROP COLUMN reopened")
    house.ledger = RunLedger(house.home.runs)
    assert house.last().reopened is None
    house.run(Plan("plan", "", (LAND,)), reopened=Days(day_of(MONDAY), day_of(MONDAY)))
    assert house.last().reopened == "2024-12-30..2024-12-30"


def test_a_step_that_fails_ends_the_run_and_says_which_and_why(house: House) -> None:
    house.tell(0)
    with pytest.raises(StepFailed, match="land_events: opening the log: found no disk") as failed:
        house.run(open_log=unavailable)
    assert (failed.value.step, failed.value.again) == ("land_events", False)
    assert isinstance(failed.value.__cause__, LogUnavailable)
    assert (house.last().status, states(house.last())) == (Status.FAILED, [("land_events", Status.FAILED)])
    assert house.last().steps[0].error == "LogUnavailable: opening the log: found no disk, wanted one"
    assert house.watcher.ended_ == []


def test_a_damaged_file_is_named_once_with_what_mends_it(house: House) -> None:
    house.tell(0)
    house.lake.append(CORE_PLAYS, CORE_PLAYS.schema.empty_table())
    house.tell(0)
    (file, *_) = sorted(Path(house.lake.location(RAW_PLAYS)).rglob("*.parquet"))
    file.write_bytes(b"PAR1")
    with pytest.raises(StepFailed, match=rf"compact: raw\.plays has a damaged file, {file}: 4 bytes, wanted") as failed:
        house.run(Plan("plan", "", (COMPACT,)))
    assert (failed.value.damage, failed.value.again) == (True, True)
    assert house.last().steps[0].error == f"FileDamaged: {str(failed.value).removeprefix('compact: ')}"


def test_of_a_long_error_the_first_line_is_told_and_where_the_others_are(house: House) -> None:
    def long() -> Any:
        raise LogUnavailable("the first line" + "\n\tat a.java.Frame" * 50)

    with pytest.raises(StepFailed, match=r"^land_events: the first line \(all of it is in (\S+)\)$"):
        house.run(open_log=long)
    [log] = house.home.logs.iterdir()
    assert log.read_text().count("at a.java.Frame") >= 50


def test_a_refusal_keeps_the_steps_after_it_from_running(house: House) -> None:
    house.tell(0)
    for table in (CORE_PLAYS, FEATURES_MATRIX):
        house.lake.append(table, table.schema.empty_table())
    with pytest.raises(StepFailed, match=r"check_data: the data is not fit to learn from: .*found none") as refused:
        house.run(Plan("plan", "", (COMPACT, CHECK, EXPIRE)))
    assert refused.value.again
    assert states(house.last()) == [("compact", Status.DONE), ("check_data", Status.FAILED)]


def test_an_interruption_is_written_down_and_goes_on(house: House) -> None:
    house.tell(0)
    with pytest.raises(KeyboardInterrupt):
        house.run(open_log=interrupted)
    assert (house.last().status, states(house.last())) == (Status.FAILED, [("land_events", Status.FAILED)])


def test_a_run_whose_process_died_is_called_failed_by_the_next(house: House) -> None:
    house.tell(0)
    dead = house.ledger.begin("plan", None, house.clock_ms(), [])
    house.ledger.begin_step(dead, "compact", house.clock_ms())
    house.run()
    assert [(run.run_id == dead, run.status) for run in house.ledger.last()] == [
        (False, Status.DONE),
        (True, Status.FAILED),
    ]
