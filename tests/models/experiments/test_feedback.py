"""The feedback report: its measures on plays that can be counted by hand, and a loop that it must show."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.experiments.feedback import Plays, divergence_bits, entropy_bits, feedback, mean_overlap

plays_of = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), min_size=1, max_size=80)


@given(plays_of)
def test_the_overlap_is_that_of_all_pairs_without_forming_them(told: list[tuple[int, int]]) -> None:
    listeners, tracks = np.array(told).T
    heard = [set(tracks[listeners == who].tolist()) for who in set(listeners.tolist())]
    pairs = [len(one & other) / np.sqrt(len(one) * len(other)) for one, other in combinations(heard, 2)]
    found = mean_overlap(listeners, tracks)
    assert found == (pytest.approx(np.mean(pairs), abs=1e-12) if pairs else None)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=20).filter(any))
def test_a_divergence_is_from_0_for_equal_to_1_for_disjoint(counts: list[int]) -> None:
    one = np.array(counts, float)
    assert divergence_bits(one, 3 * one) == pytest.approx(0.0, abs=1e-12)
    apart = np.concatenate([one, 0 * one])
    assert divergence_bits(apart, apart[::-1]) == pytest.approx(1.0)


def test_a_week_counted_by_hand() -> None:
    listeners, tracks = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 2, 2])
    recommended = np.array([False, False, False, True, True])
    [week] = feedback(Plays(listeners, tracks, np.full(5, 7), recommended)).weeks
    assert (week.week, week.recommended_share, week.drift_bits) == (7, 0.4, None)
    assert week.organic is not None
    assert week.recommended is not None
    assert (week.organic.plays, week.organic.listeners, week.organic.tracks) == (3, 2, 2)
    assert week.organic.coverage == pytest.approx(2 / 3)
    assert week.organic.overlap == pytest.approx(1 / np.sqrt(2))
    assert week.organic.entropy_bits == pytest.approx(entropy_bits(np.array([2.0, 1.0])))
    assert (week.recommended.overlap, week.recommended.effective_tracks) == (None, 1.0)
    assert week.recommended.gini == pytest.approx(2 / 3)
    assert week.recommended.popularity is None


def test_what_was_popular_before_is_popular() -> None:
    listeners = np.array([0, 0, 0, 0, 0])
    tracks, weeks = np.array([0, 0, 1, 0, 2]), np.array([0, 0, 0, 1, 1])
    recommended = np.array([False, False, False, True, False])
    last = feedback(Plays(listeners, tracks, weeks, recommended)).weeks[-1]
    assert last.recommended is not None
    assert last.organic is not None
    assert last.recommended.popularity == pytest.approx(5 / 6)
    assert last.organic.popularity == pytest.approx(1 / 6)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 5), st.booleans()), min_size=1))
def test_weeks_that_come_later_leave_the_figures_of_a_week_as_they_were(told: list[tuple[int, int, int, bool]]) -> None:
    listeners, tracks, weeks, recommended = np.array(told, np.int64).T
    whole = feedback(Plays(listeners, tracks, weeks, recommended.astype(bool))).weeks
    for count, week in enumerate(whole, 1):
        by_then = weeks <= week.week
        told_by_then = Plays(listeners[by_then], tracks[by_then], weeks[by_then], recommended[by_then].astype(bool))
        assert feedback(told_by_then).weeks == whole[:count]


def test_a_loop_shows_as_listeners_grow_alike_and_plays_gather() -> None:
    random = np.random.default_rng(1)
    catalog, listeners, weeks = 2_000, 200, 6
    hits = random.choice(catalog, 20, replace=False)
    plays: list[tuple[int, int, int, bool]] = []
    for week in range(weeks):
        for who in range(listeners):
            own = random.integers(0, catalog, 20)
            shown = random.choice(hits, 3 * week)
            plays += [(who, int(track), week, False) for track in own]
            plays += [(who, int(track), week, True) for track in shown]
    columns = np.array(plays, np.int64).T
    first, *_, last = feedback(Plays(columns[0], columns[1], columns[2], columns[3].astype(bool))).weeks
    assert first.recommended is None
    assert last.recommended_share == pytest.approx(15 / 35)
    assert last.everything.overlap is not None
    assert last.organic is not None
    assert last.recommended is not None
    assert first.everything.overlap is not None
    assert last.everything.overlap > 5 * first.everything.overlap
    assert last.organic.overlap == pytest.approx(first.everything.overlap, rel=0.2)
    assert last.recommended.gini > last.organic.gini
    assert last.recommended.coverage < last.organic.coverage
    assert last.recommended.popularity is not None
    assert last.recommended.popularity > 0.9


def test_no_play_at_all_is_refused() -> None:
    nothing = np.empty(0, np.int64)
    with pytest.raises(ValueError, match="one at least"):
        feedback(Plays(nothing, nothing, nothing, nothing.astype(bool)))
