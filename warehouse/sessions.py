"""Sessions and what is playing, read from a listener's recent plays by the rule that core.sessions goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from warehouse.rules.quantity import DAY_MS, MINUTE_MS
from warehouse.rules.sessions import opens_session
from warehouse.taste import RECENT_PLAYS, Heard, not_skipped

UNKNOWN_LENGTH_MS = 10 * MINUTE_MS  # how long a track of unknown length may be playing
_LOOKS_BACK_DAYS = 1  # a session is named by its first play since yesterday's midnight: decision 0003


class Session(NamedTuple):
    """Counted plays, the oldest first, without half an hour of silence between them."""

    started_ms: int
    plays: tuple[Heard, ...]

    @property
    def last(self) -> Heard:
        """The newest of its plays."""
        return self.plays[-1]


class Playing(NamedTuple):
    """A play that may be going on, and when it is over at the latest."""

    play: Heard
    until_ms: int


def session_starts(recent: Sequence[Heard]) -> dict[str, int]:
    """The session of each counted play, by play_id: the start of its first play, as in core.sessions.

    `recent` is ordered as in `TasteBase`.
    """
    return {
        heard.play_id: session.started_ms
        for run in _runs(recent)
        for session in _by_day(run)
        for heard in session.plays
        if _day(heard) == _day(session.last)
    }


def known_sessions(recent: Sequence[Heard]) -> dict[str, int]:
    """`session_starts` of those plays whose session older plays than `recent` names cannot change."""
    starts = session_starts(recent)
    if len(recent) < RECENT_PLAYS:
        return starts
    first_day = _day(recent[-1]) + _LOOKS_BACK_DAYS + 1  # the oldest day may have plays that are not named here
    return {heard.play_id: starts[heard.play_id] for heard in recent if heard.counts and _day(heard) >= first_day}


def live_session(recent: Sequence[Heard], now_ms: int) -> Session | None:
    """The session that a play would join if it began now; None where it would open one."""
    runs = _runs(recent)
    if not runs or opens_session(now_ms - runs[-1][-1].ended_ms):
        return None
    return _by_day(runs[-1])[-1]


def now_playing(recent: Sequence[Heard], lengths: Mapping[str, int | None], now_ms: int) -> Playing | None:
    """The newest play that was not skipped, while it can be going on.

    It is over when its track is, or after ten minutes where `lengths` (ms, by track_id) has no length for it, or when
    it was told to end, if that is later.
    """
    play = next(not_skipped(recent), None)
    if play is None:
        return None
    until_ms = max(play.started_ms + (lengths.get(play.track_id) or UNKNOWN_LENGTH_MS), play.ended_ms)
    return Playing(play, until_ms) if now_ms < until_ms else None


def _runs(recent: Sequence[Heard]) -> list[list[Heard]]:
    """Counted plays in order of time, cut where there is half an hour of silence after the play before."""
    runs: list[list[Heard]] = []
    for heard in sorted(
        (heard for heard in recent if heard.counts), key=lambda heard: (heard.started_ms, heard.play_id)
    ):
        if not runs or opens_session(heard.started_ms - runs[-1][-1].ended_ms):
            runs.append([])
        runs[-1].append(heard)
    return runs


def _by_day(run: Sequence[Heard]) -> list[Session]:
    """The session as of each of its days: its plays of that day and the day before."""
    days = {day: list(plays) for day, plays in groupby(run, _day)}
    sessions = []
    for day, plays in days.items():
        two_days = (*days.get(day - _LOOKS_BACK_DAYS, ()), *plays)
        sessions.append(Session(two_days[0].started_ms, two_days))
    return sessions


def _day(heard: Heard) -> int:
    return heard.started_ms // DAY_MS
