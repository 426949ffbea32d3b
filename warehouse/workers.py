"""What the stream's workers say of themselves: a row a worker, written every second while it lives."""

from __future__ import annotations

import msgspec

WORKERS = "stream.workers"  # rows table: feature/worker -> WorkerStatus, msgpack
ALIVE_MS = 5_000  # a worker that has said nothing for so long is taken for dead


class WorkerStatus(msgspec.Struct, frozen=True):
    """`places` are the offsets whose rows are written, by `topic/partition`; `delay_ms` the longest of the last second.

    `events` counts since the worker started, `per_second` over the last second.
    """

    feature: str
    worker: str
    at_ms: int
    events: int
    per_second: float
    delay_ms: int
    places: dict[str, int]


def worker_key(feature: str, worker: str) -> str:
    """The key of its row."""
    return f"{feature}/{worker}"


def lag(places: dict[str, int], ends: dict[str, int]) -> int:
    """Records between what was folded and the ends of the log, over the places that were read."""
    return sum(max(0, ends[place] - offset) for place, offset in places.items() if place in ends)
