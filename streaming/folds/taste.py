"""The fold of a listener's events into the tail of their taste. What it keeps is read by `warehouse.reading`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from warehouse.events import ERASURES, PLAYS, SIGNALS, Event
from warehouse.tail import since, tailed
from warehouse.taste import TAIL, TasteTail


class TasteFold:
    """Appends, and no more: duplicates, erasures and what counts are settled when a tail is read."""

    table = TAIL
    topics = (PLAYS, SIGNALS, ERASURES)
    encoded = staticmethod(msgspec.msgpack.Encoder().encode)
    _decode = staticmethod(msgspec.msgpack.Decoder(TasteTail).decode)

    def keys(self, event: Event, place: str) -> tuple[str]:  # noqa: ARG002  # a listener's row, wherever it was told
        """The listener."""
        return (event.listener_id,)

    def decoded(self, value: bytes | None) -> TasteTail:
        """The tail of a stored value."""
        return TasteTail() if value is None else self._decode(value)

    def version(self, row: TasteTail) -> int:
        """How many records it has seen."""
        return row.version

    def advanced(self, row: TasteTail, events: Sequence[Event], *, key: str, place: str, offset: int) -> TasteTail:  # noqa: ARG002
        """The tail after one listener's events of a record; an erasure takes what it erases out of the row at once."""
        if offset <= row.seen.get(place, -1):
            return row
        after = row.after(place, offset, [tailed(event, place, offset) for event in events])
        return compacted(after, {}) if tells_erasures(place) else after


def compacted(tail: TasteTail, offsets: Mapping[str, int]) -> TasteTail:
    """The tail without what a base at `offsets` holds, and without what is told again, taken back or said anew."""
    return tail.keeping(since(tail.events, offsets).events)


def tells_erasures(place: str) -> bool:
    """Whether a place of the log is one of erasures; asked for each record, of which hardly any is."""
    return place.startswith(_ERASURES)


_ERASURES = f"{ERASURES.name}/"
