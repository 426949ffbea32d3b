"""Team-draft interleaving: fair to both rankings whatever they hold, and a test that finds the better one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Positions
from models.experiments.interleaving import NEITHER, A, B, credit, preference, team_draft

CHECKOUT = Path(__file__).resolve().parents[3]
rankings = st.lists(st.integers(0, 30), unique=True, max_size=15).map(lambda tracks: np.array(tracks, np.int64))


def test_each_round_both_draft_their_best_that_is_left() -> None:
    found = team_draft(np.array([1, 2, 3, 4]), np.array([2, 5, 1, 6]), 4, np.random.default_rng(0))
    assert sorted(found.teams[:2].tolist()) == [A, B]
    assert sorted(found.teams[2:].tolist()) == [A, B]
    first = found.tracks[0]
    assert first == (1 if found.teams[0] == A else 2)


@given(rankings, rankings, st.integers(0, 20), st.integers(0, 1_000))
def test_a_list_holds_each_track_once_and_as_many_as_there_are(a: Positions, b: Positions, k: int, seed: int) -> None:
    found = team_draft(a, b, k, np.random.default_rng(seed))
    assert len(set(found.tracks.tolist())) == len(found.tracks) == min(k, len(set(a) | set(b)))
    assert abs(int((found.teams == A).sum()) - int((found.teams == B).sum())) <= 1
    for team, ranking in ((A, a), (B, b)):
        drafted = found.tracks[found.teams == team].tolist()
        assert drafted == [track for track in ranking.tolist() if track in drafted]


@given(rankings, rankings, st.integers(0, 20), st.integers(0, 1_000))
def test_a_list_is_full_rounds_but_for_a_last_one_that_k_cuts(a: Positions, b: Positions, k: int, seed: int) -> None:
    teams = team_draft(a, b, k, np.random.default_rng(seed)).teams
    drafted = teams[teams != NEITHER]
    assert len(drafted) % 2 == 0 or len(drafted) == k
    assert (drafted[: len(drafted) // 2 * 2].reshape(-1, 2).sum(axis=1) == A + B).all()


@pytest.mark.parametrize(("a", "b"), [([1, 2, 3], [1, 2, 3]), ([1], [1, 2, 3, 4, 5]), ([1, 2, 3], [4, 5, 6, 7, 8, 9])])
def test_somebody_who_plays_at_random_prefers_neither(a: list[int], b: list[int]) -> None:
    random = np.random.default_rng(1)
    totals = np.zeros(2)
    for _ in range(4_000):
        found = team_draft(np.array(a), np.array(b), 5, random)
        totals += credit(found.teams, random.random(len(found.teams)) < 0.3)
    assert abs(totals[A] - totals[B]) < 4 * np.sqrt(totals.sum())


def test_places_of_neither_are_credited_to_nobody() -> None:
    assert credit(np.array([A, B, NEITHER, B]), np.array([True, True, True, True])) == (1, 2)
    with pytest.raises(ValueError, match="an outcome for each place"):
        credit(np.array([A, B]), np.array([True]))


def test_the_better_ranking_wins_with_few_listeners() -> None:
    random = np.random.default_rng(2)
    wins = np.zeros((200, 2))
    relevant = {1, 2, 3, 8}
    for listener in range(200):
        for _ in range(3):
            found = team_draft(np.array([9, 8, 7, 6]), np.array([1, 2, 3, 4]), 4, random)
            likes = np.array([track in relevant for track in found.tracks.tolist()])
            wins[listener] += credit(found.teams, likes & (random.random(len(likes)) < 0.4))
    found_b = preference(wins[:, A], wins[:, B])
    assert found_b.p_value < 0.001
    assert found_b.low > 0.5
    assert found_b.delta > 0


def test_rankings_that_are_alike_are_preferred_by_chance_less_often_than_alpha() -> None:
    random = np.random.default_rng(3)
    tests = [preference(*random.binomial(4, 0.2, (2, 150)).astype(float)) for _ in range(1_000)]
    assert np.mean([test.p_value < 0.05 for test in tests]) < 0.05


def test_nobody_who_decides_leaves_it_open() -> None:
    found = preference(np.zeros(3), np.zeros(3))
    assert (found.ties, found.p_value, found.low, found.high) == (3, 1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="more than once"):
        team_draft(np.array([1, 1]), np.array([2]), 2, np.random.default_rng(0))


def test_what_the_guide_shows_runs() -> None:
    [snippet] = re.findall(r"^```python\n(.*?)^```$", (CHECKOUT / "docs/experiments.md").read_text(), re.M | re.S)
    ran = subprocess.run(
        [sys.executable, "-c", f"{snippet}\nprint([a, b])"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[0, 1]\n"
