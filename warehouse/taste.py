"""A listener's taste as two rows: the base that the batch writes, and the tail of events that came after it.

The batch writes bases, the stream writes tails, and neither touches the other's row. A base names the log offsets that
it holds; a reader leaves out the tail's events at or below them, so a play is counted once at every moment.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from warehouse.events import Erasure, Play, Signal

BASE = "taste.base"  # rows table: listener_id -> TasteBase, msgpack
TAIL = "taste.tail"  # rows table: listener_id -> TasteTail, msgpack
CATALOG = "core.catalog"  # rows table: track_id -> TrackCard, msgpack
RECENT_PLAYS = 500  # plays of a listener that a row keeps by name, newest first
TASTE_TAIL = 1_000  # events of a listener that wait for the next base


class Entry(NamedTuple):
    """One track on one day: `day` counts days since 1970-01-01."""

    track_id: str
    day: int
    plays: int
    skips: int
    last_play_id: str | None
    last_started_ms: int | None


class Heard(NamedTuple):
    """A play of the recent past."""

    play_id: str
    track_id: str
    started_ms: int
    source: str
    counts: bool
    skipped: bool


class Opinion(NamedTuple):
    """The last word on a track: a `SignalKind` value, the rating where it is `rate`, and when it was said.

    Of two words of one millisecond the one with the higher `signal_id` is the last.
    """

    track_id: str
    kind: str
    rating: int | None
    received_ms: int
    signal_id: str = ""


class TasteBase(msgspec.Struct, frozen=True, array_like=True):
    """What the batch knew, and the last log offset that is in it, by `topic/partition`.

    Entries: newest day first, then most plays, then track_id; at most `decay.TASTE_ENTRIES`. Recent plays: each once,
    newest first, then play_id; at most `RECENT_PLAYS`. The batch reads the erasures of the log after its plays.
    """

    entries: tuple[Entry, ...] = ()
    recent: tuple[Heard, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    offsets: dict[str, int] = {}


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """A `TasteBase` of which only the offsets are read."""

    entries: msgspec.Raw = msgspec.Raw()
    recent: msgspec.Raw = msgspec.Raw()
    opinions: msgspec.Raw = msgspec.Raw()
    offsets: dict[str, int] = {}


class Tailed(msgspec.Struct, frozen=True, array_like=True):
    """An event since the base, with its place in the log. Exactly one of the three is set."""

    topic_partition: str
    offset: int
    play: Play | None = None
    signal: Signal | None = None
    erasure: Erasure | None = None


class TasteTail(msgspec.Struct, frozen=True, array_like=True):
    """Events since the base in order of arrival; `seen` is the last offset folded in, by `topic/partition`."""

    events: tuple[Tailed, ...] = ()
    seen: dict[str, int] = {}

    @property
    def version(self) -> int:
        """How many records it has seen: higher with each, so that an older tail never replaces a newer one."""
        return sum(self.seen.values()) + len(self.seen)


class TrackCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer says of a track."""

    track_id: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    mbid: str | None = None
    track_ms: int | None = None
