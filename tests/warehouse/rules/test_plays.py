from __future__ import annotations

import numpy as np
import pytest

from warehouse.rules.plays import UNKNOWN_TRACK_MS, counts_as_play, is_skip, same_play
from warehouse.rules.quantity import MINUTE_MS, SECOND_MS


@pytest.mark.parametrize(
    ("played_ms", "track_ms", "counts"),
    [
        (30 * SECOND_MS, 4 * MINUTE_MS, True),
        (30 * SECOND_MS - 1, 4 * MINUTE_MS, False),
        (20 * SECOND_MS, 40 * SECOND_MS, True),  # half of a short track
        (20 * SECOND_MS - 1, 40 * SECOND_MS, False),
        (30 * SECOND_MS, UNKNOWN_TRACK_MS, True),
        (30 * SECOND_MS - 1, UNKNOWN_TRACK_MS, False),
        (0, 4 * MINUTE_MS, False),
    ],
)
def test_half_a_minute_or_half_of_a_short_track_counts(played_ms: int, track_ms: int, counts: bool) -> None:
    assert counts_as_play(played_ms, track_ms) == counts


@pytest.mark.parametrize(
    ("ended_by_skip", "counts", "skip"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_a_play_that_was_skipped_before_it_counted_is_a_skip(ended_by_skip: bool, counts: bool, skip: bool) -> None:
    assert is_skip(ended_by_skip, counts) is skip
    assert is_skip(np.array([ended_by_skip]), np.array([counts])).tolist() == [skip]


@pytest.mark.parametrize(
    ("apart_ms", "same"), [(0, True), (59_999, True), (-59_999, True), (60_000, False), (-60_000, False)]
)
def test_starts_less_than_a_minute_apart_are_of_one_play(apart_ms: int, same: bool) -> None:
    assert same_play(apart_ms) == same


def test_the_rules_say_of_an_array_what_they_say_of_each_number() -> None:
    played_ms = np.arange(0, 70_000, 1_777)
    track_ms = np.resize(np.array([10_000, 59_999, 60_000, 240_000, UNKNOWN_TRACK_MS]), played_ms.shape)
    each = [bool(counts_as_play(int(p), int(t))) for p, t in zip(played_ms, track_ms, strict=True)]
    assert counts_as_play(played_ms, track_ms).tolist() == each
    apart_ms = np.arange(-70_000, 70_000, 4_999)
    assert same_play(apart_ms).tolist() == [bool(same_play(int(ms))) for ms in apart_ms]
