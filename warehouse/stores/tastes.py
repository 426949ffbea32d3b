"""Tastes in the rows store: a listener's base, settled base and tail, each written by its own side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from warehouse.offsets import records_seen
from warehouse.reading import CurrentTaste, taste_now
from warehouse.stores.rows import Move, Rows, Stored, decoded
from warehouse.taste import BASE, CATALOG, SETTLED, TAIL, Counted, Tailed, TasteBase, TasteTail, TrackCard, holds


class StoredTaste(NamedTuple):
    """The bytes of a listener's rows: equal bytes, equal taste."""

    tail: bytes | None
    base: bytes | None
    settled: bytes | None


class Tastes:
    """What serving reads, the stream moves and the batch publishes. Methods raise `RowsUnavailable`."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def stored(self, listener_id: str) -> StoredTaste:
        """The rows as they are.

        The tail is read first: events leave it only for a base that is there already, so none is missed between.
        """
        tail = self._rows.get(TAIL, listener_id)
        base = self._rows.get(BASE, listener_id)
        settled = tail is not None and _row(TAIL, listener_id, tail, _TAIL).settled
        return StoredTaste(tail, base, self._rows.get(SETTLED, listener_id) if settled else None)

    def read(self, listener_id: str, stored: StoredTaste) -> tuple[TasteBase, tuple[Tailed, ...]]:
        """The base that stands, and the events of the tail; empty where there are none."""
        base = TasteBase() if stored.base is None else _row(BASE, listener_id, stored.base, _BASE)
        tail = TasteTail() if stored.tail is None else _row(TAIL, listener_id, stored.tail, _TAIL)
        if stored.settled is not None:
            settled = _row(SETTLED, listener_id, stored.settled, _BASE)
            base = base if holds(base, settled.offsets) else settled
        return base, tail.events

    def now(self, listener_id: str) -> CurrentTaste:
        """What the rows say at this moment."""
        base, events = self.read(listener_id, self.stored(listener_id))
        return taste_now(base, events, self.names({event.heard.track_id for event in events if event.heard}))

    def listeners(self) -> set[str]:
        """Everybody of whom there is a row."""
        return {listener_id for table in (BASE, SETTLED, TAIL) for listener_id, _ in self._rows.scan(table)}

    def tail(self, listener_id: str) -> TasteTail:
        """The tail alone."""
        found = self._rows.get(TAIL, listener_id)
        return TasteTail() if found is None else _row(TAIL, listener_id, found, _TAIL)

    def base(self, listener_id: str, *, settled: bool) -> TasteBase:
        """The batch's base; where `settled` the stream's own, unless the batch's holds as much."""
        own = self._rows.get(SETTLED, listener_id) if settled else None
        return self.read(listener_id, StoredTaste(None, self._rows.get(BASE, listener_id), own))[0]

    def names(self, tracks: Iterable[str]) -> Mapping[str, str]:
        """The track_id behind each name that the catalog knows."""
        found = self._rows.get_many(CATALOG, tracks)
        return {name: _row(CATALOG, name, card, _CARD).track_id for name, card in found.items()}

    def settled_version(self, listener_id: str) -> int:
        """The version of the stream's own base; 0 where there is none."""
        return self._rows.version_of(SETTLED, listener_id) or 0

    def settle(self, listener_id: str, base: TasteBase, *, before: int) -> bool:
        """Write the stream's own base in place of the one at the version `before`; False where that is not there now.

        It has to have seen more records, or it isn't written either.
        """
        version = records_seen(base.offsets)
        if version <= before:
            return False
        return not self._rows.move(SETTLED, {listener_id: Move(before, version, msgspec.msgpack.encode(base))})

    def publish(self, bases: Mapping[str, TasteBase], *, version: int) -> int:
        """Write bases where older ones or none are; how many were written."""
        encoded = {listener_id: msgspec.msgpack.encode(base) for listener_id, base in bases.items()}
        return self._rows.put_many(BASE, encoded, version=version)

    def forget(self, listener_id: str, place: str, offset: int) -> None:
        """Delete the bases that know nothing of the record at `offset` of `place`, an erasure of everything.

        One that is published meanwhile is looked at anew, and stays where it knows of the erasure.
        """
        for table in (BASE, SETTLED):
            while (version := self._ignorant(table, listener_id, place, offset)) is not None:
                self._rows.delete_at(table, listener_id, version=version)

    def _ignorant(self, table: str, listener_id: str, place: str, offset: int) -> int | None:
        """The version of a base that knows nothing of that record; None where there is no such base."""
        version = self._rows.version_of(table, listener_id)  # before the base itself: a later one is not deleted
        found = None if version is None else self._rows.get(table, listener_id)
        if found is None or _row(table, listener_id, found, _COUNTED).offsets.get(place, -1) >= offset:
            return None
        return version


def put_names(rows: Rows, names: Mapping[str, str]) -> None:
    """Let the catalog know the track_id behind each of these names, and no more of the track."""
    cards = {name: msgspec.msgpack.encode(TrackCard(track_id)) for name, track_id in names.items()}
    rows.put_many(CATALOG, cards, version=0)


_BASE = msgspec.msgpack.Decoder(TasteBase).decode
_TAIL = msgspec.msgpack.Decoder(TasteTail).decode
_COUNTED = msgspec.msgpack.Decoder(Counted).decode
_CARD = msgspec.msgpack.Decoder(TrackCard).decode
BATCH_MENDS = "`backbeat run --reopen DAY`, with any day that has plays, writes bases and cards anew"


def _row(table: str, key: str, value: bytes, decode: Callable[[bytes], Stored]) -> Stored:
    return decoded(table, key, value, decode, BATCH_MENDS)
