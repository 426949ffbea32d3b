from __future__ import annotations

import pytest

from warehouse.rules.quantity import DAY_MS, HOUR_MS, MINUTE_MS
from warehouse.sessions import known_sessions, live_session, now_playing, session_starts
from warehouse.taste import RECENT_PLAYS, Heard

MIDNIGHT = 20_000 * DAY_MS
NOON = MIDNIGHT + 12 * HOUR_MS
LENGTH = 3 * MINUTE_MS


def heard(
    play_id: str, started_ms: int, *, played_ms: int = LENGTH, counts: bool = True, skipped: bool = False
) -> Heard:
    return Heard(play_id, f"track of {play_id}", started_ms, "backbeat", counts, skipped, started_ms + played_ms)


def recent(*plays: Heard) -> tuple[Heard, ...]:
    return tuple(sorted(plays, key=lambda play: (-play.started_ms, play.play_id)))


def test_half_an_hour_of_silence_opens_a_session() -> None:
    second = NOON + LENGTH + 30 * MINUTE_MS - 1
    third = second + LENGTH + 30 * MINUTE_MS
    plays = recent(heard("a", NOON), heard("b", second), heard("c", third))
    assert session_starts(plays) == {"a": NOON, "b": NOON, "c": third}


def test_what_does_not_count_is_in_no_session_and_breaks_no_silence() -> None:
    plays = recent(
        heard("a", NOON), heard("skip", NOON + 20 * MINUTE_MS, counts=False), heard("b", NOON + 40 * MINUTE_MS)
    )
    assert session_starts(plays) == {"a": NOON, "b": NOON + 40 * MINUTE_MS}


def test_an_evening_across_midnight_is_one_session() -> None:
    plays = recent(heard("a", MIDNIGHT - MINUTE_MS), heard("b", MIDNIGHT + 5 * MINUTE_MS))
    assert session_starts(plays) == {"a": MIDNIGHT - MINUTE_MS, "b": MIDNIGHT - MINUTE_MS}


def test_a_session_around_the_clock_is_named_anew_each_day_by_the_first_play_since_yesterdays_midnight() -> None:
    hours = range(0, 72, 12)
    plays = recent(*(heard(str(hour), MIDNIGHT + hour * HOUR_MS, played_ms=12 * HOUR_MS) for hour in hours))
    named = {name: (start - MIDNIGHT) // HOUR_MS for name, start in session_starts(plays).items()}
    assert named == {"0": 0, "12": 0, "24": 0, "36": 0, "48": 24, "60": 24}


def test_sessions_are_known_two_days_after_the_oldest_play_that_a_full_row_names() -> None:
    old = [heard(f"old {n:03}", MIDNIGHT + n * MINUTE_MS) for n in range(RECENT_PLAYS - 2)]
    plays = recent(*old, heard("next day", NOON + DAY_MS), heard("after", NOON + 2 * DAY_MS))
    assert known_sessions(plays) == {"after": NOON + 2 * DAY_MS}
    assert known_sessions(plays[:-1]).keys() == {play.play_id for play in plays[:-1]}


def test_a_session_lives_until_half_an_hour_after_its_last_counted_play() -> None:
    plays = recent(heard("a", NOON), heard("b", NOON + 5 * MINUTE_MS))
    over = NOON + 5 * MINUTE_MS + LENGTH + 30 * MINUTE_MS
    session = live_session(plays, over - 1)
    assert session is not None
    assert (session.started_ms, [play.play_id for play in session.plays], session.last.play_id) == (
        NOON,
        ["a", "b"],
        "b",
    )
    assert live_session(plays, over) is None
    assert live_session((), NOON) is None


def test_a_player_whose_clock_runs_ahead_has_a_live_session() -> None:
    assert live_session(recent(heard("a", NOON + 5 * MINUTE_MS)), NOON) is not None


@pytest.mark.parametrize(("length", "until"), [(4 * MINUTE_MS, 4 * MINUTE_MS), (None, 10 * MINUTE_MS), (1, LENGTH)])
def test_a_play_is_on_until_its_track_or_what_was_told_of_it_ends(length: int | None, until: int) -> None:
    plays = recent(heard("a", NOON))
    playing = now_playing(plays, {"track of a": length}, NOON + until - 1)
    assert playing is not None
    assert (playing.play.play_id, playing.until_ms) == ("a", NOON + until)
    assert now_playing(plays, {"track of a": length}, NOON + until) is None


def test_what_was_skipped_is_not_playing() -> None:
    plays = recent(heard("a", NOON), heard("skip", NOON + MINUTE_MS, played_ms=1_000, counts=False, skipped=True))
    playing = now_playing(plays, {}, NOON + 2 * MINUTE_MS)
    assert playing is not None
    assert playing.play.play_id == "a"
    assert now_playing(plays[:1], {}, NOON + 2 * MINUTE_MS) is None
