from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.mover import Mover, RecordEvents
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.tastes import play
from warehouse.events import PLAYS, Event
from warehouse.offsets import records_seen
from warehouse.stores.rows import RowBroken


class Counted(msgspec.Struct, frozen=True, array_like=True):
    seen: dict[str, int] = {}
    plays: int = 0


class Counts:
    """Plays of a listener, and of all listeners together."""

    table = "counts"
    topics = (PLAYS,)

    def keys(self, event: Event, place: str) -> tuple[str, str]:
        return event.listener_id, f"all/{place}"

    def decoded(self, value: bytes | None) -> Counted:
        return Counted() if value is None else msgspec.msgpack.decode(value, type=Counted)

    def encoded(self, row: Counted) -> bytes:
        return msgspec.msgpack.encode(row)

    def version(self, row: Counted) -> int:
        return records_seen(row.seen)

    def advanced(self, row: Counted, events: Sequence[Event], *, key: str, place: str, offset: int) -> Counted:  # noqa: ARG002
        if offset <= row.seen.get(place, -1):
            return row
        return Counted({**row.seen, place: offset}, row.plays + len(events))


PLACES = ("plays/0", "plays/1", "signals/0")


def record(offset: int, *listeners: str, place: str = "plays/0") -> RecordEvents:
    return RecordEvents(place, offset, [play(f"{place} {offset} {who}", listener_id=who) for who in listeners])


def counts_in(rows: MemoryRows) -> Mapping[str, int]:
    return {key: Counts().decoded(value).plays for key, value in rows.scan("counts")}


def test_each_event_moves_every_row_that_it_touches() -> None:
    rows = MemoryRows()
    assert Mover(Counts(), rows).advance([record(0, "ada", "bob", "ada"), record(1, "ada")]) == 3
    assert counts_in(rows) == {"ada": 3, "bob": 1, "all/plays/0": 4}


def test_records_told_again_change_nothing() -> None:
    rows = MemoryRows()
    told = [record(0, "ada"), record(1, "bob")]
    Mover(Counts(), rows).advance(told)
    assert Mover(Counts(), rows).advance(told) == 0
    assert counts_in(rows) == {"ada": 1, "bob": 1, "all/plays/0": 2}


def test_nothing_told_moves_nothing() -> None:
    assert Mover(Counts(), MemoryRows()).advance([]) == 0


@pytest.mark.parametrize("keeps", [0, 2, 100])
def test_kept_rows_say_the_same_as_rows_read_again(keeps: int) -> None:
    rows = MemoryRows()
    mover = Mover(Counts(), rows, keeps=keeps)
    for offset in range(5):
        mover.advance([record(offset, "ada", f"listener-{offset}")])
    assert counts_in(rows)["ada"] == 5
    assert counts_in(rows)["all/plays/0"] == 10


class RowsThatAreAsked(MemoryRows):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get_many(self, table: str, keys: Iterable[str]) -> Mapping[str, bytes]:
        self.asked += (wanted := list(keys))
        return super().get_many(table, wanted)


@pytest.mark.parametrize(("keeps", "asked_again"), [(0, 3), (2, 3), (3, 0)])
def test_no_more_rows_are_kept_than_it_was_told_to(keeps: int, asked_again: int) -> None:
    rows = RowsThatAreAsked()
    mover = Mover(Counts(), rows, keeps=keeps)
    mover.advance([record(0, "ada", "bob")])
    rows.asked.clear()
    mover.advance([record(1, "ada", "bob")])
    assert len(rows.asked) == asked_again


def test_a_worker_that_was_away_folds_into_what_another_left() -> None:
    rows = MemoryRows()
    zombie, heir = Mover(Counts(), rows, keeps=100), Mover(Counts(), rows, keeps=100)
    zombie.advance([record(0, "ada")])
    heir.advance([record(0, "ada"), record(1, "ada"), record(2, "ada")])
    zombie.advance([record(1, "ada")])  # wakes with a row that has seen less
    assert counts_in(rows) == {"ada": 3, "all/plays/0": 3}


def test_a_worker_that_was_away_loses_although_it_has_seen_more_of_another_topic() -> None:
    rows = MemoryRows()
    zombie, heir = Mover(Counts(), rows, keeps=100), Mover(Counts(), rows, keeps=100)
    zombie.advance([record(0, "ada")])
    heir.advance([record(offset, "ada") for offset in range(4)])
    zombie.advance([record(offset, "ada", place="signals/0") for offset in range(20)])
    heir.forget()  # as on every rebalance; what it has acknowledged is not told again
    heir.advance([record(4, "ada")])
    assert counts_in(rows)["ada"] == 5 + 20


def test_a_broken_row_is_named_and_moves_nothing_until_it_is_deleted() -> None:
    rows = MemoryRows()
    rows.put("counts", "ada", b"\xc1", version=1)
    mover = Mover(Counts(), rows, keeps=100)
    for _ in range(2):
        with pytest.raises(RowBroken, match=r"row 'ada' of counts is broken: .*; docs/runbook.md, `row broken`"):
            mover.advance([record(0, "ada", "bob")])
    assert rows.get("counts", "bob") is None
    rows.delete("counts", ["ada"])
    mover.advance([record(0, "ada", "bob")])
    assert counts_in(rows) == {"ada": 1, "bob": 1, "all/plays/0": 2}


def test_a_row_is_finished_before_it_is_written_and_only_where_it_moved() -> None:
    rows, finished = MemoryRows(), []

    def finish(key: str, before: Counted, after: Counted) -> Counted:
        finished.append((key, before.plays, after.plays))
        return after

    mover = Mover(Counts(), rows, finish=finish)
    mover.advance([record(0, "ada")])
    mover.advance([record(0, "ada")])
    assert finished == [("ada", 0, 1), ("all/plays/0", 0, 1)]


@given(st.lists(st.integers(0, 2), max_size=12), st.data())
def test_whichever_workers_fold_which_topics_how_far_each_record_counts_once(
    places: list[int], data: st.DataObject
) -> None:
    """Workers read each place from somewhere that is acknowledged on, in an order of their own, and die somewhere."""
    told = {place: [record(n, "ada", place=place) for n in range(places.count(at))] for at, place in enumerate(PLACES)}
    acknowledged = dict.fromkeys(PLACES, 0)
    rows = MemoryRows()
    workers = [Mover(Counts(), rows, keeps=keeps) for keeps in (0, 100, 100)]
    for turn in range(data.draw(st.integers(0, 6))):
        worker, place = data.draw(st.sampled_from(workers)), data.draw(st.sampled_from(PLACES))
        first = data.draw(st.integers(0, acknowledged[place]))
        last = data.draw(st.integers(first, len(told[place])))
        worker.advance(told[place][first:last])
        acknowledged[place] = max(acknowledged[place], last)
        assert counts_in(rows).get("ada", 0) == sum(acknowledged.values()), turn
