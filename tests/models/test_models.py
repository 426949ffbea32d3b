"""Each model under the contract, and what only one of them promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.als import AlsConfig, AlsModel
from models.als_training import fit_als
from models.base import Interactions, Model, Taste, TrackPosition
from models.popularity import Popularity, fit_popularity
from models.repeat import Repeat, fit_repeat
from models.transitions import Transitions, TransitionsConfig, fit_transitions
from tests.models.contract import TRACKS, ModelContract, missing


class TestPopularity(ModelContract):
    answers_strangers = True

    def fit(self, interactions: Interactions) -> Popularity:
        return fit_popularity(interactions)

    def known_answer(self, _taste: Taste, _listener: int) -> set[int]:
        return {0, 1, 2}  # all are equally popular: the lowest positions

    def test_the_most_played_leads(self) -> None:
        nothing = csr_array(np.zeros((3, 3), np.float32))
        model = fit_popularity(Interactions(nothing, nothing, np.array([1.0, 4.0, 3.0])))
        found = model.recommend(Taste.unknown(), 3)
        assert found.items.tolist() == [1, 2, 0]
        np.testing.assert_allclose(found.scores, [0.5, 0.375, 0.125])

    def test_a_world_without_plays_is_all_zero(self) -> None:
        nothing = csr_array(np.zeros((2, 2), np.float32))
        assert fit_popularity(Interactions(nothing, nothing, np.zeros(2))).shares.tolist() == [0.0, 0.0]


class TestRepeat(ModelContract):
    def fit(self, interactions: Interactions) -> Repeat:
        return fit_repeat(interactions)

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return set(taste.tracks.tolist())

    def test_the_heaviest_leads_and_of_equal_ones_the_first_heard(self) -> None:
        found = Repeat(9).recommend(Taste(np.array([7, 2, 5]), np.array([1.0, 1.0, 3.0])), 3)
        assert found.items.tolist() == [5, 7, 2]
        assert found.scores.tolist() == [3.0, 1.0, 1.0]

    def test_an_item_is_explained_by_its_own_play(self) -> None:
        taste = Taste(np.array([7, 2]), np.array([2.5, 1.0]))
        cited = Repeat(9).explain(taste, np.array([2, 7, 3]), np.array([0.5, 1.0]))
        assert cited.places.tolist() == [[1, -1, -1], [0, -1, -1], [-1, -1, -1]]
        assert cited.drops[:, 0].tolist() == [1.0, 0.5, 0.0]

    def test_equal_scores_are_in_one_order_every_time(self, model: Model, interactions: Interactions) -> None:
        assert model.tracks == interactions.tracks
        taste = Taste(np.array([3, 1]), np.array([1.0, 1.0]))
        assert model.recommend(taste, 2).items.tolist() == [3, 1]


class TestTransitions(ModelContract):
    answers_strangers = True

    def fit(self, interactions: Interactions) -> Transitions:
        return fit_transitions(interactions, TransitionsConfig())

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return {(int(taste.tracks[-1]) + 4) % TRACKS}

    def test_the_score_is_the_smoothed_share_of_what_followed(self, model: Transitions) -> None:
        taste = Taste.unknown(TrackPosition(0))
        share = 1 / TRACKS
        wanted = [(2 + share) / 4, (1 + share) / 4, share / 4]
        np.testing.assert_allclose(model.scores(taste, np.array([4, 2, 9])), wanted)

    def test_a_track_that_nothing_follows_backs_off_to_popularity(self) -> None:
        nothing = csr_array(np.zeros((3, 3), np.float32))
        model = fit_transitions(Interactions(nothing, nothing, np.array([1.0, 4.0, 3.0])))
        assert model.recommend(Taste.unknown(TrackPosition(1)), 2).items.tolist() == [1, 2]

    def test_only_the_play_of_the_current_track_is_cited(self, model: Transitions) -> None:
        taste = Taste(np.array([3, 0, 5]), np.ones(3), TrackPosition(0))
        assert model.explain(taste, np.array([4, 7]), np.ones(3)).places.tolist() == [[1, -1, -1], [-1, -1, -1]]

    @pytest.mark.parametrize("prior", [0.0, -1.0, 1.5])
    def test_a_prior_that_could_overrule_what_followed_is_refused(self, prior: float) -> None:
        with pytest.raises(ValueError, match="at most 1"):
            TransitionsConfig(prior)


@pytest.mark.parametrize("exponent", [0, 1])
class TestAls(ModelContract):
    @pytest.fixture(autouse=True)
    def _chosen(self, exponent: int) -> None:
        self.exponent = exponent

    def fit(self, interactions: Interactions) -> AlsModel:
        config = AlsConfig(2, regularisation=0.1, alpha=10.0, iterations=10, frequency_exponent=self.exponent)
        return fit_als(interactions, config, threads=1)

    def known_answer(self, taste: Taste, listener: int) -> set[int]:
        return {*taste.tracks.tolist(), int(missing(np.array([listener]))[0])}

    def test_the_missing_track_is_found_once_the_heard_are_left_out(
        self, model: AlsModel, interactions: Interactions
    ) -> None:
        for listener in range(TRACKS):
            tracks = np.flatnonzero(interactions.weights.toarray()[listener])
            found = model.recommend(Taste(tracks, np.ones(len(tracks))), 1, tracks)
            assert found.items.tolist() == [int(missing(np.array([listener]))[0])]

    def test_similar_tracks_have_the_same_colour_and_leave_out_the_track_itself(self, model: AlsModel) -> None:
        similar = model.similar(TrackPosition(4), 5).items
        assert set(similar.tolist()) == {0, 2, 6, 8, 10}
