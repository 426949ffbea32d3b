"""Events and places that the tests of the stream share."""

from __future__ import annotations

from warehouse.events import PLAYS, Erasure, Play, Signal, SignalKind

MIN = 60_000
DAY = 24 * 60 * MIN
TODAY = 20_000  # days since 1970-01-01
NOON = TODAY * DAY + 12 * 60 * MIN


def play(
    play_id: str,
    track_id: str = "t1",
    started_ms: int = NOON,
    *,
    played_ms: int | None = 3 * MIN,
    track_ms: int | None = None,
    source: str = "backbeat",
    ended_by: str | None = None,
    received_ms: int | None = None,
    listener_id: str = "ada",
) -> Play:
    return Play(
        listener_id=listener_id,
        received_ms=started_ms if received_ms is None else received_ms,
        play_id=play_id,
        track_id=track_id,
        started_ms=started_ms,
        source=source,
        played_ms=played_ms,
        track_ms=track_ms,
        ended_by=ended_by,
    )


def skip(play_id: str, track_id: str = "t1", started_ms: int = NOON) -> Play:
    return play(play_id, track_id, started_ms, played_ms=5_000, ended_by="skip")


def word(track_id: str, kind: SignalKind, received_ms: int = NOON, signal_id: str = "s") -> Signal:
    return Signal(listener_id="ada", received_ms=received_ms, signal_id=signal_id, track_id=track_id, kind=kind)


def erasure(play_id: str | None = None, received_ms: int = NOON + DAY) -> Erasure:
    return Erasure(listener_id="ada", received_ms=received_ms, erasure_id=f"erase {play_id}", play_id=play_id)


PLAYS_PLACE = f"{PLAYS.name}/0"
