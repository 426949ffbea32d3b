"""The tellers of plays: how exact each one's times are, and what it means when one gives no length."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.rules.plays import PLAY_THRESHOLD_MS, UNKNOWN_TRACK_MS, counts_as_play


@dataclass(frozen=True)
class Source:
    """`precision_ms` is the grain of its start times; a scrobbling source tells only plays that it counts itself."""

    name: str
    precision_ms: int
    scrobbles: bool


SOURCES = {
    source.name: source
    for source in (
        Source("backbeat", precision_ms=1, scrobbles=False),
        Source("world", precision_ms=1, scrobbles=False),
        Source("spotify", precision_ms=1_000, scrobbles=False),
        Source("30music", precision_ms=1_000, scrobbles=True),
        Source("listenbrainz", precision_ms=1_000, scrobbles=True),
        Source("lastfm", precision_ms=1_001, scrobbles=True),
        Source("file", precision_ms=1_002, scrobbles=True),
        Source("spotify-account", precision_ms=60_000, scrobbles=False),
    )
}
UNKNOWN_SOURCE = Source("unknown", precision_ms=3_600_000, scrobbles=False)


def resolved_played_ms(played_ms: int | None, source: str) -> int:
    """The length to judge a play by: an unknown one counts when a scrobbling source told it, else it does not."""
    if played_ms is not None:
        return played_ms
    return PLAY_THRESHOLD_MS if SOURCES.get(source, UNKNOWN_SOURCE).scrobbles else 0


def resolved_track_ms(track_ms: int | None) -> int:
    """The track length to judge a play by: with an unknown one (None or 0), half a minute decides."""
    return track_ms or UNKNOWN_TRACK_MS


def counts(played_ms: int | None, track_ms: int | None, source: str) -> bool:
    """Whether what was told counts as a play, its unknown lengths resolved."""
    return bool(counts_as_play(resolved_played_ms(played_ms, source), resolved_track_ms(track_ms)))
