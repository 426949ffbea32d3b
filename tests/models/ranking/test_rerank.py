"""Re-ranking, mixes and weekly discovery on lists whose right order is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from models.als import AlsConfig, AlsModel
from models.base import Taste
from models.ranking.mixes import clusters, daily_mixes, mix_name, weekly_discovery
from models.ranking.rerank import allowed, capped, diverse, explored


def test_an_artist_has_at_most_as_many_places_and_an_unknown_one_is_nobody_elses() -> None:
    assert capped(["a", "a", "a", "b", None, None, None], 2, 6).tolist() == [0, 1, 3, 4, 5, 6]
    assert capped(["a", "a", "b"], 2, 2).tolist() == [0, 1]


def test_what_is_barred_is_out() -> None:
    assert allowed(np.array([5, 3, 9]), np.array([3, 4])).tolist() == [0, 2]


def test_a_near_duplicate_makes_room() -> None:
    directions = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([3.0, 2.9, 2.5])
    assert diverse(scores, directions, 3, 0.0).tolist() == [0, 1, 2]
    assert diverse(scores, directions, 3, 0.6).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match="0 to 1"):
        diverse(scores, directions, 3, 1.5)


def test_propensities_are_the_chances_of_the_slots_and_their_product_that_of_the_list() -> None:
    scores, random = np.array([1.0, 0.0, 0.5]), np.random.default_rng(4)
    worth = np.exp(scores / 0.7)
    drawn = [explored(scores, 2, 0.7, random) for _ in range(20_000)]
    for first, second in permutations(range(3), 2):
        told = [one for one in drawn if one.places.tolist() == [first, second]]
        chance = worth[first] / worth.sum() * worth[second] / (worth.sum() - worth[first])
        assert len(told) / len(drawn) == pytest.approx(chance, abs=0.012)
        assert float(np.prod(told[0].propensities)) == pytest.approx(chance)


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
