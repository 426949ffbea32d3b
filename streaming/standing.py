"""How far the live rows of taste are: whether they have seen all of the log that is about their listener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streaming.replaying import timeline
from warehouse.events import Topic
from warehouse.stores.log import Log
from warehouse.stores.tastes import Tastes

Last = Mapping[str, Mapping[str, int]]  # listener_id -> the last offset that is about them, by `topic/partition`


def last_told(log: Log, topics: Sequence[Topic], offsets: Mapping[str, int]) -> Last:
    """Up to these offsets of the log."""
    last: dict[str, dict[str, int]] = {}
    for _, place, offset, events in timeline(log, topics, offsets):
        for event in events:
            last.setdefault(event.listener_id, {})[place] = offset
    return last


def behind(tastes: Tastes, last: Last) -> set[str]:
    """Listeners whose rows have not seen all that was told of them."""
    return {who for who, told in last.items() if not _has_seen(tastes, who, told)}


def _has_seen(tastes: Tastes, listener_id: str, told: Mapping[str, int]) -> bool:
    seen = tastes.tail(listener_id).seen
    unseen = {place: offset for place, offset in told.items() if seen.get(place, -1) < offset}
    if not unseen:
        return True
    base = tastes.base(listener_id, settled=False)
    return all(base.offsets.get(place, -1) >= offset for place, offset in unseen.items())
