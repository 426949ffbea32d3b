"""A listener's taste as two rows: the base that the batch writes, and the tail of events that came after it.

The batch writes bases, the stream writes tails, and neither touches the other's row. A base names the log offsets that
it holds; a reader leaves out the tail's events at or below them, so a play is counted once at every moment. Where a
tail grows long before the next base is there, the stream settles it: into a base of its own, which stands until the
batch's holds as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from warehouse.offsets import records_seen

BASE = "taste.base"  # rows table: listener_id -> TasteBase, msgpack, written by the batch
SETTLED = "taste.settled"  # rows table: listener_id -> TasteBase, msgpack, written by the stream
TAIL = "taste.tail"  # rows table: listener_id -> TasteTail, msgpack, written by the stream
CATALOG = "core.catalog"  # rows table: track_id -> TrackCard, msgpack
RECENT_PLAYS = 500  # plays of a listener that a row keeps by name, newest first
TASTE_TAIL = 512  # events of a listener that wait for the next base; beyond these they are settled
TAKEN_BACK = 1_000  # erasures of single plays that a base remembers, the latest
EVERYTHING = ""  # in place of a play_id: all plays and words of a listener were taken back


class Entry(NamedTuple):
    """One track on one day: `day` counts days since 1970-01-01."""

    track_id: str
    day: int
    plays: int
    skips: int
    last_play_id: str | None
    last_started_ms: int | None


class Heard(NamedTuple):
    """A play of the recent past; `ended_ms` is its start where nobody told how long it was heard."""

    play_id: str
    track_id: str
    started_ms: int
    source: str
    counts: bool
    skipped: bool
    ended_ms: int


class Opinion(NamedTuple):
    """A word on a track: a `SignalKind` value, the rating where it is `rate`, and when it was said.

    Of two words of one millisecond the one with the higher `signal_id` is the last: `last_word`.
    """

    track_id: str
    kind: str
    rating: int | None
    received_ms: int
    signal_id: str = ""


class Started(Protocol):
    """A play by its start and its id."""

    @property
    def started_ms(self) -> int: ...

    @property
    def play_id(self) -> str: ...


def newest_first(play: Started) -> tuple[int, str]:
    """The order of `TasteBase.recent`, to sort by: the newest play first, those of one start by play_id."""
    return -play.started_ms, play.play_id


def last_word(opinion: Opinion) -> tuple[int, str]:
    """The order of words on a track, to sort by: the last word is the greatest."""
    return opinion.received_ms, opinion.signal_id


def not_skipped(recent: Sequence[Heard]) -> Iterator[Heard]:
    """Those of the recent plays, in their order; the first is the current one, which the listener is into right now."""
    return (heard for heard in recent if not heard.skipped)


class TasteBase(msgspec.Struct, frozen=True, array_like=True):
    """What the batch knew, and the last log offset that is in it, by `topic/partition`.

    Entries: newest day first, then most plays, then track_id; at most `decay.TASTE_ENTRIES`. Recent plays: each once,
    `newest_first`; at most `RECENT_PLAYS`. The batch reads the erasures of the log after its plays.
    `taken_back` are the play_ids of those erased one by one, so that none returns when it is told again.
    """

    entries: tuple[Entry, ...] = ()
    recent: tuple[Heard, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    offsets: dict[str, int] = {}
    taken_back: tuple[str, ...] = ()


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """A `TasteBase` of which only the offsets are read."""

    entries: msgspec.Raw = msgspec.Raw()
    recent: msgspec.Raw = msgspec.Raw()
    opinions: msgspec.Raw = msgspec.Raw()
    offsets: dict[str, int] = {}


class Tailed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event since the base, with its place in the log (`topic/partition`). Exactly one of the last three is set."""

    place: str
    offset: int
    received_ms: int
    heard: Heard | None = None
    said: Opinion | None = None
    erased: str | None = None  # the play_id taken back, or EVERYTHING


class TasteTail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Events since the base; `seen` is the last offset folded in, by `topic/partition`.

    `told` are the `count` events one after the other, each in msgpack: they are appended far more often than read.
    `settled` says that a base of the stream's own stands beside the batch's.
    """

    seen: dict[str, int] = {}
    count: int = 0
    told: bytes = b""
    settled: bool = False

    @property
    def version(self) -> int:
        """How many records it has seen: higher with each, so that an older tail never replaces a newer one."""
        return records_seen(self.seen)

    @property
    def events(self) -> tuple[Tailed, ...]:
        """In order of arrival."""
        return _decode_events(_ARRAY32 + self.count.to_bytes(4) + self.told) if self.count else ()

    def keeping(self, events: Iterable[Tailed]) -> TasteTail:
        """It with these events in place of its own."""
        kept = [_encode(event) for event in events]
        return TasteTail(self.seen, len(kept), b"".join(kept), self.settled)

    def after(self, place: str, offset: int, events: Iterable[Tailed]) -> TasteTail:
        """It with the events of one more record."""
        more = [_encode(event) for event in events]
        seen = {**self.seen, place: offset}
        return TasteTail(seen, self.count + len(more), self.told + b"".join(more), self.settled)


_ARRAY32 = b"\xdd"  # how msgpack begins an array whose length takes four bytes
_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(tuple[Tailed, ...]).decode


def holds(base: TasteBase | Counted, offsets: Mapping[str, int]) -> bool:
    """Whether a base knows all events up to these offsets."""
    return all(base.offsets.get(place, -1) >= offset for place, offset in offsets.items())


class TrackCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer says of a track."""

    track_id: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    mbid: str | None = None
    track_ms: int | None = None
