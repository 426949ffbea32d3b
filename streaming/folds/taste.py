"""The fold of a listener's events into the tail of their taste. What it keeps is read by `warehouse.reading`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warehouse.events import Event
from warehouse.tail import Since, since, tailed
from warehouse.taste import TASTE_TAIL, Tailed, TasteTail


def advanced(
    tail: TasteTail, events: Sequence[Event], *, place: str, offset: int, base_offsets: Mapping[str, int]
) -> TasteTail:
    """The tail after one listener's events of the record at `offset` of `place` (`topic/partition`).

    It is the tail itself where it has seen that record. Events that a base at `base_offsets` holds are let go.
    """
    if offset <= tail.seen.get(place, -1):
        return tail
    told = since((*tail.events, *(tailed(event, place, offset) for event in events)), base_offsets)
    return TasteTail(_newest(told), {**tail.seen, place: offset})


def _newest(told: Since) -> tuple[Tailed, ...]:
    """At most `TASTE_TAIL` events.

    Beyond that the plays that arrived first are left to the next base, which has them from the lake; then the opinions
    go, and erasures last, so that what was taken back doesn't return.
    """
    return told.events[-TASTE_TAIL:]
