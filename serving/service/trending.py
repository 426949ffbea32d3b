"""What is played most at this moment, read from the stream's hourly counts and kept for a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from serving.answers import TrendingAnswer, TrendingEntry
from serving.service.cards import Cards
from serving.service.ports import Clock
from warehouse.events import PLAYS
from warehouse.rules.quantity import HOUR_MS
from warehouse.stores.rows import STREAM_MENDS, Rows, decoded
from warehouse.trending import TRENDING, Bounds, HourCounts, by_own_name, hours_until, merged, most_played, row_key

NAMES = 1_000  # names of tracks that are looked at: the most played
LOOK_SECONDS = 1.0  # how long an answer may be behind the rows
KEPT = 500  # answers of the last moments, by country and hours
_decode = msgspec.msgpack.Decoder(HourCounts).decode


class Window(NamedTuple):
    """Some hours of one country: tracks by their own ids, the most played first; times are UTC ms."""

    since_ms: int
    newest_ms: int
    plays: int
    tracks: tuple[tuple[str, Bounds], ...]


class Trending:
    """Reads hours of all partitions together. A call may read many rows: make it in a thread."""

    def __init__(self, rows: Rows, cards: Cards, clock: Clock, seconds: Callable[[], float] = time.monotonic) -> None:
        self._rows = rows
        self._cards = cards
        self._clock = clock
        self._seconds = seconds
        self._turn = threading.Lock()
        self._kept: dict[tuple[str, int], tuple[float, Window]] = {}

    def answer(self, country: str, hours: int, limit: int) -> TrendingAnswer:
        """The most played tracks of the running hour and the whole ones before it. Raises `RowsUnavailable`."""
        window = self.window(country, hours)
        tracks = window.tracks[:limit]
        cards = self._cards.of(track_id for track_id, _ in tracks)
        entries = tuple(
            TrendingEntry(rank, track_id, (card := cards[track_id]).title, card.artist, bounds.plays, bounds.error)
            for rank, (track_id, bounds) in enumerate(tracks, 1)
        )
        return TrendingAnswer(country, hours, window.since_ms, window.newest_ms or None, window.plays, entries)

    def window(self, country: str, hours: int) -> Window:
        """The same with every track of the `NAMES` most played names. Raises `RowsUnavailable`."""
        with self._turn:
            now = self._seconds()
            kept = self._kept.get((country, hours))
            if kept is not None and now - kept[0] < LOOK_SECONDS:
                return kept[1]
            window = self._read(country, hours)
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[country, hours] = now, window
            return window

    def forget(self) -> None:
        """Read everything anew."""
        with self._turn:
            self._kept.clear()

    def _read(self, country: str, hours: int) -> Window:
        wanted = hours_until(self._clock(), hours)
        places = {row_key(hour, country, part): hour for hour in wanted for part in range(PLAYS.partitions)}
        rows = self._rows.get_many(TRENDING, places)
        found = {key: decoded(TRENDING, key, row, _decode, STREAM_MENDS) for key, row in rows.items()}
        trend = merged([row for key, row in found.items() if row.hour == places[key]], NAMES)
        tracks = by_own_name(trend.tracks, self._cards.own_names(trend.tracks))
        return Window(wanted.start * HOUR_MS, trend.newest_ms, trend.plays, tuple(most_played(tracks, NAMES)))
