"""What cannot be read lands apart, once, and comes back when it can be."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake.exceptions import CommitFailedError

from tests.fakes import foreign
from tests.jobs.tables import day_of, rows_of
from tests.streaming.tastes import MIN, NOON, TODAY, erasure, play
from warehouse.events import ERASURES, PLAYS, SIGNALS, Topic
from warehouse.frames import WHOLE
from warehouse.stores.deadletters import DeadLetter, dead_letters, replay
from warehouse.stores.lake import Lake
from warehouse.stores.landing import LANDINGS, MAX_CONTENT_BYTES, Landed, land
from warehouse.stores.log import partition_of
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_DEADLETTERS, RAW_PLAYS, Table

GOOD = msgspec.to_builtins(play("good"))
NAMELESS = {name: value for name, value in GOOD.items() if name != "play_id"}
HERE = partition_of("ada", PLAYS.partitions)
Put = Callable[..., None]
PLAYED = LANDINGS[0]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        yield log


@pytest.fixture
def put(tmp_path: Path, log: SqliteLog) -> Put:  # noqa: ARG001 (it makes the file)
    def written(*parts: object, topic: Topic = PLAYS, content: bytes | None = None, at_ms: int = NOON) -> None:
        frame = foreign.frame(*parts) if content is None else content
        foreign.put(tmp_path / "log.db", topic, HERE, frame, at_ms)

    return written


def landed(lake: Lake, log: SqliteLog) -> Landed:
    return Landed(*map(sum, zip(*(land(lake, log, landing) for landing in LANDINGS), strict=True)))


def places(lake: Lake) -> list[tuple[int, int]]:
    return [(letter.log_offset, letter.position) for letter in dead_letters(lake)]


def play_ids(lake: Lake) -> list[str]:
    return sorted(lake.read(RAW_PLAYS)["play_id"].to_pylist())


def test_what_cannot_be_read_lands_with_its_place_its_reason_and_its_bytes(
    lake: Lake, log: SqliteLog, put: Put
) -> None:
    put(GOOD, NAMELESS)
    assert landed(lake, log) == Landed(rows=1, dead_letters=1)
    (row,) = lake.read(RAW_DEADLETTERS).to_pylist()
    assert (row["topic"], row["partition"], row["log_offset"], row["position"]) == (PLAYS.name, HERE, 0, 1)
    assert (row["listener_id"], row["received_ms"], row["replayed_ms"]) == ("ada", NOON, None)
    assert row["day"] == date(1970, 1, 1) + timedelta(TODAY)
    assert row["reason"] == "Object missing required field `play_id`; wanted a valid Play"
    (letter,) = dead_letters(lake)
    assert msgspec.msgpack.decode(letter.content) == NAMELESS
    assert letter.content_bytes == len(letter.content)
    assert play_ids(lake) == ["good"]


def test_a_record_that_is_no_frame_lands_whole_and_the_topic_goes_on(lake: Lake, log: SqliteLog, put: Put) -> None:
    put(content=b"\xff\xfe not a frame")
    put(GOOD)
    put(content=b"", topic=SIGNALS)
    assert landed(lake, log) == Landed(rows=1, dead_letters=2)
    assert [(letter.topic, letter.position, letter.listener_id) for letter in dead_letters(lake)] == [
        (SIGNALS.name, WHOLE, None),
        (PLAYS.name, WHOLE, None),
    ]


def test_a_letter_lands_once_however_often_the_log_is_landed(lake: Lake, log: SqliteLog, put: Put) -> None:
    for number in range(3):
        put(NAMELESS, {**GOOD, "play_id": f"p{number}"})
        landed(lake, log)
        assert landed(lake, log) == Landed()
    assert places(lake) == [(0, 0), (1, 0), (2, 0)]
    assert play_ids(lake) == ["p0", "p1", "p2"]


class Killed(Exception):
    """Where a test lets the step die."""


@dataclass(frozen=True)
class DyingLake(Lake):
    """A lake at whose commit to one table the process dies: before it, or just after it."""

    table: Table
    committed: bool

    def append(self, table: Table, *arguments: Any, **more: Any) -> None:
        if self.committed or table != self.table:
            super().append(table, *arguments, **more)
        if table == self.table:
            raise Killed


@pytest.mark.parametrize("table", [RAW_DEADLETTERS, RAW_PLAYS], ids=["letters", "rows"])
@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_a_death_beside_either_commit_loses_nothing_and_lands_nothing_twice(
    lake: Lake, log: SqliteLog, put: Put, table: Table, committed: bool
) -> None:
    put(NAMELESS, GOOD)
    with pytest.raises(Killed):
        land(DyingLake(lake.url, table, committed), log, PLAYED)
    put({**GOOD, "play_id": "later"}, NAMELESS)
    landed(lake, log)
    assert places(lake) == [(0, 0), (1, 1)]
    assert play_ids(lake) == ["good", "later"]


@dataclass(frozen=True)
class OvertakenLake(Lake):
    """A lake where another process lands the same letters just before."""

    overtaken: list[Table]

    def append(self, table: Table, *arguments: Any, **more: Any) -> None:
        super().append(table, *arguments, **more)
        if table == RAW_DEADLETTERS and not self.overtaken:
            self.overtaken.append(table)
            raise CommitFailedError("overtaken")


def test_letters_that_another_landed_meanwhile_are_left_out(lake: Lake, log: SqliteLog, put: Put) -> None:
    put(NAMELESS, GOOD)
    assert land(OvertakenLake(lake.url, []), log, PLAYED) == Landed(rows=1)
    assert places(lake) == [(0, 0)]


def test_records_that_the_log_forgot_before_they_could_land_are_counted(lake: Lake, log: SqliteLog, put: Put) -> None:
    put(GOOD)
    landed(lake, log)
    put({**GOOD, "play_id": "lost"}, at_ms=NOON)
    put({**GOOD, "play_id": "lost too"}, at_ms=NOON)
    put({**GOOD, "play_id": "kept"}, at_ms=NOON + MIN)
    log.trim(PLAYS, NOON + 1)
    assert landed(lake, log) == Landed(rows=1, missed=2)
    assert play_ids(lake) == ["good", "kept"]


def test_an_endless_content_is_cut_and_says_how_long_it_was(lake: Lake, log: SqliteLog, put: Put) -> None:
    put(content=b"x" * (MAX_CONTENT_BYTES + 5))
    landed(lake, log)
    (letter,) = dead_letters(lake)
    assert (len(letter.content), letter.content_bytes) == (MAX_CONTENT_BYTES, MAX_CONTENT_BYTES + 5)
    (left,) = replay(lake, log, lambda: NOON).left
    assert left[1].startswith("cut to 262,144 of its 262,149 bytes; was: ")


def waiting(lake: Lake, **changes: Any) -> DeadLetter:
    """A letter in the lake, as an older version left it."""
    content = msgspec.msgpack.encode({**GOOD, **changes.pop("event", {})})
    row: dict[str, Any] = {
        "topic": PLAYS.name,
        "partition": 0,
        "log_offset": 0,
        "position": 0,
        "listener_id": "ada",
        "reason": "an older version knew it not",
        "content": content,
        "content_bytes": len(content),
        "received_ms": NOON,
        "replayed_ms": None,
        **changes,
    }
    letter = DeadLetter(**row)
    stored = {**row, "content": base64.b64encode(row["content"]).decode(), "day": day_of(row["received_ms"])}
    lake.append(RAW_DEADLETTERS, rows_of(RAW_DEADLETTERS, [stored]))
    return letter


def logged(log: SqliteLog, topic: Topic = PLAYS) -> list[Any]:
    records = (record for partition in range(topic.partitions) for record in log.read(topic, partition))
    return [event for record in records for event in record.events]


def test_a_letter_that_can_be_read_by_now_is_appended_once_and_marked(lake: Lake, log: SqliteLog) -> None:
    waiting(lake)
    assert replay(lake, log, lambda: NOON + 5).appended == 1
    assert replay(lake, log, lambda: NOON + 6) == (0, ())
    assert logged(log) == [play("good")]
    assert dead_letters(lake) == []
    assert [letter.replayed_ms for letter in dead_letters(lake, replayed=True)] == [NOON + 5]


def test_what_still_cannot_be_read_stays_and_says_what_it_lacks(lake: Lake, log: SqliteLog) -> None:
    bad = waiting(lake, event={"track_id": ""}, log_offset=1)
    waiting(lake, log_offset=2)
    gone = waiting(lake, topic="playback.play.v0", log_offset=3)
    done = replay(lake, log, lambda: NOON)
    assert (done.appended, [letter for letter, _ in done.left]) == (1, [gone, bad])
    assert done.left[0][1].startswith("no topic playback.play.v0 any more; wanted one of playback.play.v1, ")
    assert done.left[1][1] == "Expected `str` of length >= 1 - at `$.track_id`; wanted a valid Play"
    assert dead_letters(lake) == [gone, bad]


def test_a_record_that_is_a_frame_by_now_is_appended_whole(lake: Lake, log: SqliteLog) -> None:
    content = foreign.frame(play("a"), play("b"))
    waiting(lake, position=WHOLE, content=content, content_bytes=len(content))
    assert replay(lake, log, lambda: NOON).appended == 1
    assert logged(log) == [play("a"), play("b")]


def test_letters_of_every_topic_go_back_to_their_own(lake: Lake, log: SqliteLog) -> None:
    content = msgspec.msgpack.encode(erasure("p"))
    waiting(lake, topic=ERASURES.name, content=content, content_bytes=len(content))
    waiting(lake)
    assert replay(lake, log, lambda: NOON).appended == 2
    assert (logged(log, ERASURES), logged(log)) == ([erasure("p")], [play("good")])


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("said", [erasure("good"), erasure(None, received_ms=NOON)])
def test_what_its_listener_has_taken_back_is_not_replayed(lake: Lake, log: SqliteLog, said: Any, lands: bool) -> None:
    waiting(lake)
    log.append(ERASURES, [said])
    if lands:
        landed(lake, log)
    ((_, reason),) = replay(lake, log, lambda: NOON).left
    assert reason == "taken back by its listener since"
    assert logged(log) == []


def test_the_newest_letters_are_listed_in_order(lake: Lake) -> None:
    for number in range(5):
        waiting(lake, log_offset=number, received_ms=NOON + number)
    assert [letter.log_offset for letter in dead_letters(lake, limit=2)] == [3, 4]
    assert [letter.log_offset for letter in dead_letters(lake, limit=9)] == [0, 1, 2, 3, 4]


def test_without_a_letter_there_is_nothing_to_do(lake: Lake, log: SqliteLog) -> None:
    assert dead_letters(lake) == []
    assert replay(lake, log, lambda: NOON) == (0, ())
