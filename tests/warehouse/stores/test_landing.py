"""From the log into the lake: each record once, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import CommitFailedError
from msgspec.structs import replace

from tests.streaming.tastes import DAY, MIN, NOON, TODAY, erasure, play, word
from warehouse.events import ERASURES, IMPRESSIONS, PLAYS, SIGNALS, Event, Impression, SignalKind, Topic
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land, landed_offsets
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, RAW_SIGNALS, Table


class Killed(Exception):
    """Where a test lets the step die."""


@dataclass(frozen=True)
class DyingLake(Lake):
    """A lake at whose next append the process dies: before the commit, or just after it."""

    committed: bool = False

    def append(self, *arguments: Any, **more: Any) -> None:
        if self.committed:
            super().append(*arguments, **more)
        raise Killed


@dataclass(frozen=True)
class OvertakenLake(Lake):
    """A lake where another process lands the same records just before each first commit of a table."""

    overtaken: list[Table]

    def append(self, table: Table, *arguments: Any, **more: Any) -> None:
        super().append(table, *arguments, **more)
        if table not in self.overtaken:
            self.overtaken.append(table)
            raise CommitFailedError("overtaken")


class SharedLake(Lake):
    """A lake where another process lands the same records whole, just before this one's append begins."""

    def append(self, table: Table, *arguments: Any, **more: Any) -> None:
        super().append(table, *arguments, **more)
        super().append(table, *arguments, **more)


class SlowLake(Lake):
    """A lake where every commit comes too late."""

    def append(self, *_arguments: Any, **_more: Any) -> None:
        raise CommitFailedError("overtaken")


@dataclass(frozen=True)
class RacingLake(Lake):
    """A lake whose files are always another's before they are committed; it counts how often it was tried."""

    tries: list[Any]

    def _write(self, *arguments: Any) -> None:
        self.tries.append(arguments)
        raise CommitFailedError("overtaken")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "log.db")
    yield log
    log.close()


def land_all(lake: Lake, log: SqliteLog) -> int:
    return sum(land(lake, log, landing).rows for landing in LANDINGS)


def told(log: SqliteLog, topic: Topic, *events: Event) -> None:
    for event in events:
        log.append(topic, [event])


def play_ids(lake: Lake) -> list[str]:
    return sorted(lake.read(RAW_PLAYS)["play_id"].to_pylist())


def received(lake: Lake) -> Sequence[int]:
    return sorted(lake.read(RAW_PLAYS)["received_ms"].to_pylist())


def test_each_record_lands_once(lake: Lake, log: SqliteLog) -> None:
    listeners = [f"listener-{n}" for n in range(12)]
    log.append(PLAYS, [play(f"p-{who}", listener_id=who) for who in listeners])
    assert land_all(lake, log) == 12
    assert land_all(lake, log) == 0
    told(log, PLAYS, play("later", listener_id="listener-3"))
    assert land_all(lake, log) == 1
    assert play_ids(lake) == sorted([*(f"p-{who}" for who in listeners), "later"])


def test_a_play_lands_with_what_was_told_on_the_day_that_it_started(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p", "spotify:7", NOON, track_ms=200_000, received_ms=NOON + DAY))
    land_all(lake, log)
    (row,) = lake.read(RAW_PLAYS).to_pylist()
    assert (row["source_track_id"], row["started_ms"], row["received_ms"]) == ("spotify:7", NOON, NOON + DAY)
    assert (row["track_ms"], row["import_id"], row["day"]) == (200_000, None, date(1970, 1, 1) + timedelta(TODAY))


def test_signals_impressions_and_erasures_land_beside_the_plays(lake: Lake, log: SqliteLog) -> None:
    shown = Impression(
        listener_id="ada",
        received_ms=NOON,
        impression_id="i",
        shelf="discover",
        model_version="m",
        track_ids=["t1", "t2"],
        sources=["als", "popularity"],
        experiment="louder",
        arm="control",
    )
    told(log, SIGNALS, word("t1", SignalKind.LIKE))
    told(log, IMPRESSIONS, shown)
    told(log, ERASURES, erasure("p"))
    land_all(lake, log)
    assert [row["kind"] for row in lake.read(RAW_SIGNALS).to_pylist()] == ["like"]
    columns = ("slot", "track_id", "source", "experiment", "arm")
    assert [tuple(row[name] for name in columns) for row in lake.read(RAW_IMPRESSIONS).to_pylist()] == [
        (0, "t1", "als", "louder", "control"),
        (1, "t2", "popularity", "louder", "control"),
    ]
    assert [row["play_id"] for row in lake.read(RAW_ERASURES).to_pylist()] == ["p"]


@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
def test_a_death_beside_the_commit_neither_loses_a_record_nor_lands_one_twice(
    lake: Lake, log: SqliteLog, committed: bool
) -> None:
    told(log, PLAYS, *(play(f"p{n}", started_ms=NOON + n * MIN) for n in range(5)))
    with pytest.raises(Killed):
        land_all(DyingLake(lake.url, committed), log)
    told(log, PLAYS, play("p5", started_ms=NOON + 5 * MIN))
    assert land_all(lake, log) == (1 if committed else 6)
    assert play_ids(lake) == [f"p{n}" for n in range(6)]


def test_the_offsets_that_have_landed_are_those_of_the_last_records(lake: Lake, log: SqliteLog) -> None:
    log.append(PLAYS, [play(f"p-{n}", listener_id=f"listener-{n}") for n in range(12)])
    land_all(lake, log)
    ends = {f"{PLAYS.name}/{partition}": end for partition, end in log.end(PLAYS).items() if end >= 0}
    assert landed_offsets(lake) == ends


def test_a_play_told_again_under_its_id_lands_once(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p", started_ms=NOON), play("p", started_ms=NOON + MIN))
    land_all(lake, log)
    told(log, PLAYS, play("p", started_ms=NOON + DAY - MIN))  # its clock was set right, over midnight
    land_all(lake, log)
    assert received(lake) == [NOON]


def test_a_play_told_again_under_its_id_with_any_other_time_lands_once(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p", started_ms=NOON))
    land_all(lake, log)
    told(log, PLAYS, play("p", started_ms=NOON + 5 * DAY, received_ms=NOON + 5 * DAY))
    assert land_all(lake, log) == 0
    assert received(lake) == [NOON]


def test_a_landing_that_another_overtook_leaves_out_what_has_landed(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, *(play(f"p{n}", started_ms=NOON + n * MIN) for n in range(3)))
    told(log, SIGNALS, word("t1", SignalKind.LIKE))
    assert land_all(OvertakenLake(lake.url, []), log) == 0
    assert play_ids(lake) == ["p0", "p1", "p2"]


@pytest.mark.parametrize("there", [False, True])
def test_records_that_another_landed_since_the_offsets_were_read_are_not_landed_again(
    lake: Lake, log: SqliteLog, there: bool
) -> None:
    if there:
        told(log, PLAYS, play("p0"))
        land_all(lake, log)
    told(log, PLAYS, play("p1"), play("p2"))
    land_all(SharedLake(lake.url), log)
    assert play_ids(lake) == (["p0"] if there else []) + ["p1", "p2"]


def test_two_that_land_at_once_land_each_record_once(lake: Lake, log: SqliteLog) -> None:
    def land_plays(_: int) -> None:
        land(lake, log, LANDINGS[0])

    for number in range(20):
        log.append(PLAYS, [play(f"p{number}-{n}", listener_id=f"listener {n}") for n in range(20)])
        with ThreadPoolExecutor(4) as landers:
            list(landers.map(land_plays, range(4)))
    assert lake.count(RAW_PLAYS) == len(set(play_ids(lake))) == 400


def test_a_landing_that_is_overtaken_every_time_fails(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p"))
    with pytest.raises(CommitFailedError):
        land_all(SlowLake(lake.url), log)
    assert not lake.exists(RAW_PLAYS)


def test_rows_with_offsets_are_not_appended_again_after_a_race(lake: Lake) -> None:
    racing = RacingLake(lake.url, [])
    rows = RAW_PLAYS.schema.empty_table()
    with pytest.raises(CommitFailedError):
        racing.append(RAW_PLAYS, rows, transactions={"topic/0": 1})
    assert len(racing.tries) == 1


def test_one_id_of_two_listeners_is_two_plays(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p"), play("p", listener_id="bob"))
    land_all(lake, log)
    assert play_ids(lake) == ["p", "p"]


@pytest.mark.parametrize("landings", [(True, True), (True, False), (False, True), (False, False)])
def test_what_an_erasure_of_everything_voided_may_be_told_again(
    lake: Lake, log: SqliteLog, landings: tuple[bool, bool]
) -> None:
    after_play, after_erasure = landings
    told(log, PLAYS, play("p", received_ms=NOON))
    if after_play:
        land_all(lake, log)
    told(log, ERASURES, erasure(received_ms=NOON + MIN))
    if after_erasure:
        land_all(lake, log)
    told(log, PLAYS, play("p", received_ms=NOON + 2 * MIN), play("p", received_ms=NOON + 3 * MIN))
    land_all(lake, log)
    assert received(lake) == [NOON, NOON + 2 * MIN]  # the first is there until it expires, and counts for nothing


def test_an_erasure_voids_nothing_that_came_after_it_and_nobody_elses(lake: Lake, log: SqliteLog) -> None:
    told(log, ERASURES, erasure(received_ms=NOON))
    told(log, PLAYS, play("p", received_ms=NOON + 1), play("p", received_ms=NOON + 2))
    told(log, PLAYS, play("q", received_ms=NOON, listener_id="bob"), play("q", received_ms=NOON, listener_id="bob"))
    land_all(lake, log)
    assert play_ids(lake) == ["p", "q"]


def test_a_single_play_taken_back_stays_known(lake: Lake, log: SqliteLog) -> None:
    told(log, PLAYS, play("p", received_ms=NOON))
    told(log, ERASURES, erasure("p", received_ms=NOON + 1))
    land_all(lake, log)
    told(log, PLAYS, play("p", received_ms=NOON + 2))
    assert land_all(lake, log) == 0


def test_erasures_are_read_again_only_when_more_have_landed(lake: Lake, log: SqliteLog, tmp_path: Path) -> None:
    told(log, ERASURES, erasure(received_ms=NOON))
    land_all(lake, log)
    told(log, PLAYS, play("p1", received_ms=NOON + 1))
    land_all(lake, log)
    (file,) = Path(lake.location(RAW_ERASURES)).glob("*.parquet")
    away = file.rename(tmp_path / file.name)
    told(log, PLAYS, play("p2", received_ms=NOON + 1))
    assert land_all(lake, log) == 1
    away.rename(file)
    told(log, ERASURES, replace(erasure(received_ms=NOON + 2), erasure_id="another"))
    land_all(lake, log)
    told(log, PLAYS, play("p2", received_ms=NOON + 3))
    assert land_all(lake, log) == 1
