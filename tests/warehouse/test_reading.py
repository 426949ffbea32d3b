from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.streaming.tastes import DAY, MIN, NOON, PLAYS_PLACE, TODAY, erasure, play, skip, word
from warehouse.events import Event, SignalKind
from warehouse.reading import CurrentTaste, taste_now
from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, UNIT, decay_weights
from warehouse.tail import tailed
from warehouse.taste import RECENT_PLAYS, Entry, Heard, Opinion, Tailed, TasteBase

NOTHING = TasteBase()
OF_T1 = Heard("b1", "t1", NOON, "backbeat", counts=True, skipped=False, ended_ms=NOON)
KNOWS_T1 = TasteBase((Entry("t1", TODAY, 2, 1, "b1", NOON),), (OF_T1,), (), {PLAYS_PLACE: 9})


def told(*events: Event, offset: int = 10) -> tuple[Tailed, ...]:
    """Events of a tail that come after every base here."""
    return tuple(tailed(event, PLAYS_PLACE, offset + at) for at, event in enumerate(events))


def counts(taste: CurrentTaste) -> Sequence[tuple[str, int, int]]:
    return [(entry.track_id, entry.plays, entry.skips) for entry in taste.entries]


def test_nothing_told_is_an_empty_taste() -> None:
    taste = taste_now(NOTHING, ())
    assert (taste.entries, taste.recent, dict(taste.opinions), taste.current) == ((), (), {}, None)
    assert taste.weights(TODAY) == {}


def test_a_base_alone_is_the_taste_as_it_was() -> None:
    taste = taste_now(KNOWS_T1, ())
    assert (taste.entries, taste.recent) == (KNOWS_T1.entries, KNOWS_T1.recent)


def test_a_new_play_adds_to_its_day_and_becomes_its_latest() -> None:
    taste = taste_now(KNOWS_T1, told(play("p1", "t1", NOON + 5 * MIN)))
    assert taste.entries == (Entry("t1", TODAY, 3, 1, "p1", NOON + 5 * MIN),)
    assert [heard.play_id for heard in taste.recent] == ["p1", "b1"]


def test_a_late_play_adds_to_its_own_day() -> None:
    taste = taste_now(KNOWS_T1, told(play("p1", "t1", NOON - 3 * DAY)))
    assert [(entry.day, entry.plays) for entry in taste.entries] == [(TODAY, 2), (TODAY - 3, 1)]


def test_events_that_the_base_holds_are_not_counted_again() -> None:
    taste = taste_now(KNOWS_T1, told(play("p8", "t2"), play("p9", "t3"), offset=8))
    assert counts(taste) == [("t1", 2, 1)]


def test_a_play_told_again_under_the_id_of_one_in_the_base_counts_once() -> None:
    assert counts(taste_now(KNOWS_T1, told(play("b1", "t2")))) == [("t1", 2, 1)]


def test_the_play_that_an_entry_names_is_known_beyond_the_recent_ones() -> None:
    base = TasteBase(KNOWS_T1.entries)
    assert counts(taste_now(base, told(play("b1", "t1")))) == [("t1", 2, 1)]


@pytest.mark.parametrize(("apart_ms", "plays"), [(59_999, 2), (-59_999, 2), (60_000, 3), (-60_000, 3)])
def test_a_play_told_by_two_within_a_minute_counts_once(apart_ms: int, plays: int) -> None:
    taste = taste_now(KNOWS_T1, told(play("p1", "t1", NOON + apart_ms, source="lastfm")))
    assert counts(taste) == [("t1", plays, 1)]


def test_the_most_precise_teller_is_kept() -> None:
    first = play("a", "t1", NOON, source="lastfm")
    second = play("b", "t1", NOON + 20_000, source="backbeat")
    third = play("c", "t1", NOON + 30_000, source="spotify-account")
    assert [heard.play_id for heard in taste_now(NOTHING, told(first, second, third)).recent] == ["b"]


def test_a_more_precise_teller_takes_the_place_of_the_one_in_the_base() -> None:
    of_lastfm = OF_T1._replace(source="lastfm")
    base = TasteBase((Entry("t1", TODAY, 1, 0, "b1", NOON),), (of_lastfm,))
    taste = taste_now(base, told(play("p1", "t1", NOON + 10_000)))
    assert taste.entries == (Entry("t1", TODAY, 1, 0, "p1", NOON + 10_000),)
    assert [heard.play_id for heard in taste.recent] == ["p1"]


def test_tellings_are_compared_with_the_first_and_never_chained() -> None:
    tellings = [play(f"p{n}", "t1", NOON + n * 40_000) for n in range(4)]
    assert [heard.play_id for heard in taste_now(NOTHING, told(*tellings)).recent] == ["p2", "p0"]


def test_plays_that_the_base_kept_apart_stay_apart() -> None:
    near = OF_T1._replace(play_id="b2", started_ms=NOON + 40_000)
    base = TasteBase((Entry("t1", TODAY, 2, 0, "b2", NOON + 40_000),), (near, OF_T1))
    taste = taste_now(base, told(play("p1", "t1", NOON + 10 * MIN)))
    assert counts(taste) == [("t1", 3, 0)]


def test_the_same_minute_on_two_tracks_is_two_plays() -> None:
    assert len(taste_now(NOTHING, told(play("p1", "t1"), play("p2", "t2"))).entries) == 2


def test_a_skip_before_the_play_counts_is_a_skip() -> None:
    taste = taste_now(NOTHING, told(skip("p1", "t1")))
    assert taste.entries == (Entry("t1", TODAY, 0, 1, None, None),)
    assert taste.weights(TODAY) == {}


def test_a_play_skipped_after_it_counted_is_a_play() -> None:
    taste = taste_now(NOTHING, told(play("p1", "t1", played_ms=2 * MIN, ended_by="skip")))
    assert counts(taste) == [("t1", 1, 0)]


def test_a_short_listen_that_nobody_skipped_is_remembered_and_not_counted() -> None:
    taste = taste_now(NOTHING, told(play("p1", "t1", played_ms=5_000)))
    assert taste.entries == ()
    assert [(heard.play_id, heard.counts, heard.skipped) for heard in taste.recent] == [("p1", False, False)]


def test_a_scrobble_of_unknown_length_counts() -> None:
    taste = taste_now(
        NOTHING, told(play("p1", "t1", played_ms=None, source="lastfm"), play("p2", "t2", played_ms=None))
    )
    assert counts(taste) == [("t1", 1, 0)]


def test_the_current_track_is_the_last_that_was_not_skipped() -> None:
    taste = taste_now(KNOWS_T1, told(play("p1", "t2", NOON + 5 * MIN), skip("p2", "t3", NOON + 9 * MIN)))
    assert taste.current is not None
    assert (taste.current.track_id, taste.current.started_ms) == ("t2", NOON + 5 * MIN)


def test_a_play_taken_back_names_the_one_before_it_as_the_latest() -> None:
    earlier = OF_T1._replace(play_id="b0", started_ms=NOON - 9 * MIN)
    base = TasteBase(KNOWS_T1.entries, (OF_T1, earlier))
    taste = taste_now(base, told(erasure("b1")))
    assert taste.entries == (Entry("t1", TODAY, 1, 1, "b0", NOON - 9 * MIN),)
    assert [heard.play_id for heard in taste.recent] == ["b0"]


def test_a_skip_taken_back_is_gone() -> None:
    skipped = Heard("b2", "t2", NOON, "backbeat", counts=False, skipped=True, ended_ms=NOON)
    base = TasteBase((Entry("t2", TODAY, 0, 1, None, None),), (skipped,))
    assert counts(taste_now(base, told(erasure("b2")))) == []


def test_a_play_that_only_an_entry_names_can_be_taken_back() -> None:
    assert counts(taste_now(TasteBase(KNOWS_T1.entries), told(erasure("b1")))) == [("t1", 1, 1)]


def test_taking_back_what_nobody_knows_changes_nothing() -> None:
    assert counts(taste_now(KNOWS_T1, told(erasure("never heard of")))) == [("t1", 2, 1)]


def test_erasing_everything_leaves_what_came_after() -> None:
    base = TasteBase(KNOWS_T1.entries, KNOWS_T1.recent, (Opinion("t1", "like", None, NOON),))
    taste = taste_now(base, told(erasure(None, NOON), play("p1", "t2", NOON + MIN)))
    assert counts(taste) == [("t2", 1, 0)]
    assert dict(taste.opinions) == {}


def test_the_last_word_on_a_track_stands_by_when_it_was_received() -> None:
    base = TasteBase(opinions=(Opinion("t1", "like", None, 50, "b"), Opinion("t2", "like", None, 50, "b")))
    later = word("t1", SignalKind.DO_NOT_RECOMMEND, 50, "c")
    earlier = word("t2", SignalKind.DO_NOT_RECOMMEND, 49, "c")
    taste = taste_now(base, told(later, earlier))
    kinds = {track: opinion.kind for track, opinion in taste.opinions.items()}
    assert kinds == {"t1": SignalKind.DO_NOT_RECOMMEND, "t2": SignalKind.LIKE}


def test_weights_add_the_plays_of_each_day_by_their_age() -> None:
    days = (
        Entry("t1", TODAY, 2, 0, "a", 0),
        Entry("t1", TODAY - 90, 3, 0, "b", 0),
        Entry("t2", TODAY - 1, 1, 0, "c", 0),
    )
    assert taste_now(TasteBase(days), ()).weights(TODAY) == {
        "t1": 2 * UNIT + 3 * (UNIT // 2),
        "t2": decay_weights()[1],
    }


def test_a_play_too_old_to_weigh_anything_has_no_weight() -> None:
    ages = (OLDEST_AGE - 1, OLDEST_AGE, OLDEST_AGE + 1)
    days = tuple(Entry(f"t{age}", TODAY - age, 1, 0, None, None) for age in ages)
    assert taste_now(TasteBase(days), ()).weights(TODAY) == {f"t{ages[0]}": 1}


def test_a_play_of_a_clock_that_ran_past_midnight_is_of_today() -> None:
    assert taste_now(NOTHING, told(play("p1", "t1", NOON + DAY))).weights(TODAY) == {"t1": UNIT}


def test_entries_are_in_order_and_bounded_to_the_newest() -> None:
    days = tuple(Entry(f"t{n:05}", TODAY - 1, 1, 0, f"b{n}", n) for n in range(TASTE_ENTRIES))
    taste = taste_now(TasteBase(days), told(play("p1", "t9", NOON), play("p2", "t00003", NOON - DAY)))
    assert [entry[:3] for entry in taste.entries[:3]] == [
        ("t9", TODAY, 1),
        ("t00003", TODAY - 1, 2),
        ("t00000", TODAY - 1, 1),
    ]
    assert len(taste.entries) == TASTE_ENTRIES


def test_recent_plays_are_bounded_to_the_newest() -> None:
    recent = tuple(OF_T1._replace(play_id=f"b{n}", track_id=f"t{n}", started_ms=NOON - n) for n in range(RECENT_PLAYS))
    taste = taste_now(TasteBase(recent=recent), told(play("p1", "new", NOON + 1)))
    assert [heard.play_id for heard in (taste.recent[0], taste.recent[-1])] == ["p1", f"b{RECENT_PLAYS - 2}"]
    assert len(taste.recent) == RECENT_PLAYS
