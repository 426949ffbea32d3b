from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.expire import LETTER_DAYS, QUARANTINE_DAYS, forget, forget_letters, forget_quarantine, trimmed
from tests.jobs.tables import DAY, MIN, MONDAY, day_of, erasure, raw_play, rows_of
from warehouse.events import PLAYS, Play
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, land
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_DEADLETTERS, RAW_ERASURES, RAW_PLAYS, RAW_QUARANTINE


def heard(play_id: str, started_ms: int = MONDAY) -> Play:
    return Play(
        listener_id="ada",
        received_ms=started_ms,
        play_id=play_id,
        track_id="t",
        started_ms=started_ms,
        source="backbeat",
        played_ms=3 * MIN,
    )


def landed_log(folder: Path, now: list[int]) -> tuple[Lake, SqliteLog]:
    log = SqliteLog(folder / "log.db", clock=lambda: now[0])
    log.append(PLAYS, [heard("a")])
    lake = Lake(str(folder / "lake"))
    for landing in LANDINGS:
        land(lake, log, landing)
    return lake, log


def test_a_landed_record_leaves_the_log_when_its_time_is_over(tmp_path: Path) -> None:
    now = [MONDAY]
    lake, log = landed_log(tmp_path, now)
    assert trimmed(lake, log, MONDAY + PLAYS.retention_days * DAY) == 0
    assert trimmed(lake, log, MONDAY + PLAYS.retention_days * DAY + 1) == 1


def test_a_record_that_has_not_landed_stays_however_old_it_is(tmp_path: Path) -> None:
    now = [MONDAY]
    lake, log = landed_log(tmp_path, now)
    now[0] = MONDAY + DAY
    log.append(PLAYS, [heard("b", MONDAY + DAY)])
    assert trimmed(lake, log, MONDAY + 400 * DAY) == 1
    left: list[Any] = [record for p in range(PLAYS.partitions) for record in log.read(PLAYS, p)]
    assert [event.play_id for record in left for event in record.events] == ["b"]


def test_what_was_taken_back_leaves_the_raw_plays(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    told = [
        raw_play("a", MONDAY),
        raw_play("b", MONDAY + MIN * 9),
        raw_play("o'c", MONDAY, listener="o'bob"),
        raw_play("later", MONDAY + 2 * DAY, listener="o'bob"),
    ]
    lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, told))
    erasures = rows_of(RAW_ERASURES, [erasure("ada", "a"), erasure("o'bob", received_ms=MONDAY + DAY)])
    assert forget(lake, erasures) == 2
    assert sorted(lake.read(RAW_PLAYS)["play_id"].to_pylist()) == ["b", "later"]
    assert forget(lake, erasures) == 0


def dead_letter(offset: int, listener: str | None, received_ms: int = MONDAY) -> dict[str, Any]:
    return {
        "topic": PLAYS.name,
        "partition": 0,
        "log_offset": offset,
        "position": 0,
        "listener_id": listener,
        "reason": "found nothing, wanted a play",
        "content": "",
        "content_bytes": 0,
        "received_ms": received_ms,
        "replayed_ms": None,
        "day": day_of(received_ms),
    }


def test_dead_letters_of_a_listener_who_is_forgotten_go_too(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    letters = [dead_letter(0, "ada"), dead_letter(1, None), dead_letter(2, "ada", MONDAY + 2 * DAY)]
    lake.append(RAW_DEADLETTERS, rows_of(RAW_DEADLETTERS, letters))
    assert forget(lake, rows_of(RAW_ERASURES, [erasure("ada", received_ms=MONDAY + DAY)])) == 1
    assert sorted(lake.read(RAW_DEADLETTERS)["log_offset"].to_pylist()) == [1, 2]


def test_dead_letters_go_when_they_have_waited_long_enough(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert forget_letters(lake, MONDAY) == 0
    lake.append(RAW_DEADLETTERS, rows_of(RAW_DEADLETTERS, [dead_letter(0, None), dead_letter(1, None, MONDAY + DAY)]))
    assert forget_letters(lake, MONDAY + LETTER_DAYS * DAY) == 0
    assert forget_letters(lake, MONDAY + LETTER_DAYS * DAY + 1) == 1
    assert lake.read(RAW_DEADLETTERS)["log_offset"].to_pylist() == [1]


def set_aside(line: int, listener: str | None, received_ms: int | None = MONDAY) -> dict[str, Any]:
    return {
        "import_id": "i",
        "file": "plays.csv",
        "line": line,
        "reason": "found nothing, wanted a play",
        "content": "",
        "listener_id": listener,
        "received_ms": received_ms,
    }


def lines(lake: Lake) -> list[int]:
    return sorted(lake.read(RAW_QUARANTINE)["line"].to_pylist())


def test_rows_set_aside_of_a_listener_who_is_forgotten_go_too(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    rows = [set_aside(1, "ada"), set_aside(2, None), set_aside(3, "ada", MONDAY + 2 * DAY), set_aside(4, "bob")]
    lake.append(RAW_QUARANTINE, rows_of(RAW_QUARANTINE, rows))
    assert forget(lake, rows_of(RAW_ERASURES, [erasure("ada", received_ms=MONDAY + DAY)])) == 1
    assert lines(lake) == [2, 3, 4]


def test_rows_set_aside_go_when_they_have_waited_long_enough(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert forget_quarantine(lake, MONDAY) == 0
    lake.append(RAW_QUARANTINE, rows_of(RAW_QUARANTINE, [set_aside(1, None), set_aside(2, "ada", MONDAY + DAY)]))
    assert forget_quarantine(lake, MONDAY + QUARANTINE_DAYS * DAY) == 0
    assert forget_quarantine(lake, MONDAY + QUARANTINE_DAYS * DAY + 1) == 1
    assert lines(lake) == [2]


def test_rows_set_aside_at_an_unknown_time_wait_from_when_they_are_first_met(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.append(RAW_QUARANTINE, rows_of(RAW_QUARANTINE, [set_aside(1, None, None)]))
    assert forget_quarantine(lake, MONDAY) == 0
    assert forget_quarantine(lake, MONDAY + QUARANTINE_DAYS * DAY) == 0
    assert forget_quarantine(lake, MONDAY + QUARANTINE_DAYS * DAY + 1) == 1
