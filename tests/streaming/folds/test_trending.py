from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.folds.trending import TrendingFold
from streaming.mover import Mover, RecordEvents
from tests.fakes.memory_rows import MemoryRows
from tests.streaming.tastes import DAY, MIN, NOON, play, skip
from warehouse.events import PLAYS, Event, Play, Signal, SignalKind
from warehouse.tail import topic_partition
from warehouse.trending import (
    LATE_HOURS,
    RING_HOURS,
    TRENDING,
    Bounds,
    HourCounts,
    HourRow,
    Trend,
    by_own_name,
    hours_until,
    merged,
    most_played,
    row_key,
)

HOUR = 60 * MIN
NOON_HOUR = NOON // HOUR
NUMBERS = count()
PLACES = [topic_partition(PLAYS.name, partition) for partition in range(3)]


def heard(track: str, *, country: str | None = None, play_id: str = "", at: int = NOON, told: int = NOON) -> Play:
    """A play that counts; its own one where no play_id is given."""
    made = play(play_id or f"p{next(NUMBERS)}", track, at, received_ms=max(at, told))
    return msgspec.structs.replace(made, country=country)


def records(events: Iterable[Event], place: str = PLACES[0]) -> list[RecordEvents]:
    """Each event a record of its own."""
    return [RecordEvents(place, offset, [event]) for offset, event in enumerate(events)]


def rows_of(fold: TrendingFold, told: Iterable[RecordEvents], rows: MemoryRows | None = None) -> dict[str, HourRow]:
    """The rows by key after these records, each row written and read again between two of them."""
    rows = rows or MemoryRows()
    mover = Mover(fold, rows)
    for record in told:
        mover.advance([record])
    return {key: fold.decoded(value) for key, value in rows.scan(TRENDING)}


def counts(row: HourRow) -> dict[str, int]:
    return {track: count for track, (count, _) in row.tracks.items()}


def everywhere(fold: TrendingFold, told: Iterable[RecordEvents]) -> HourRow:
    """The row of all countries at noon in the first partition."""
    return rows_of(fold, told)[row_key(NOON_HOUR, "all", 0)]


def test_a_play_that_counts_is_counted_in_its_hour_everywhere_and_in_its_country() -> None:
    rows = rows_of(TrendingFold(), records([heard("t", country="AT"), heard("t", country="SE"), heard("u")]))
    found = {key: (row.hour, row.plays, counts(row)) for key, row in rows.items()}
    assert found == {
        row_key(NOON_HOUR, "all", 0): (NOON_HOUR, 3, {"t": 2, "u": 1}),
        row_key(NOON_HOUR, "AT", 0): (NOON_HOUR, 1, {"t": 1}),
        row_key(NOON_HOUR, "SE", 0): (NOON_HOUR, 1, {"t": 1}),
    }


def test_skips_short_plays_and_other_events_touch_no_row() -> None:
    said = Signal(listener_id="ada", received_ms=NOON, signal_id="s", track_id="t", kind=SignalKind.LIKE)
    told = [skip("p1"), play("p2", played_ms=29_999), play("p3", played_ms=None), said]
    assert rows_of(TrendingFold(), records(told)) == {}


def test_a_scrobble_of_unknown_length_counts_as_it_does_in_the_batch() -> None:
    assert everywhere(TrendingFold(), records([play("p", played_ms=None, source="lastfm")])).plays == 1


def test_each_partition_keeps_rows_of_its_own() -> None:
    told = [RecordEvents(place, 0, [heard("t")]) for place in PLACES]
    assert set(rows_of(TrendingFold(), told)) == {row_key(NOON_HOUR, "all", partition) for partition in range(3)}


def test_a_late_play_counts_in_its_own_hour_and_one_told_too_late_in_none() -> None:
    late = heard("late", at=NOON - 5 * HOUR, told=NOON)
    limit = heard("limit", at=NOON - LATE_HOURS * HOUR, told=NOON)
    beyond = heard("beyond", at=NOON - LATE_HOURS * HOUR - 1, told=NOON)
    rows = rows_of(TrendingFold(), records([heard("now"), late, limit, beyond]))
    counted = {row.hour - NOON_HOUR: counts(row) for row in rows.values()}
    assert counted == {0: {"now": 1}, -5: {"late": 1}, -LATE_HOURS: {"limit": 1}}


def test_a_play_told_again_counts_once_whatever_it_says_the_second_time() -> None:
    first = heard("t", play_id="p")
    row = everywhere(TrendingFold(), records([first, first, heard("u", play_id="p"), heard("t", play_id="q")]))
    assert (row.plays, counts(row)) == (2, {"t": 2})


def test_the_same_play_id_of_another_listener_is_another_play() -> None:
    told = [play("p", listener_id="ada"), play("p", listener_id="bob")]
    assert everywhere(TrendingFold(), records(told)).plays == 2


def test_a_play_is_known_again_for_as_long_as_is_stated_and_then_counts_once_more() -> None:
    known = TrendingFold(told_again=10)
    first = heard("t", play_id="p")
    others = [heard("u") for _ in range(20)]
    assert everywhere(known, records([first, *others[:10], *others[:10], first])).tracks["t"][0] == 1
    assert everywhere(known, records([first, *others, first])).tracks["t"][0] == 2


def test_of_the_tracks_with_the_lowest_count_the_one_played_longest_ago_makes_room() -> None:
    def row_of(tracks: str) -> HourRow:
        return everywhere(TrendingFold(monitored=3), records(map(heard, tracks)))

    assert row_of("aabcd").tracks == {"a": (2, 0), "c": (1, 0), "d": (2, 1)}
    assert row_of("aabcde").tracks == {"a": (2, 0), "d": (2, 1), "e": (2, 1)}
    assert row_of("aabcdedf").tracks == {"e": (2, 1), "d": (3, 1), "f": (3, 2)}
    assert row_of("aabcdedf").evicted == 2


def test_an_hour_takes_the_place_of_the_one_that_lies_a_round_before_it() -> None:
    old, new = heard("old", at=NOON - RING_HOURS * HOUR, told=NOON - RING_HOURS * HOUR), heard("new")
    row = everywhere(TrendingFold(), records([old, new]))
    assert (row.hour, row.plays, counts(row)) == (NOON_HOUR, 1, {"new": 1})
    again = everywhere(TrendingFold(), records([new, old]))  # a record out of order does not bring the old hour back
    assert counts(again) == {"new": 1}


@pytest.mark.parametrize("ahead", [10 * MIN + 1, HOUR, RING_HOURS * HOUR, 100_000 * RING_HOURS * HOUR])
def test_a_play_told_long_before_its_start_takes_no_hour_its_place(ahead: int) -> None:
    early = msgspec.structs.replace(heard("early", at=NOON + ahead), received_ms=NOON)
    due = NOON + ahead % (RING_HOURS * HOUR)  # the hour whose place it would have
    rows = rows_of(TrendingFold(), records([early, heard("due", at=due, told=due)]))
    assert [counts(row) for row in rows.values()] == [{"due": 1}]


def test_a_player_whose_clock_is_ahead_a_little_is_counted() -> None:
    ahead = msgspec.structs.replace(heard("t", at=NOON + 10 * MIN), received_ms=NOON)
    assert everywhere(TrendingFold(), records([ahead])).plays == 1


@pytest.mark.parametrize("offset", [0, 6, 7])
def test_a_record_at_or_below_the_last_seen_changes_nothing(offset: int) -> None:
    fold, key = TrendingFold(), row_key(NOON_HOUR, "all", 0)
    row = fold.advanced(HourRow(), [heard("t")], key=key, place=PLACES[0], offset=7)
    assert fold.advanced(row, [heard("u")], key=key, place=PLACES[0], offset=offset) is row
    assert fold.version(row) == 8


def test_a_row_keeps_no_listener_and_no_play() -> None:
    fold = TrendingFold()
    kept = fold.encoded(everywhere(fold, records([play("the play", listener_id="the listener")])))
    assert b"the play" not in kept
    assert b"the listener" not in kept


def test_the_state_of_a_year_is_no_larger_than_that_of_three_days() -> None:
    rows, sizes = MemoryRows(), []
    mover = Mover(TrendingFold(monitored=5, told_again=8), rows)
    for hour in range(365 * 24):
        at = NOON + hour * HOUR
        told = [heard(f"t{hour:04}-{n}", country=("AT", "SE")[n % 2], at=at - n * 20 * HOUR, told=at) for n in range(4)]
        mover.advance([RecordEvents(PLACES[0], hour, told)])
        if hour % 24 == 0:
            sizes.append(sum(len(row) for _, row in rows.scan(TRENDING)))
    assert len(list(rows.scan(TRENDING))) == 3 * RING_HOURS
    assert max(sizes[30:]) <= 1.02 * max(sizes[:30])  # offsets have more digits


TRACKS = st.integers(0, 12).map("t{}".format)
STREAMS = st.lists(st.lists(TRACKS, max_size=60), min_size=1, max_size=3)


def folded(streams: Sequence[Sequence[str]], monitored: int) -> list[HourRow]:
    """The row of each partition after plays of these tracks."""
    fold = TrendingFold(monitored=monitored)
    told = [
        RecordEvents(place, offset, [heard(track)])
        for place, tracks in zip(PLACES, streams, strict=False)
        for offset, track in enumerate(tracks)
    ]
    return list(rows_of(fold, told).values())


def truth(streams: Sequence[Sequence[str]]) -> Counter[str]:
    return Counter(track for tracks in streams for track in tracks)


@given(STREAMS)
def test_counts_are_exact_where_every_track_has_room(streams: list[list[str]]) -> None:
    trend = merged(folded(streams, monitored=13))
    assert trend.tracks == {track: Bounds(plays, 0) for track, plays in truth(streams).items()}
    assert trend.plays == sum(map(len, streams))


@given(STREAMS, st.integers(1, 12))
def test_beyond_that_a_count_is_off_by_no_more_than_it_says_and_than_is_stated(
    streams: list[list[str]], monitored: int
) -> None:
    plays = truth(streams)
    trend = merged(folded(streams, monitored))
    stated = sum(len(tracks) // monitored for tracks in streams)
    for track, (least, error) in trend.tracks.items():
        assert least <= plays[track] <= least + error
        assert error <= stated
    assert all(plays[track] <= stated for track in plays.keys() - trend.tracks.keys())


@given(STREAMS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_rows_are_read_together_in_any_order(streams: list[list[str]], monitored: int, random: Random) -> None:
    rows = folded(streams, monitored)
    shuffled = merged(random.sample(rows, len(rows)))
    assert merged(rows) == shuffled
    assert most_played(merged(rows).tracks, 5) == most_played(shuffled.tracks, 5)


@given(st.lists(TRACKS, max_size=60), st.integers(1, 12), st.data())
def test_plays_told_together_fold_as_plays_told_alone_and_a_replay_changes_nothing(
    tracks: list[str], monitored: int, data: st.DataObject
) -> None:
    fold, key = TrendingFold(monitored, told_again=4), row_key(NOON_HOUR, "all", 0)
    told = records(map(heard, tracks))
    rows = MemoryRows()
    alone = rows_of(fold, told, rows).get(key, HourRow())
    together = HourRow()
    cut = data.draw(st.integers(0, len(told)))
    for offset, part in enumerate((told[:cut], told[cut:])):  # never written between
        events = [event for record in part for event in record.events]
        together = fold.advanced(together, events, key=key, place=PLACES[0], offset=offset)
    assert [*alone.tracks.items()] == [*together.tracks.items()]  # in the same order
    assert msgspec.structs.replace(alone, seen=together.seen) == together
    assert Mover(fold, rows).advance(told[cut:]) == 0


def test_a_window_is_the_running_hour_and_as_many_whole_ones_before_it() -> None:
    assert hours_until(NOON + 5 * MIN, 1) == range(NOON_HOUR - 1, NOON_HOUR + 1)
    assert len(hours_until(NOON, 24)) == 25


def test_what_is_read_is_never_an_hour_that_another_may_have_replaced() -> None:
    assert RING_HOURS > LATE_HOURS + DAY // HOUR - 1


@given(STREAMS, st.integers(1, 12), st.integers(1, 14), st.randoms(use_true_random=False))
def test_the_most_played_are_read_as_they_are_among_all(
    streams: list[list[str]], monitored: int, most: int, random: Random
) -> None:
    rows = folded(streams, monitored)
    every, some = merged(rows), merged(random.sample(rows, len(rows)), most)
    certain = sorted(every.tracks, key=lambda track: (-every.tracks[track].plays, track))
    assert some.tracks == {track: every.tracks[track] for track in certain[:most]}
    assert (some.plays, some.newest_ms) == (every.plays, every.newest_ms)


def test_no_rows_are_no_plays() -> None:
    assert merged([]) == Trend(0, 0, {})


def test_the_most_played_come_first_then_what_may_be_more_then_the_name() -> None:
    tracks = {"d": Bounds(3, 0), "b": Bounds(2, 0), "a": Bounds(2, 0), "c": Bounds(2, 4)}
    assert [name for name, _ in most_played(tracks, 3)] == ["d", "c", "a"]


def test_names_of_one_track_add_up() -> None:
    row = HourCounts(1, 6, {"s:1": (3, 1), "isrc:X": (2, 0), "t": (1, 0)})
    found = by_own_name(merged([row]).tracks, {"s:1": "isrc:X", "isrc:X": "isrc:X"})
    assert found == {"isrc:X": Bounds(4, 1), "t": Bounds(1, 0)}
