"""Re-ranking, mixes and weekly discovery on lists whose right order is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.als import AlsConfig, AlsModel
from models.base import Taste
from models.ranking.mixes import clusters, daily_mixes, mix_name, weekly_discovery
from models.ranking.rerank import allowance, allowed, capped, diverse, explored, spread, unit_length


def test_an_artist_has_at_most_as_many_places_and_an_unknown_one_is_nobody_elses() -> None:
    assert capped(["a", "a", "a", "b", None, None, None], 2, 6).tolist() == [0, 1, 3, 4, 5, 6]
    assert capped(["a", "a", "b"], 2, 2).tolist() == [0, 1]


def test_artists_of_earlier_pages_count() -> None:
    assert capped(["a", "b", "a", "b"], 2, 4, before=["a", "b", "b", None]).tolist() == [0]


ARTISTS = st.lists(st.sampled_from(["a", "b", "c", "d", None]) | st.integers(0, 30).map(str), max_size=160)


@given(ARTISTS, st.integers(0, 90))
def test_a_list_is_full_and_in_each_slot_is_the_first_of_whose_artist_there_is_room(
    artists: list[str | None], k: int
) -> None:
    kept = spread(artists, k).tolist()
    assert len(kept) == len(set(kept)) == min(k, len(artists))
    for slot, place in enumerate(kept):
        shown = [artists[above] for above in kept[:slot]]
        left = [at for at in range(len(artists)) if at not in kept[:slot]]
        free = [at for at in left if artists[at] is None or shown.count(artists[at]) < allowance(slot)]
        assert place == (free or left)[0]


@given(ARTISTS, st.integers(0, 90), st.integers(0, 90))
def test_pages_spread_one_after_the_other_are_the_list_spread_as_a_whole(
    artists: list[str | None], first: int, second: int
) -> None:
    page = spread(artists, first).tolist()
    left = [place for place in range(len(artists)) if place not in page]
    rest = spread([artists[place] for place in left], second, [artists[place] for place in page])
    assert page + [left[place] for place in rest] == spread(artists, len(page) + second).tolist()


def test_an_artist_has_two_places_of_twenty_five_and_three_of_fifty() -> None:
    assert [allowance(place) for place in (0, 24, 25, 49, 50)] == [2, 2, 3, 3, 4]


def test_what_is_barred_is_out() -> None:
    assert allowed(np.array([5, 3, 9]), np.array([3, 4])).tolist() == [0, 2]


def test_a_near_duplicate_makes_room() -> None:
    directions = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([3.0, 2.9, 2.5])
    assert diverse(scores, directions, 3, 0.0).tolist() == [0, 1, 2]
    assert diverse(scores, directions, 3, 0.6).tolist() == [0, 2, 1]
    assert diverse(scores, directions, 3, 0.6, before=directions[:1]).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="0 to 1"):
        diverse(scores, directions, 3, 1.5)


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12), st.floats(0, 1))
def test_each_place_of_a_diverse_list_is_the_best_by_score_and_likeness_to_those_before(
    seed: int, size: int, k: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    scores, directions = random.normal(size=size), unit_length(random.normal(size=(size, 3)).astype(np.float32))
    order = diverse(scores, directions, k, share).tolist()
    assert len(order) == len(set(order)) == min(k, size)
    worth = (scores - scores.min(initial=np.inf)) / (float(np.ptp(scores)) or 1.0) if size else scores
    for slot, place in enumerate(order):
        nearest = (directions @ directions[order[:slot]].T).max(axis=1, initial=0.0)
        gains = (1 - share) * worth - share * nearest
        left = [at for at in range(size) if at not in order[:slot]]
        assert gains[place] >= max(gains[left]) - 1e-6


def test_propensities_are_the_chances_of_the_slots_and_their_product_that_of_the_list() -> None:
    scores, random = np.array([1.0, 0.0, 0.5]), np.random.default_rng(4)
    worth = np.exp(scores / 0.7)
    drawn = [explored(scores, 2, 0.7, random) for _ in range(20_000)]
    for first, second in permutations(range(3), 2):
        told = [one for one in drawn if one.places.tolist() == [first, second]]
        chance = worth[first] / worth.sum() * worth[second] / (worth.sum() - worth[first])
        assert len(told) / len(drawn) == pytest.approx(chance, abs=0.012)
        assert float(np.prod(told[0].propensities)) == pytest.approx(chance)


SCORE = st.floats(-1e300, 1e300) | st.sampled_from([0.0, 0.1, 5e-324, 1e300])


@given(st.lists(SCORE, max_size=12), st.integers(0, 15), st.floats(1e-3, 10), st.integers(0, 99))
def test_a_chance_is_above_0_and_at_most_1_however_far_apart_scores_are(
    scores: list[float], k: int, temperature: float, seed: int
) -> None:
    drawn = explored(np.array(scores), k, temperature, np.random.default_rng(seed))
    assert len(set(drawn.places.tolist())) == len(drawn.places) == len(drawn.propensities) == min(k, len(scores))
    assert ((drawn.propensities > 0) & (drawn.propensities <= 1)).all()


@pytest.mark.parametrize(("score", "temperature"), [(0.1, 1e-20), (1e18, 1.0)])
def test_equal_scores_are_drawn_evenly_however_large_they_are_beside_the_temperature(
    score: float, temperature: float
) -> None:
    random = np.random.default_rng(6)
    first = [explored(np.full(4, score), 1, temperature, random).places[0] for _ in range(4_000)]
    assert np.bincount(first, minlength=4) / 4_000 == pytest.approx(0.25, abs=0.04)


def test_exploring_needs_a_temperature() -> None:
    with pytest.raises(ValueError, match="above 0"):
        explored(np.ones(2), 1, 0.0, np.random.default_rng(1))


@pytest.fixture
def als() -> AlsModel:
    """Three directions with five tracks each."""
    vectors = np.repeat(np.eye(3), 5, axis=0) + 0.01 * np.arange(15)[:, None] / 15
    return AlsModel.from_vectors(vectors, AlsConfig(factors=3))


def test_a_mix_is_one_direction_of_the_taste_and_new_tracks_are_in_one_mix_alone(als: AlsModel) -> None:
    taste = Taste(np.array([0, 1, 2, 10, 11, 12]), np.array([1.0, 1, 1, 5, 5, 6]))
    heavy, light = daily_mixes(als, taste, np.empty(0, np.int64), 4)
    assert taste.tracks[heavy.places].tolist() == [12, 10, 11]
    assert set(heavy.items[1::2].tolist()) == {13, 14}
    assert set(light.items[1::2].tolist()) == {3, 4}
    barred = daily_mixes(als, taste, np.array([12, 13]), 4)[0]
    assert not {12, 13} & set(barred.items.tolist())


def test_a_taste_of_few_tracks_has_no_mix(als: AlsModel) -> None:
    assert clusters(als.vectors[:2], np.ones(2)) == []
    assert daily_mixes(als, Taste.unknown(), np.empty(0, np.int64)) == []


def test_a_mix_is_named_by_the_artists_that_weigh_most() -> None:
    assert mix_name(["Bo", "Ada", "Cy", "Bo"], np.array([1.0, 5, 2, 3])) == "Ada, Bo and more"
    assert mix_name(["Bo", None], np.array([1.0, 5])) == "Bo"
    assert mix_name([None], np.ones(1)) is None


def test_weekly_discovery_has_two_tracks_of_an_artist_at_most_and_follows_the_scores() -> None:
    scores, artists = np.arange(8, 0, -1.0), ["a", "a", "a", "b", "b", "b", "c", None]
    assert weekly_discovery(scores, artists, np.zeros(8), 5).tolist() == [0, 1, 3, 4, 6]
    week = np.random.default_rng(2).uniform(-1, 1, 8)
    assert weekly_discovery(scores, artists, week, 5).tolist() == weekly_discovery(scores, artists, week, 5).tolist()
