from __future__ import annotations

import pytest

from warehouse.rules.plays import counts_as_play
from warehouse.sources import SOURCES, UNKNOWN_SOURCE, resolved_played_ms, resolved_track_ms


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_play_of_unknown_length_counts_where_its_source_tells_only_plays_that_count(source: str) -> None:
    played_ms, track_ms = resolved_played_ms(None, source), resolved_track_ms(None)
    assert counts_as_play(played_ms, track_ms) == SOURCES[source].scrobbles


def test_a_known_length_is_taken_from_any_source() -> None:
    assert [resolved_played_ms(0, source) for source in ("lastfm", "backbeat", "nobody")] == [0, 0, 0]


def test_a_source_that_nobody_knows_proves_nothing() -> None:
    assert resolved_played_ms(None, "nobody") == 0
    assert all(UNKNOWN_SOURCE.precision_ms > source.precision_ms for source in SOURCES.values())


@pytest.mark.parametrize("track_ms", [None, 0])
def test_half_a_minute_decides_where_the_length_of_the_track_is_unknown(track_ms: int | None) -> None:
    assert not counts_as_play(29_999, resolved_track_ms(track_ms))
    assert counts_as_play(30_000, resolved_track_ms(track_ms))


def test_our_own_times_are_the_most_exact() -> None:
    assert SOURCES["backbeat"].precision_ms == min(source.precision_ms for source in SOURCES.values())


def test_each_source_goes_by_its_own_name() -> None:
    assert {name: source.name for name, source in SOURCES.items()} == {name: name for name in SOURCES}
