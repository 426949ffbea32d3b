from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.folds.taste import TasteFold, compacted
from tests.streaming.batch import base_of, placed
from tests.streaming.tastes import DAY, MIN, NOON, PLAYS_PLACE, erasure, play, skip, word
from warehouse.events import ERASURES, SIGNALS, Event, Impression, Play, Signal, SignalKind
from warehouse.reading import CurrentTaste, settled_base
from warehouse.reading import taste_now as read
from warehouse.tail import topic_partition
from warehouse.taste import EVERYTHING, Entry, TasteBase, TasteTail

ERASURES_PLACE = topic_partition(ERASURES.name, 0)
SIGNALS_PLACE = topic_partition(SIGNALS.name, 0)


def advanced(tail: TasteTail, events: Sequence[Event], place: str, offset: int) -> TasteTail:
    return TasteFold().advanced(tail, events, key="ada", place=place, offset=offset)


def folded(events: Sequence[Event], tail: TasteTail | None = None, *, skipped: int = 0) -> TasteTail:
    """The tail after the events, the first `skipped` left out, each a record of its own."""
    tail = tail or TasteTail()
    for place, offset, event in placed(events)[skipped:]:
        tail = advanced(tail, [event], place, offset)
    return tail


def taste_now(base: TasteBase, tail: TasteTail) -> CurrentTaste:
    return read(base, tail.events)


def kept_plays(tail: TasteTail) -> list[str]:
    return [event.heard.play_id for event in tail.events if event.heard is not None]


def as_told(taste: CurrentTaste) -> tuple[object, ...]:
    return taste.entries, taste.recent, dict(taste.opinions)


def test_events_are_kept_in_order_of_arrival_with_their_place() -> None:
    tail = advanced(TasteTail(), [play("p2"), play("p1", "t2")], PLAYS_PLACE, 7)
    assert kept_plays(tail) == ["p2", "p1"]
    assert {(event.place, event.offset) for event in tail.events} == {(PLAYS_PLACE, 7)}
    assert tail.seen == {PLAYS_PLACE: 7}


def test_a_row_is_read_as_it_was_stored() -> None:
    fold = TasteFold()
    tail = folded([play("p1"), word("t1", SignalKind.RATE), erasure("p9")])
    stored = fold.decoded(fold.encoded(tail))
    assert (stored, stored.events) == (tail, tail.events)
    assert fold.decoded(None) == TasteTail()


@pytest.mark.parametrize("offset", [0, 6, 7])
def test_a_record_at_or_below_the_last_seen_changes_nothing(offset: int) -> None:
    tail = advanced(TasteTail(), [play("p1")], PLAYS_PLACE, 7)
    assert advanced(tail, [play("p2")], PLAYS_PLACE, offset) is tail


def test_each_partition_of_each_topic_is_seen_by_itself() -> None:
    tail = advanced(TasteTail(), [play("p1")], PLAYS_PLACE, 7)
    tail = advanced(tail, [word("t1", SignalKind.LIKE)], SIGNALS_PLACE, 0)
    assert tail.seen == {PLAYS_PLACE: 7, SIGNALS_PLACE: 0}


def test_its_version_rises_with_every_record() -> None:
    tail, versions = TasteTail(), []
    for place, offset in [(PLAYS_PLACE, 0), (SIGNALS_PLACE, 0), (PLAYS_PLACE, 1), (PLAYS_PLACE, 5)]:
        tail = advanced(tail, [], place, offset)
        versions.append(tail.version)
    assert versions == [1, 2, 3, 7]


def test_a_compacted_tail_lets_go_what_the_base_holds() -> None:
    tail = folded([play(f"p{n}", f"t{n}") for n in range(4)])
    assert kept_plays(compacted(tail, {PLAYS_PLACE: 1})) == ["p2", "p3"]


def test_a_play_told_again_is_read_as_it_was_told_first() -> None:
    tail = compacted(folded([play("p1", played_ms=40_000), play("p1", played_ms=50_000)]), {})
    assert [heard.ended_ms - heard.started_ms for heard in taste_now(TasteBase(), tail).recent] == [40_000]


def test_a_play_told_again_after_everything_was_erased_stands_however_late_that_is_heard_of() -> None:
    first, again = play("p1", received_ms=4), play("p1", received_ms=6)
    tail = advanced(folded([first, again, erasure("p9")]), [erasure(None, received_ms=5)], ERASURES_PLACE, 1)
    assert [heard.play_id for heard in taste_now(TasteBase(), tail).recent] == ["p1"]


def test_of_two_words_of_one_millisecond_the_one_with_the_higher_id_is_the_last() -> None:
    said = [word("t1", SignalKind.LIKE, 5, "a"), word("t1", SignalKind.DISLIKE, 5, "b"), word("t1", SignalKind.RATE, 4)]
    assert taste_now(TasteBase(), folded(said)).opinions["t1"].kind == SignalKind.DISLIKE


def test_a_word_that_was_overtaken_says_nothing_when_it_is_told_again() -> None:
    like, dislike = word("t1", SignalKind.LIKE, 5, "a"), word("t1", SignalKind.DISLIKE, 6, "b")
    again = word("t1", SignalKind.LIKE, 7, "a")
    tail = advanced(compacted(folded([like, dislike]), {}), [again], SIGNALS_PLACE, 2)
    assert taste_now(TasteBase(), tail).opinions["t1"].kind == SignalKind.DISLIKE
    base = base_of([like])
    assert taste_now(base, folded([like, word("t1", SignalKind.LIKE, 7, "a")])).opinions["t1"].received_ms == 5


def test_a_play_taken_back_leaves_the_tail_with_its_erasure() -> None:
    assert kept_plays(folded([play("p1"), erasure("p1"), play("p2", "t2")])) == ["p2"]
    assert kept_plays(compacted(folded([erasure("p1"), play("p1")]), {})) == []


def test_erasing_everything_leaves_the_erasure_and_what_came_after_it() -> None:
    before, at, after = (play(name, received_ms=ms) for name, ms in (("p1", 4), ("p2", 5), ("p3", 6)))
    opinion = word("t1", SignalKind.LIKE, received_ms=5)
    erased = folded([before, opinion, erasure(None, received_ms=5)])
    assert [(event.heard, event.said, event.erased) for event in erased.events] == [(None, None, EVERYTHING)]
    later = compacted(folded([before, opinion, erasure(None, received_ms=5), at, after]), {})
    assert kept_plays(later) == ["p3"]


def test_a_compacted_tail_lets_go_an_erasure_that_the_base_knows() -> None:
    tail = compacted(folded([erasure(None, received_ms=5), play("p1")]), {ERASURES_PLACE: 0})
    assert [event.erased for event in tail.events] == [None]


def test_an_event_of_another_kind_is_refused() -> None:
    shown = Impression(
        listener_id="ada", received_ms=1, impression_id="i", shelf="s", model_version="1", track_ids=[], sources=[]
    )
    with pytest.raises(TypeError, match="not of Impression"):
        advanced(TasteTail(), [shown], PLAYS_PLACE, 0)


def test_a_play_told_under_another_name_of_a_track_counts_for_the_track() -> None:
    base = base_of([play("p1", "isrc:1", NOON)])
    tail = folded([play("p2", "spotify:1", NOON + 10 * MIN), play("p1", "spotify:1", NOON)])
    renamed = read(TasteBase(base.entries, base.recent), tail.events, {"spotify:1": "isrc:1"})
    assert renamed.entries == (Entry("isrc:1", NOON // DAY, 2, 0, "p2", NOON + 10 * MIN),)


TRACKS = st.sampled_from(["t1", "t2", "t3"])
TELLERS = st.sampled_from(["backbeat", "spotify", "lastfm", "spotify-account"])


def arrivals(events: list[Event]) -> list[Event]:
    """The events as they arrive, one a millisecond."""
    return [_received(event, at) for at, event in enumerate(events)]


def _received(event: Event, at: int) -> Event:
    return type(event)(**{**_fields(event), "received_ms": at})


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def told_once(events: list[Event]) -> list[Event]:
    """The events without plays whose id was told, or taken back, before."""
    known: set[str | None] = set()
    left: list[Event] = []
    for event in events:
        play_id = getattr(event, "play_id", None)
        if not isinstance(event, Play) or play_id not in known:
            left.append(event)
        known.add(play_id)
    return left


def plays(starts: st.SearchStrategy[int], ids: st.SearchStrategy[str]) -> st.SearchStrategy[Event]:
    whole = st.builds(play, ids, TRACKS, starts, source=TELLERS, played_ms=st.sampled_from([None, 20_000, 3 * MIN]))
    return st.one_of(whole, st.builds(skip, ids, TRACKS, starts))


IDS = st.integers(0, 30).map("p{}".format)
ANY_START = st.integers(0, 2_000).map(lambda seconds: NOON + seconds * 2_000)
WORDS = st.builds(word, TRACKS, st.sampled_from(SignalKind), signal_id=st.sampled_from("ab"))
ERASED = st.builds(erasure, st.one_of(st.none(), IDS))


@given(st.lists(st.one_of(plays(ANY_START, IDS), plays(ANY_START, IDS), WORDS, ERASED), max_size=40).map(arrivals))
def test_a_listener_without_a_base_has_the_taste_that_the_batch_would_find(events: list[Event]) -> None:
    assert as_told(taste_now(TasteBase(), folded(events))) == as_told(taste_now(base_of(events), TasteTail()))


# Starts 100 s apart, told up to 20 s early or late: tellings of one play are near each other, and far from all others.
SLOTTED = st.builds(
    lambda slot, off: NOON + slot * 100_000 + off, st.integers(0, 8), st.integers(-20, 20).map((1_000).__mul__)
)


def _named_by_content(event: Event) -> Event:
    """An id that a base left out, for a better telling or a later word, is told again as the same, or not at all."""
    if isinstance(event, Signal):
        return Signal(**{**_fields(event), "signal_id": f"{event.received_ms}"})
    if not isinstance(event, Play):
        return event
    play_id = f"{event.track_id} {event.started_ms} {event.source}"
    return Play(**{**_fields(event), "play_id": play_id})


@given(
    st.lists(st.one_of(plays(SLOTTED, IDS), plays(SLOTTED, IDS), WORDS, st.builds(erasure)), max_size=40).map(arrivals),
    st.data(),
)
def test_wherever_the_batch_stopped_the_tail_takes_it_to_the_same_taste(
    events: list[Event], data: st.DataObject
) -> None:
    done = data.draw(st.integers(0, len(events)), label="events in the base")
    events = [_named_by_content(event) for event in events]
    base = base_of(events[:done])
    known_late = data.draw(st.booleans(), label="the fold began before the base was there")
    tail = folded(events) if known_late else compacted(folded(events, skipped=done), base.offsets)
    assert as_told(taste_now(base, tail)) == as_told(taste_now(base_of(events), TasteTail()))


@given(st.lists(st.one_of(plays(ANY_START, IDS), ERASED), max_size=30).map(arrivals), st.data())
def test_plays_of_the_base_that_are_taken_back_one_by_one_are_gone(events: list[Event], data: st.DataObject) -> None:
    apart: list[Event] = []  # no play told twice: the base names neither tellings left out nor plays taken back
    for event in told_once(events):
        if isinstance(event, Play):
            track = f"{event.track_id} {event.play_id}"
            apart.append(play(event.play_id, track, event.started_ms, received_ms=event.received_ms))
        else:
            apart.append(event)
    done = data.draw(st.integers(0, len(apart)), label="events in the base")
    base = base_of(apart[:done])
    now = taste_now(base, folded(apart, skipped=done))
    assert as_told(now) == as_told(taste_now(base_of(apart), TasteTail()))


@given(st.lists(st.one_of(plays(ANY_START, IDS), WORDS, ERASED), max_size=20).map(arrivals), st.data())
def test_a_replay_of_records_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    tail = folded(events)
    again = data.draw(st.integers(0, len(events)), label="where the replay begins")
    assert folded(events, tail=tail, skipped=again) is tail


@given(st.lists(st.one_of(plays(ANY_START, IDS), WORDS, ERASED), max_size=20).map(arrivals))
def test_events_told_together_fold_as_events_told_alone(events: list[Event]) -> None:
    events = told_once(events)
    alone = folded(events)
    together = TasteTail()
    by_place: dict[str, list[Event]] = {}
    for place, _, event in placed(events):
        by_place.setdefault(place, []).append(event)
    for place, told in by_place.items():
        together = advanced(together, told, place, len(told) - 1)
    assert as_told(taste_now(TasteBase(), together)) == as_told(taste_now(TasteBase(), alone))


@given(
    st.lists(st.one_of(plays(SLOTTED, IDS), plays(SLOTTED, IDS), WORDS, ERASED), max_size=40).map(arrivals), st.data()
)
def test_wherever_a_tail_was_settled_it_says_the_same_afterwards(events: list[Event], data: st.DataObject) -> None:
    events = [_named_by_content(event) for event in events]
    at = data.draw(st.integers(0, len(events)), label="events before it was settled")
    early = folded(events[:at])
    base = settled_base(TasteBase(), early)
    late = folded(events, TasteTail(early.seen, settled=True), skipped=at)
    assert as_told(taste_now(base, late)) == as_told(taste_now(base_of(events), TasteTail()))
