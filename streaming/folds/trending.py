"""The fold of plays into hourly counts, overall and by country: heavy hitters in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec

from warehouse.events import PLAYS, Event, Play
from warehouse.offsets import records_seen
from warehouse.rules.quantity import HOUR_MS
from warehouse.sources import counts
from warehouse.tables import EVERYWHERE
from warehouse.trending import MONITORED, TOLD_AGAIN, TRENDING, HourRow, is_timely, row_key

_decode = msgspec.msgpack.Decoder(HourRow).decode
_encode = msgspec.msgpack.Encoder().encode


class TrendingFold:
    """Plays that count, in the hour of their start; what is told `LATE_HOURS` after it, or long before, is left out.

    A play_id is counted once among the last `TOLD_AGAIN` plays of its row or more. Which plays count where, and which
    track has to go for another, follows from the order of the log alone.
    """

    table = TRENDING
    topics = (PLAYS,)

    def __init__(self, monitored: int = MONITORED, told_again: int = TOLD_AGAIN) -> None:
        self._monitored = monitored
        self._told_again = told_again

    def keys(self, event: Event, place: str) -> Iterable[str]:
        if not isinstance(event, Play) or not counts(event.played_ms, event.track_ms, event.source):
            return ()
        if not is_timely(event.received_ms - event.started_ms):
            return ()
        hour, partition = event.started_ms // HOUR_MS, place.rpartition("/")[2]
        overall = row_key(hour, EVERYWHERE, partition)
        return (overall,) if event.country is None else (overall, row_key(hour, event.country, partition))

    def decoded(self, row: bytes | None) -> HourRow:
        return HourRow() if row is None else _decode(row)

    def encoded(self, row: HourRow) -> bytes:
        return _encode(row)

    def version(self, row: HourRow) -> int:
        return records_seen(row.seen)

    def advanced(self, row: HourRow, events: Sequence[Event], *, key: str, place: str, offset: int) -> HourRow:  # noqa: ARG002  # the events say it
        if offset <= row.seen.get(place, -1):
            return row
        hour = _Counting(row, self._monitored, self._told_again)
        for event in events:
            if isinstance(event, Play):
                hour.tell(event)
        return hour.row({**row.seen, place: offset})


class _Counting:
    """A copy of a row, to count in."""

    def __init__(self, row: HourRow, monitored: int, told_again: int) -> None:
        self._hour, self._plays, self._newest_ms = row.hour, row.plays, row.newest_ms
        self._tracks, self._evicted = row.tracks.copy(), row.evicted
        self._older, self._newer = row.told[0], row.told[1].copy()
        self._monitored, self._told_again = monitored, told_again
        self._fewest: Iterator[str] | None = None

    def row(self, seen: dict[str, int]) -> HourRow:
        told = (self._older, self._newer)
        return HourRow(self._hour, self._plays, self._tracks, self._evicted, self._newest_ms, told, seen)

    def tell(self, play: Play) -> None:
        hour = play.started_ms // HOUR_MS
        if hour != self._hour:
            if hour < self._hour:
                return  # a later hour has its place
            self._begin(hour)
        if not self._is_new(play):
            return
        self._plays += 1
        if play.received_ms > self._newest_ms:
            self._newest_ms = play.received_ms
        known = self._tracks.pop(play.track_id, None)
        count, error = self._room() if known is None else known
        self._tracks[play.track_id] = (count + 1, error)

    def _begin(self, hour: int) -> None:
        self._hour, self._plays, self._newest_ms = hour, 0, 0
        self._tracks, self._evicted, self._fewest = {}, 0, None
        self._older, self._newer = {}, {}

    def _is_new(self, play: Play) -> bool:
        named = blake2b(f"{play.listener_id}\x1f{play.play_id}".encode(), digest_size=8).digest()
        name = int.from_bytes(named, "little")
        if name in self._newer or name in self._older:
            return False
        if len(self._newer) >= self._told_again:
            self._older, self._newer = self._newer, {}
        self._newer[name] = None
        return True

    def _room(self) -> tuple[int, int]:
        """What a new track begins with: nothing, or the count of the one that goes for it, all of which may be wrong.

        That is the one of the lowest count, and of several the one that was played longest ago.
        """
        if len(self._tracks) < self._monitored:
            return 0, 0
        self._evicted, _ = self._tracks.pop(self._with_fewest())
        return self._evicted, self._evicted

    def _with_fewest(self) -> str:
        if self._fewest is None:
            self._fewest = self._counted(self._evicted)  # no count is lower than the last that went
        fewest = next(self._fewest, None)
        if fewest is None:
            self._fewest = self._counted(min(count for count, _ in self._tracks.values()))
            fewest = next(self._fewest)
        return fewest

    def _counted(self, times: int) -> Iterator[str]:
        """Tracks of that count, when they are asked for, as it is the lowest: none joins them."""
        tracks = self._tracks
        return (track for track in tuple(tracks) if track in tracks and tracks[track][0] == times)
