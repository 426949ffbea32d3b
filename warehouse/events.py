"""The facts that move through Backbeat, as versioned structs: what was played, liked, shown and erased.

Times are UTC milliseconds since 1970; a day is a UTC day. Fields marked optional are unknown when None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

import msgspec

MAX_ID_CHARACTERS = 256
MAX_LABEL_CHARACTERS = 64
# What a log is read by: types, lengths and ranges, which cost next to nothing, and no patterns, which cost ten times
# more than all else of reading. What is told is checked by them once, where it is admitted (`Id`, `Label`, `Country`).
LoggedId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
LoggedLabel = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
LoggedCountry = Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
_NO_CONTROLS = msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]+(?!\n)$")
Id = Annotated[LoggedId, _NO_CONTROLS]
Label = Annotated[LoggedLabel, _NO_CONTROLS]
Country = Annotated[LoggedCountry, msgspec.Meta(pattern=r"^[A-Z]{2}(?!\n)$")]
Millis = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]  # years of four digits: later ones are no dates


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every fact carries: whom it is about and when Backbeat learned of it."""

    listener_id: LoggedId
    received_ms: Millis


class Play(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One track heard by one listener, in whole or in part. A skip is a play with `ended_by`.

    `track_id` is the caller's name of the track: a canonical id, or `source:id`.
    `play_id` is the client's, or the play's `play_identity`.
    """

    play_id: LoggedId
    track_id: LoggedId
    started_ms: Millis
    source: LoggedLabel
    played_ms: Millis | None = None
    track_ms: Millis | None = None
    context: LoggedId | None = None
    impression_id: LoggedId | None = None
    slot: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None
    ended_by: LoggedLabel | None = None
    device: LoggedLabel | None = None
    country: LoggedCountry | None = None


class SignalKind(StrEnum):
    """What a listener can say of a track without playing it."""

    LIKE = "like"
    UNLIKE = "unlike"
    DISLIKE = "dislike"
    DO_NOT_RECOMMEND = "do_not_recommend"
    RATE = "rate"


class Signal(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An opinion on a track; `rating` (1 to 5, 0 takes it back) goes with `rate` alone."""

    signal_id: LoggedId
    track_id: LoggedId
    kind: SignalKind
    rating: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None


class Impression(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One answer shown to a listener: the tracks in slot order, and the source that brought each.

    `propensities` [slots] are the chances that each slot had of showing its track to this listener at this moment.
    `experiment` and `arm` say under which arm of which experiment it was shown; both are None for who takes no part.
    """

    impression_id: LoggedId
    shelf: LoggedLabel
    model_version: str
    track_ids: list[str]
    sources: list[str]
    propensities: list[Annotated[float, msgspec.Meta(gt=0, le=1)]] | None = None
    experiment: LoggedLabel | None = None
    arm: LoggedLabel | None = None

    def __post_init__(self) -> None:
        if len(self.track_ids) != len(self.sources):
            found = f"found {len(self.track_ids)} tracks and {len(self.sources)} sources"
            raise ValueError(f"{found}, wanted a source for each track")


class Erasure(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A listener takes back one play, or everything where `play_id` is None."""

    erasure_id: LoggedId
    play_id: LoggedId | None = None


@dataclass(frozen=True)
class Topic:
    """A log topic: its name ends in the version of what it carries; a listener's events are in one partition."""

    name: str
    event: type[Event]
    partitions: int
    retention_days: int


PLAYS = Topic("playback.play.v1", Play, partitions=4, retention_days=30)
SIGNALS = Topic("listener.signal.v1", Signal, partitions=4, retention_days=30)
IMPRESSIONS = Topic("serving.impression.v1", Impression, partitions=4, retention_days=30)
ERASURES = Topic("listener.erased.v1", Erasure, partitions=4, retention_days=365)
TOPICS = (PLAYS, SIGNALS, IMPRESSIONS, ERASURES)


def identity_of(*parts: str | int) -> str:
    """A 128-bit id, in hex, of what identifies a fact: equal parts, equal id, on any machine."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def play_identity(source: str, listener_id: str, track_id: str, started_ms: int) -> str:
    """The play_id of a play that its teller gave none, whichever way it was told; `track_id` as the teller names it."""
    return identity_of(source, listener_id, track_id, started_ms)
