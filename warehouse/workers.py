"""What the stream says of itself: a row a worker, written every second while it lives, and the last ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from warehouse.rules.quantity import HOUR_MS

WORKERS = "stream.workers"  # rows table: feature/worker -> WorkerStatus, msgpack
LEDGER, LAST = "stream.ledger", "last"  # rows table and key -> LastLedger, msgpack
ALIVE_MS = 5_000  # a worker that has said nothing for so long is taken for dead
FORGOTTEN_MS = HOUR_MS  # after which a dead worker's row goes, where younger ones have done as much


class WorkerStatus(msgspec.Struct, frozen=True):
    """`places` are the offsets whose rows are written, by `topic/partition`; `delay_ms` the longest of the last second.

    `events` counts since the worker started, `per_second` over the last second, of which `plays_per_second` were plays.
    `delays` are the events of the last minute, as `RecentDelays` counts them.
    """

    feature: str
    worker: str
    at_ms: int
    events: int
    per_second: float
    delay_ms: int
    places: dict[str, int]
    plays_per_second: float = 0.0
    delays: dict[int, int] = {}


class LastLedger(msgspec.Struct, frozen=True):
    """What `backbeat ledger` found over so many days, imports included.

    `accepted` are all plays that were told, `counted` those of them that are somewhere; the `difference` is 0.
    """

    at_ms: int
    days: int
    accepted: int
    counted: int
    difference: int


def worker_key(feature: str, worker: str) -> str:
    """The key of its row."""
    return f"{feature}/{worker}"


def furthest(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The last offset of each place that any of them has reached."""
    reached: dict[str, int] = {}
    for places in several:
        reached.update((place, offset) for place, offset in places.items() if offset > reached.get(place, -1))
    return reached


def forgotten(statuses: Iterable[WorkerStatus], now_ms: int) -> list[WorkerStatus]:
    """Workers long dead that have got no further than younger ones of their feature, at any place of the log."""
    gone: list[WorkerStatus] = []
    reached: dict[str, dict[str, int]] = {}
    for status in sorted(statuses, key=lambda status: -status.at_ms):
        younger = reached.get(status.feature)
        together = furthest([younger or {}, status.places])
        if together == younger and now_ms - status.at_ms >= FORGOTTEN_MS:
            gone.append(status)
        reached[status.feature] = together
    return gone


def lag(places: Mapping[str, int], ends: Mapping[str, int]) -> int:
    """Records between what was folded and the ends of the log, over the places that were read."""
    return sum(max(0, ends[place] - offset) for place, offset in places.items() if place in ends)
