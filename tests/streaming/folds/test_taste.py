from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.folds.taste import advanced
from tests.streaming.batch import base_of, placed
from tests.streaming.tastes import MIN, NOON, PLAYS_PLACE, erasure, play, skip, word
from warehouse.events import ERASURES, SIGNALS, Event, Impression, Play, SignalKind
from warehouse.reading import CurrentTaste, taste_now
from warehouse.tail import topic_partition
from warehouse.taste import TASTE_TAIL, TasteBase, TasteTail

ERASURES_PLACE = topic_partition(ERASURES.name, 0)
SIGNALS_PLACE = topic_partition(SIGNALS.name, 0)


def folded(
    events: Sequence[Event], base: Mapping[str, int] | None = None, tail: TasteTail | None = None, *, skipped: int = 0
) -> TasteTail:
    """The tail after the events, the first `skipped` left out, each a record of its own."""
    tail = tail or TasteTail()
    for place, offset, event in placed(events)[skipped:]:
        tail = advanced(tail, [event], place=place, offset=offset, base_offsets=base or {})
    return tail


def kept_plays(tail: TasteTail) -> list[str]:
    return [event.play.play_id for event in tail.events if event.play is not None]


def as_told(taste: CurrentTaste) -> tuple[object, ...]:
    return taste.entries, taste.recent, dict(taste.opinions)


def test_events_are_kept_in_order_of_arrival_with_their_place() -> None:
    tail = advanced(
        TasteTail(), [play("p2"), play("p1", "t2")], place=PLAYS_PLACE, offset=7, base_offsets={PLAYS_PLACE: 6}
    )
    assert kept_plays(tail) == ["p2", "p1"]
    assert {(event.topic_partition, event.offset) for event in tail.events} == {(PLAYS_PLACE, 7)}
    assert tail.seen == {PLAYS_PLACE: 7}


@pytest.mark.parametrize("offset", [0, 6, 7])
def test_a_record_at_or_below_the_last_seen_changes_nothing(offset: int) -> None:
    tail = advanced(TasteTail(), [play("p1")], place=PLAYS_PLACE, offset=7, base_offsets={})
    assert advanced(tail, [play("p2")], place=PLAYS_PLACE, offset=offset, base_offsets={}) is tail


def test_each_partition_of_each_topic_is_seen_by_itself() -> None:
    tail = advanced(TasteTail(), [play("p1")], place=PLAYS_PLACE, offset=7, base_offsets={})
    tail = advanced(tail, [word("t1", SignalKind.LIKE)], place=SIGNALS_PLACE, offset=0, base_offsets={})
    assert tail.seen == {PLAYS_PLACE: 7, SIGNALS_PLACE: 0}


def test_its_version_rises_with_every_record() -> None:
    tail, versions = TasteTail(), []
    for place, offset in [(PLAYS_PLACE, 0), (SIGNALS_PLACE, 0), (PLAYS_PLACE, 1), (PLAYS_PLACE, 5)]:
        tail = advanced(tail, [], place=place, offset=offset, base_offsets={})
        versions.append(tail.version)
    assert versions == [1, 2, 3, 7]


def test_events_that_the_base_holds_are_let_go() -> None:
    tail = folded([play("p0"), play("p1", "t2"), play("p2", "t3")])
    tail = advanced(tail, [play("p3", "t4")], place=PLAYS_PLACE, offset=3, base_offsets={PLAYS_PLACE: 1})
    assert kept_plays(tail) == ["p2", "p3"]


def test_a_play_told_again_under_its_id_is_kept_once_as_it_was_told_first() -> None:
    tail = folded([play("p1", played_ms=1), play("p1", played_ms=2)])
    assert [event.play.played_ms for event in tail.events if event.play] == [1]


def test_only_the_last_word_on_a_track_is_kept() -> None:
    said = [word("t1", SignalKind.LIKE, 5, "a"), word("t1", SignalKind.DISLIKE, 5, "b"), word("t1", SignalKind.RATE, 4)]
    tail = folded(said)
    assert [event.signal.kind for event in tail.events if event.signal] == [SignalKind.DISLIKE]


def test_a_play_taken_back_leaves_the_tail_however_early_its_erasure_came() -> None:
    assert kept_plays(folded([play("p1"), erasure("p1"), play("p2", "t2")])) == ["p2"]
    assert kept_plays(folded([erasure("p1"), play("p1")])) == []


def test_erasing_everything_leaves_the_erasure_and_what_came_after_it() -> None:
    before, at, after = (play(name, received_ms=ms) for name, ms in (("p1", 4), ("p2", 5), ("p3", 6)))
    opinion = word("t1", SignalKind.LIKE, received_ms=5)
    tail = folded([before, opinion, erasure(None, received_ms=5), at, after])
    assert kept_plays(tail) == ["p3"]
    assert [event.erasure for event in tail.events if event.erasure] == [erasure(None, received_ms=5)]
    assert not [event for event in tail.events if event.signal]


def test_an_erasure_that_the_base_knows_is_let_go() -> None:
    tail = folded([erasure(None, received_ms=5), play("p1")], base={ERASURES_PLACE: 0})
    assert [event.erasure for event in tail.events] == [None]


def test_beyond_its_bound_the_plays_that_arrived_first_go_and_erasures_stay() -> None:
    plays: list[Event] = [play(f"p{n}", f"t{n}") for n in range(TASTE_TAIL + 5)]
    tail = folded([erasure("an old play"), *plays])
    assert len(tail.events) == TASTE_TAIL
    assert kept_plays(tail) == [f"p{n}" for n in range(6, TASTE_TAIL + 5)]
    assert tail.events[-1].erasure == erasure("an old play")


def test_an_event_of_another_kind_is_refused() -> None:
    shown = Impression(
        listener_id="ada", received_ms=1, impression_id="i", shelf="s", model_version="1", track_ids=[], sources=[]
    )
    with pytest.raises(TypeError, match="not of Impression"):
        advanced(TasteTail(), [shown], place=PLAYS_PLACE, offset=0, base_offsets={})


TRACKS = st.sampled_from(["t1", "t2", "t3"])
TELLERS = st.sampled_from(["backbeat", "spotify", "lastfm", "spotify-account"])


def arrivals(events: list[Event]) -> list[Event]:
    """The events as they arrive, one a millisecond."""
    return [_received(event, at) for at, event in enumerate(events)]


def _received(event: Event, at: int) -> Event:
    return type(event)(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "received_ms": at})


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
    """An id that a base left out for a better telling is told again as that same telling, or not at all."""
    if not isinstance(event, Play):
        return event
    play_id = f"{event.track_id} {event.started_ms} {event.source}"
    return Play(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "play_id": play_id})


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
    tail = folded(events) if known_late else folded(events, base.offsets, skipped=done)
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
    now = taste_now(base, folded(apart, base.offsets, skipped=done))
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
        together = advanced(together, told, place=place, offset=len(told) - 1, base_offsets={})
    assert as_told(taste_now(TasteBase(), together)) == as_told(taste_now(TasteBase(), alone))
