"""The documents that the API answers with. Times are UTC milliseconds, days UTC days.

They hold no cycles and live for one answer, so the garbage collector need not look at them (`gc=False`).
"""

from __future__ import annotations

import msgspec


class Cite(msgspec.Struct, frozen=True, gc=False):
    """A play whose removal, recomputed, lowers the score of the item that cites it."""

    play_id: str
    track_id: str
    title: str | None
    artist: str | None
    started_ms: int


class Item(msgspec.Struct, frozen=True, gc=False):
    """One recommended track. Scores of one source can be compared, those of two can't."""

    track_id: str
    title: str | None
    artist: str | None
    album: str | None
    score: float
    source: str
    model_version: str | None
    impression_id: str
    slot: int
    reason: str
    cites: tuple[Cite, ...]


class Recommendations(msgspec.Struct, frozen=True, gc=False):
    """One shelf for one listener. `reason` speaks of the whole: why another source stands in, or why it is empty.

    `arm` is the listener's in the experiment that runs, if they take part: what it changes may be the caller's to do.
    """

    listener_id: str
    shelf: str
    model_version: str | None
    impression_id: str
    items: tuple[Item, ...]
    reason: str | None
    next_cursor: str | None
    experiment: str | None = None
    arm: str | None = None


class MixAnswer(msgspec.Struct, frozen=True, gc=False):
    """One part of a taste, named by the artists that weigh most in it; null where none of them is known."""

    name: str | None
    impression_id: str
    items: tuple[Item, ...]


class MixesAnswer(msgspec.Struct, frozen=True, gc=False):
    """Daily mixes, the heaviest part first; none where too little is known to part it, and `reason` says so."""

    listener_id: str
    model_version: str | None
    mixes: tuple[MixAnswer, ...]
    reason: str | None
    experiment: str | None = None
    arm: str | None = None


class ManyRecommendations(msgspec.Struct, frozen=True, gc=False):
    """An answer for each listener asked about, in that order."""

    answers: tuple[Recommendations, ...]


class TasteTrack(msgspec.Struct, frozen=True, gc=False):
    """What a listener has done with one track; `weight` is plays, decayed with a half-life of 90 days."""

    track_id: str
    title: str | None
    artist: str | None
    plays: int
    skips: int
    weight: float
    last_played_ms: int | None


class OpinionAnswer(msgspec.Struct, frozen=True, gc=False):
    """The last word on a track."""

    track_id: str
    kind: str
    rating: int | None
    received_ms: int


class TasteAnswer(msgspec.Struct, frozen=True, gc=False):
    """A listener's taste: tracks by weight, the heaviest first, and how many there are in all."""

    listener_id: str
    model_version: str | None
    current_track_id: str | None
    total_tracks: int
    tracks: tuple[TasteTrack, ...]
    opinions: tuple[OpinionAnswer, ...]


class PlayAnswer(msgspec.Struct, frozen=True, gc=False):
    """A play of the recent past; `counts` says whether it counts as one."""

    play_id: str
    track_id: str
    title: str | None
    artist: str | None
    started_ms: int
    source: str
    counts: bool
    skipped: bool


class PlaysAnswer(msgspec.Struct, frozen=True, gc=False):
    """A page of a listener's plays, the newest first."""

    listener_id: str
    plays: tuple[PlayAnswer, ...]
    next_cursor: str | None


class TrackAnswer(msgspec.Struct, frozen=True, gc=False):
    """What is known of a track; `track_ms` is its length."""

    track_id: str
    title: str | None
    artist: str | None
    album: str | None
    isrc: str | None
    mbid: str | None
    track_ms: int | None


class PlayingAnswer(msgspec.Struct, frozen=True, gc=False):
    """A play that may be going on; it is over at `until_ms` at the latest."""

    track: TrackAnswer
    started_ms: int
    until_ms: int


class SessionAnswer(msgspec.Struct, frozen=True, gc=False):
    """Counted plays without half an hour of silence between or after them: how many, and the track of the last."""

    started_ms: int
    plays: int
    last: TrackAnswer


class NowAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a listener is doing at this moment; null where nothing is known to play, or no session goes on."""

    listener_id: str
    playing: PlayingAnswer | None
    session: SessionAnswer | None


class SimilarTrack(msgspec.Struct, frozen=True, gc=False):
    """A track like another; `score` is the cosine of their vectors."""

    track_id: str
    title: str | None
    artist: str | None
    album: str | None
    score: float


class SimilarAnswer(msgspec.Struct, frozen=True, gc=False):
    """The tracks most like one; `reason` says why there are none."""

    track_id: str
    model_version: str | None
    items: tuple[SimilarTrack, ...]
    reason: str | None


class ChartEntry(msgspec.Struct, frozen=True, gc=False):
    """One place of a chart."""

    rank: int
    track_id: str
    title: str | None
    artist: str | None
    plays: int
    listeners: int


class ChartAnswer(msgspec.Struct, frozen=True, gc=False):
    """The most played tracks of a day, everywhere or in a country. Without any chart yet, `day` is null."""

    day: str | None
    country: str
    entries: tuple[ChartEntry, ...]


class TrendingEntry(msgspec.Struct, frozen=True, gc=False):
    """One place of what is played most: `plays` are certain, and there may be up to `plays_error` more."""

    rank: int
    track_id: str
    title: str | None
    artist: str | None
    plays: int
    plays_error: int


class TrendingAnswer(msgspec.Struct, frozen=True, gc=False):
    """The most played tracks of the running hour and the `hours` before it, everywhere or in a country.

    `plays` are all that counted since `since_ms`; `as_of_ms` is when the newest of them was received.
    """

    country: str
    hours: int
    since_ms: int
    as_of_ms: int | None
    plays: int
    entries: tuple[TrendingEntry, ...]


class SlotAnswer(msgspec.Struct, frozen=True, gc=False):
    """What became of a track that was shown: played, skipped, begun, ignored, or open while it may still be played.

    `play_id`, `started_ms` and `played_ms` are of the play that says so: that play was recommended.
    """

    slot: int
    track_id: str
    title: str | None
    artist: str | None
    source: str
    outcome: str
    play_id: str | None
    started_ms: int | None
    played_ms: int | None


class ImpressionAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that was given, slot by slot."""

    impression_id: str
    shown_ms: int
    shelf: str
    model_version: str
    slots: tuple[SlotAnswer, ...]


class OutcomesAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a listener was shown lately, the newest first, and what became of it."""

    listener_id: str
    impressions: tuple[ImpressionAnswer, ...]


class ListensAccepted(msgspec.Struct, frozen=True, gc=False):
    """The ids of the plays, in the order in which they were sent. They are on the log's disk."""

    play_ids: tuple[str, ...]


class SignalAccepted(msgspec.Struct, frozen=True, gc=False):
    """The id of the signal. It is on the log's disk."""

    signal_id: str


class Erased(msgspec.Struct, frozen=True, gc=False):
    """The id of the erasure. Answers leave out what was erased from now on; the lake does after its next run."""

    erasure_id: str


class Readiness(msgspec.Struct, frozen=True, gc=False):
    """Whether requests can be answered, and by which model; `problem` names what is wrong with it, if anything."""

    ready: bool
    model_version: str | None
    problems: tuple[str, ...]
