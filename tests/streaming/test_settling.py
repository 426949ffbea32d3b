from __future__ import annotations

import pytest

from streaming.folds.taste import TasteFold
from streaming.mover import Mover, RecordEvents
from streaming.settling import LOOK_EVERY, Settler
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.tastes import MIN, NOON, PLAYS_PLACE, erasure, play, word
from warehouse.events import ERASURES, SIGNALS, Event, SignalKind
from warehouse.stores.tastes import Tastes
from warehouse.tail import topic_partition
from warehouse.taste import BASE, SETTLED, TASTE_TAIL, Entry, TasteBase, TasteTail

ERASURES_PLACE, SIGNALS_PLACE = topic_partition(ERASURES.name, 0), topic_partition(SIGNALS.name, 0)


def mover(rows: MemoryRows, *, keeps: int = 0) -> Mover[TasteTail]:
    settler = Settler(Tastes(rows))
    return Mover(TasteFold(), rows, keeps=keeps, finish=settler.finish, forgets=settler.forget)


def tell(rows: MemoryRows, events: list[Event], *, first: int = 0, place: str = PLAYS_PLACE) -> None:
    """Each event a record of its own."""
    folding = mover(rows)
    for at, event in enumerate(events):
        folding.advance([RecordEvents(place, first + at, [event])])


def plays(count: int, first: int = 0) -> list[Event]:
    return [play(f"p{n}", "t1", NOON + n * 2 * MIN) for n in range(first, first + count)]


def counted(rows: MemoryRows) -> int:
    return sum(entry.plays for entry in Tastes(rows).now("ada").entries)


def test_a_short_tail_asks_for_no_base() -> None:
    rows = MemoryRows()
    tell(rows, plays(LOOK_EVERY - 1))
    assert (counted(rows), rows.get(SETTLED, "ada")) == (LOOK_EVERY - 1, None)


def test_a_tail_that_grows_long_becomes_a_base_and_begins_anew() -> None:
    rows = MemoryRows()
    tell(rows, plays(TASTE_TAIL + 10))
    assert Tastes(rows).tail("ada").count == 10
    assert counted(rows) == TASTE_TAIL + 10


def test_a_listener_who_never_stops_keeps_every_play_in_bounded_rows() -> None:
    rows = MemoryRows()
    tell(rows, plays(3 * TASTE_TAIL + 7))
    assert Tastes(rows).tail("ada").count < TASTE_TAIL
    assert counted(rows) == 3 * TASTE_TAIL + 7


def test_the_base_of_the_batch_stands_again_once_it_holds_as_much() -> None:
    rows = MemoryRows()
    tell(rows, plays(TASTE_TAIL + 10))
    behind = TasteBase((Entry("t9", 1, 1, 0, "x", 1),), offsets={PLAYS_PLACE: 3})
    Tastes(rows).publish({"ada": behind}, version=1)
    assert counted(rows) == TASTE_TAIL + 10
    ahead = TasteBase((Entry("t9", 1, 5, 0, "x", 1),), offsets={PLAYS_PLACE: TASTE_TAIL + 4})
    Tastes(rows).publish({"ada": ahead}, version=2)
    assert counted(rows) == 5 + 5  # what the tail has beyond it


def test_a_reader_between_the_two_writes_of_settling_sees_every_play_once() -> None:
    rows = MemoryRows()
    tell(rows, plays(TASTE_TAIL - 1))
    before = rows.get("taste.tail", "ada")
    tell(rows, plays(1, first=TASTE_TAIL - 1), first=TASTE_TAIL - 1)
    assert before is not None
    rows.delete("taste.tail", ["ada"])
    rows.put("taste.tail", "ada", before, version=1)  # the settled base is there, the shorter tail is not yet
    assert rows.get(SETTLED, "ada") is not None
    assert counted(rows) == TASTE_TAIL - 1


def test_erasing_everything_deletes_both_bases() -> None:
    rows = MemoryRows()
    tell(rows, plays(TASTE_TAIL + 10))
    Tastes(rows).publish({"ada": TasteBase(offsets={PLAYS_PLACE: 3})}, version=1)
    tell(rows, [erasure()], place=ERASURES_PLACE)
    assert (rows.get(BASE, "ada"), rows.get(SETTLED, "ada"), counted(rows)) == (None, None, 0)


class PublishedBetween(MemoryRows):
    """Rows in which the batch publishes these bases, one each time that somebody has looked at the one before."""

    def __init__(self, *bases: TasteBase) -> None:
        super().__init__()
        self._bases = list(bases)

    def get(self, table: str, key: str) -> bytes | None:
        found = super().get(table, key)
        if table == BASE and self._bases:
            version = (self.version_of(BASE, key) or 0) + 1
            Tastes(self).publish({key: self._bases.pop(0)}, version=version)
        return found


@pytest.mark.parametrize("more", [1, 2])
def test_a_base_that_knows_of_the_erasure_stays_though_it_came_while_the_one_before_was_looked_at(more: int) -> None:
    ignorant, knowing = TasteBase(offsets={PLAYS_PLACE: 3}), TasteBase(offsets={PLAYS_PLACE: 3, ERASURES_PLACE: 0})
    rows = PublishedBetween(*[ignorant] * (more - 1), knowing)
    Tastes(rows).publish({"ada": ignorant}, version=1)
    Tastes(rows).forget("ada", ERASURES_PLACE, 0)
    assert Tastes(rows).base("ada", settled=False) == knowing


def test_a_play_taken_back_before_a_tail_was_settled_does_not_return() -> None:
    rows = MemoryRows()
    tell(rows, [erasure("p3")], place=ERASURES_PLACE)
    tell(rows, plays(TASTE_TAIL))
    tell(rows, [play("p3", "t1", NOON + 6 * MIN)], first=TASTE_TAIL)
    assert counted(rows) == TASTE_TAIL - 1


def test_a_worker_that_was_away_settles_on_what_its_heir_has_settled() -> None:
    rows = MemoryRows()
    zombie, heir = mover(rows, keeps=100), mover(rows, keeps=100)
    first, rest = plays(LOOK_EVERY - 1), plays(2 * TASTE_TAIL, first=LOOK_EVERY - 1)
    zombie.advance([RecordEvents(PLAYS_PLACE, at, [event]) for at, event in enumerate(first)])
    for at, event in enumerate(rest, start=len(first)):
        heir.advance([RecordEvents(PLAYS_PLACE, at, [event])])
    words = [word(f"t{n}", SignalKind.LIKE, NOON + n, f"s{n}") for n in range(2 * TASTE_TAIL)]
    zombie.advance([RecordEvents(SIGNALS_PLACE, at, [event]) for at, event in enumerate(words)])
    taste = Tastes(rows).now("ada")
    assert (counted(rows), len(taste.opinions)) == (len(first) + len(rest), len(words))
