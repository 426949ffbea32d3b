"""What is played most right now: a row an hour, country and partition of the log, and how such rows are read together.

Rows hold counts and no listener. Their keys go round: an hour takes the place of the one `RING_HOURS` before it, so the
rows of a year are as many as those of three days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

import msgspec

from warehouse.rules.plays import FUTURE_TOLERANCE_MS
from warehouse.rules.quantity import HOUR_MS, Quantity

TRENDING = "trending.hours"  # rows table: `row_key` -> HourRow, msgpack
MONITORED = 1_000  # tracks that a row counts at once: k of Space-Saving
TOLD_AGAIN = 2_048  # a play_id is known again for at least so many counted plays of its row
LATE_HOURS = 48  # a play that is told later than this after its start trends no more
RING_HOURS = 72  # beyond LATE_HOURS and what is read, so that nobody asks for an hour that has lost its place


def is_timely(late_ms: Quantity) -> Quantity:
    """Whether a play told so long after its start trends: the place of an hour far ahead, or far back, is another's."""
    return (late_ms >= -FUTURE_TOLERANCE_MS) & (late_ms <= LATE_HOURS * HOUR_MS)


class HourCounts(msgspec.Struct, frozen=True, array_like=True):
    """The counted plays of one hour (since 1970-01-01) in one country and partition, by Space-Saving.

    `tracks` have a count and its error each: the true count is at most the count, and at least that less the error. Of
    a track that is not there it is at most `evicted`: the count of the one that last had to go, 0 while all have had
    room. `newest_ms` is when the newest of the plays was received.

    Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams, ICDT 2005.
    """

    hour: int = 0
    plays: int = 0
    tracks: dict[str, tuple[int, int]] = {}
    evicted: int = 0
    newest_ms: int = 0


class HourRow(HourCounts, frozen=True, array_like=True):
    """`HourCounts` as the stream keeps them: tracks in the order in which they were last played.

    With them are the plays told last, as hashes, in an older and a newer half, and the last offset that was folded in.
    """

    told: tuple[dict[int, None], dict[int, None]] = ({}, {})
    seen: dict[str, int] = {}


class Bounds(NamedTuple):
    """A track was played at least `plays` times, and at most `error` times more."""

    plays: int
    error: int


class Trend(NamedTuple):
    """Rows read together: all counted plays, the newest one's receipt (UTC ms), and tracks."""

    plays: int
    newest_ms: int
    tracks: Mapping[str, Bounds]


def row_key(hour: int, country: str, partition: int | str) -> str:
    """Where the counts of an hour are kept, until those of `RING_HOURS` later take the place."""
    return f"{hour % RING_HOURS:02d}/{country}/{partition}"


def hours_until(now_ms: int, hours: int) -> range:
    """The hour that runs at `now_ms` and that many whole ones before it, since 1970-01-01."""
    running = now_ms // HOUR_MS
    return range(running - hours, running + 1)


def merged(rows: Sequence[HourCounts], most: int | None = None) -> Trend:
    """Any rows as one, in whichever order: counts and errors add up. With `most`, so many tracks of the most played.

    The error of a track is at most the sum over the rows of their plays / `MONITORED`, and 0 where every row has had
    room for all of its tracks.
    """
    certain: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        for track_id, (count, error) in row.tracks.items():
            certain[track_id] += count - error
    names = certain if most is None else _highest(certain, most)
    return Trend(
        sum(row.plays for row in rows),
        max((row.newest_ms for row in rows), default=0),
        {name: Bounds(certain[name], _at_most(name, rows) - certain[name]) for name in names},
    )


def _at_most(track_id: str, rows: Sequence[HourCounts]) -> int:
    return sum(row.tracks[track_id][0] if track_id in row.tracks else row.evicted for row in rows)


def _highest(certain: Mapping[str, int], most: int) -> Iterable[str]:
    """The names with the highest counts, in no order; of those with the last of these counts, the first by name."""
    if len(certain) <= most:
        return certain
    last = sorted(certain.values())[-most]
    above = [name for name, count in certain.items() if count > last]
    return above + nsmallest(most - len(above), (name for name, count in certain.items() if count == last))


def most_played(tracks: Mapping[str, Bounds], limit: int) -> list[tuple[str, Bounds]]:
    """The first `limit` by plays that are certain; ties by those that may be, then by track."""
    ranked = sorted(tracks.items(), key=lambda named: (-named[1].plays, -named[1].error, named[0]))
    return ranked[:limit]


def by_own_name(tracks: Mapping[str, Bounds], own_names: Mapping[str, str]) -> dict[str, Bounds]:
    """The same by the tracks' own ids: what was told under several names of one track adds up."""
    named: dict[str, Bounds] = {}
    for name, (plays, error) in tracks.items():
        so_far = named.get(own := own_names.get(name, name), Bounds(0, 0))
        named[own] = Bounds(so_far.plays + plays, so_far.error + error)
    return named
