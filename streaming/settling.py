"""Keeps the tails of tastes short: what a base holds is let go, and a tail that grows long becomes a base itself."""

from __future__ import annotations

from streaming.folds.taste import compacted, tells_erasures
from streaming.mover import RecordEvents
from warehouse.events import Erasure
from warehouse.reading import settled_base
from warehouse.stores.tastes import Tastes
from warehouse.taste import TASTE_TAIL, TasteTail

LOOK_EVERY = 64  # events of a tail between two looks at the listener's base


class Settler:
    """What the stream does beside folding a taste: both are the `finish` and `forgets` of a `Mover`."""

    def __init__(self, tastes: Tastes) -> None:
        self._tastes = tastes

    def finish(self, listener_id: str, before: TasteTail, after: TasteTail) -> TasteTail:
        """The tail to write: `after`, or a shorter one now and then. Raises `RowsUnavailable`.

        The settled base is written before the tail that goes without its events: whoever reads in between finds
        the old tail, whose events it knows. It rests on the one that is there, whether this tail knows of that or
        not. Where another has settled in the same moment this tail stays long for once.
        """
        if after.count // LOOK_EVERY <= before.count // LOOK_EVERY:
            return after
        version = self._tastes.settled_version(listener_id)  # before the base itself: a later one is not overwritten
        base = self._tastes.base(listener_id, settled=True)
        short = compacted(after, base.offsets)
        if short.count < TASTE_TAIL:
            return short
        named = self._tastes.names({event.heard.track_id for event in short.events if event.heard})
        if not self._tastes.settle(listener_id, settled_base(base, short, named), before=version):
            return short
        return TasteTail(short.seen, settled=True)

    def forget(self, record: RecordEvents) -> None:
        """Delete the bases of listeners who erased everything, before their tails say so; raises `RowsUnavailable`."""
        if not tells_erasures(record.place):
            return
        for event in record.events:
            if isinstance(event, Erasure) and event.play_id is None:
                self._tastes.forget(event.listener_id, record.place, record.offset)
