"""The books balance over any histories, and say so where a play is lost or counted twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.expire import forget
from tests.parity.histories import NAMES, History, Stores, histories, rounds, steady, tell
from tests.streaming.batch import base_of
from tests.streaming.tastes import NOON, erasure, play
from warehouse.events import PLAYS, Play
from warehouse.stores.lake import Lake
from warehouse.stores.ledger import UNKNOWN, Books, Line, books
from warehouse.stores.log import partition_of
from warehouse.tables import CORE_PLAYS, CORE_TRACKS, RAW_ERASURES, RAW_PLAYS, RAW_QUARANTINE, Table

TODAY = "2024-10-04"  # the day of NOON


class Shop(Stores):
    """A log, a lake, and core.plays as an oracle makes it of what has landed."""

    def told(self, *histories: History) -> None:
        for events in rounds(histories):
            tell(self.log, events)

    def make_core(self, *, without: Iterable[str] = ()) -> None:
        """core.plays anew; `without` are play_ids that get lost on the way."""
        lost = set(without)
        rows = [row for row in _core_rows(self.lake) if row["play_id"] not in lost]
        inputs = {table.name: self.lake.version(table) for table in (RAW_PLAYS, RAW_ERASURES, CORE_TRACKS)}
        self.lake.replace(CORE_PLAYS, pa.Table.from_pylist(rows, CORE_PLAYS.schema), metadata={"inputs": inputs})

    def rewrite(self, table: Table, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Change the rows behind everybody's back: the offsets that have landed stay."""
        rows = change(self.lake.read(table).to_pylist())
        self.lake.replace(table, pa.Table.from_pylist(rows, table.schema))

    def books(self) -> Books:
        return books(self.lake, self.log, self.folder)


def _core_rows(lake: Lake) -> Iterator[dict[str, Any]]:
    """By the same oracle that the folds are held to, listener by listener."""
    raw = sorted(lake.read(RAW_PLAYS).to_pylist(), key=lambda row: row["received_ms"])
    erasures = lake.read(RAW_ERASURES).to_pylist() if lake.exists(RAW_ERASURES) else []
    for who in sorted({row["listener_id"] for row in raw}):
        events: list[Any] = [
            play(
                row["play_id"],
                NAMES.get(row["source_track_id"], row["source_track_id"]),
                row["started_ms"],
                played_ms=row["played_ms"],
                track_ms=row["track_ms"],
                source=row["source"],
                ended_by=row["ended_by"],
                received_ms=row["received_ms"],
            )
            for row in raw
            if row["listener_id"] == who
        ]
        events += [erasure(e["play_id"], e["received_ms"]) for e in erasures if e["listener_id"] == who]
        days = {row["play_id"]: row["day"] for row in raw if row["listener_id"] == who}
        for heard in base_of(events).recent:
            kept = dict.fromkeys(CORE_PLAYS.schema.names) | {"listener_id": who, **heard._asdict()}
            yield {name: kept[name] for name in CORE_PLAYS.schema.names} | {"day": days[heard.play_id]}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def difference(found: Books) -> int:
    return sum(abs(line.difference) for line in found.days.values())


def total(found: Books, term: str) -> int:
    return sum(getattr(line, term) for line in found.days.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_was_told_the_books_balance_at_every_stage(shop: Shop, seed: int) -> None:
    told = [history._replace(imported=0) for history in histories(seed, 50)]
    plays = sum(isinstance(event, Play) for history in told for event in history.events)
    shop.told(*told)
    waiting = shop.books()
    assert (difference(waiting), total(waiting, "accepted"), total(waiting, "waiting")) == (0, plays, plays)
    assert waiting.behind["to_land"] == plays
    shop.land()
    landed = shop.books()
    assert difference(landed) == 0
    assert landed.behind["to_count"] == landed.lake[RAW_PLAYS.name] == total(landed, "waiting")
    shop.make_core()
    made = shop.books()
    assert (difference(made), total(made, "waiting"), total(made, "accepted")) == (0, 0, plays)
    assert total(made, "kept") == made.lake[CORE_PLAYS.name]
    assert min(total(made, term) for term in ("kept", "duplicates", "erased", "counted")) > 50
    forget(shop.lake, shop.lake.read(RAW_ERASURES))
    assert difference(shop.books()) == 0


def test_what_is_taken_back_and_gone_before_the_tables_are_made_again_is_taken_back(shop: Shop) -> None:
    shop.told(steady("ada", 6, tracks=3))
    shop.land()
    shop.make_core()
    tell(shop.log, [erasure("p3")])
    shop.land()
    found = shop.books()
    assert (difference(found), found.behind["to_take_back"]) == (0, 1)
    forget(shop.lake, shop.lake.read(RAW_ERASURES))
    found = shop.books()
    assert (difference(found), found.behind["to_take_back"]) == (0, 1)
    shop.make_core()
    found = shop.books()
    assert (difference(found), found.behind["to_take_back"], total(found, "erased")) == (0, 0, 1)


def test_plays_of_a_part_of_the_log_that_was_trimmed_were_accepted(shop: Shop) -> None:
    shop.told(*(steady(f"listener {n}", 5, tracks=3) for n in range(12)))
    shop.land()
    shop.make_core()
    before = shop.books()
    assert shop.log.trim(PLAYS, 2_000_000) > 0
    after = shop.books()
    assert (difference(after), total(after, "kept")) == (0, total(before, "kept"))
    assert after.log["plays"] == 0


def test_a_play_that_did_not_land_is_missed_on_its_day(shop: Shop) -> None:
    tell(shop.log, [play("p1"), play("p2", "t2")])
    shop.land()
    shop.rewrite(RAW_PLAYS, lambda rows: [row for row in rows if row["play_id"] != "p1"])
    shop.make_core()
    found = shop.books()
    assert {day: line.difference for day, line in found.days.items()} == {TODAY: 1}


def test_a_play_that_landed_twice_is_one_too_many(shop: Shop) -> None:
    tell(shop.log, [play("p1"), play("p2", "t2")])
    shop.land()
    shop.rewrite(RAW_PLAYS, lambda rows: [*rows, rows[0]])
    shop.make_core()
    assert shop.books().days[TODAY].difference == -1


def test_a_play_that_the_tables_left_out_is_missed(shop: Shop) -> None:
    shop.told(steady("ada", 6, tracks=6))
    shop.land()
    shop.make_core(without=["p3"])
    assert difference(shop.books()) == 1


def test_a_play_that_the_tables_count_twice_or_made_up_is_one_too_many(shop: Shop) -> None:
    tell(shop.log, [play("p1"), play("p2", "t2")])
    shop.land()
    shop.make_core()
    inputs = shop.lake.commit_metadata(CORE_PLAYS)
    rows = shop.lake.read(CORE_PLAYS).to_pylist()
    for extra in (rows[0], rows[0] | {"play_id": "made up"}):
        shop.lake.replace(CORE_PLAYS, pa.Table.from_pylist([*rows, extra], CORE_PLAYS.schema), metadata=inputs)
        assert shop.books().days[TODAY].difference == -1


def test_what_could_not_be_read_is_a_dead_letter_and_a_bad_row_of_a_file_in_quarantine(shop: Shop) -> None:
    tell(shop.log, [play("p1")])
    with shop.log._file.writing("append what is no event") as connection:
        place = (PLAYS.name, partition_of("ada", PLAYS.partitions), 1, 5_000, b"no frame")
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", place)
        connection.execute("UPDATE ends SET last = 1 WHERE topic = ?", (PLAYS.name,))
    waiting = shop.books()
    assert waiting.days[UNKNOWN] == Line(accepted=1, waiting=1)
    shop.land()
    row = {"import_id": "i", "file": "f", "line": 1, "reason": "r", "content": "c"}
    shop.lake.append(RAW_QUARANTINE, pa.Table.from_pylist([row], RAW_QUARANTINE.schema))
    shop.make_core()
    found = shop.books()
    assert found.days[UNKNOWN] == Line(accepted=1, imported=1, quarantined=1, dead_lettered=1)
    assert difference(found) == 0


def test_the_day_is_that_of_the_play(shop: Shop) -> None:
    tell(shop.log, [play("p1", started_ms=NOON, received_ms=NOON + 40 * 86_400_000)])
    assert list(shop.books().days) == [TODAY]
