"""Learners of what comes next under the contract, and each on an example that can be worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.actr import ActR, ActRConfig, fit_actr
from models.base import Interactions, Model, ModelBroken, Recent, Sequences, Taste, TrackPosition
from models.evaluation.datasets import in_order
from models.files import write_arrays
from models.markov import Markov, MarkovConfig, fit_markov
from models.reaching import rows_joined
from models.session_index import SessionIndex, each_once
from models.stan import Stan, StanConfig, fit_stan
from models.vsknn import VsKnn, VsKnnConfig, fit_vsknn
from tests.models.contract import TRACKS, ModelContract, missing

A, B, C, D, E = range(5)


def world(*sessions: Sequence[int], tracks: int = 5) -> Interactions:
    """Each session is a listener of its own, the later ones more recent."""
    return in_order([np.array(session, np.int64) for session in sessions], tracks)


def playing(*session: int) -> Taste:
    """Somebody whose session so far this is, and of whom nothing else is known."""
    tracks, weights = np.unique(np.array(session, np.int64), return_counts=True)
    recent = Recent.in_order(np.array(session, np.int64), len(session))
    return Taste(tracks, weights.astype(np.float64), TrackPosition(session[-1]), recent)


def scored(model: Model, taste: Taste) -> dict[int, float]:
    """The score of each track that is recommended."""
    found = model.recommend(taste, model.tracks)
    return dict(zip(found.items.tolist(), model.scores(taste, found.items).tolist(), strict=True))


class TestMarkov(ModelContract):
    def fit(self, interactions: Interactions) -> Markov:
        return fit_markov(interactions, MarkovConfig(window=TRACKS, heard=0.0))

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}

    def test_a_pair_keeps_its_count_less_the_discount_and_the_rest_goes_by_nearness(self) -> None:
        model = fit_markov(world([A, B], [A, B], [A, C]), MarkovConfig(order=1, discount=0.5, window=1, backward=0.0))
        nearby = {B: 2 / 3, C: 1 / 3}
        left = (0.5 + 0.5) / 3
        wanted = {B: 1.5 / 3 + left * nearby[B], C: 0.5 / 3 + left * nearby[C]}
        assert scored(model, playing(A)) == pytest.approx(wanted)

    def test_the_longest_known_context_leads(self) -> None:
        sessions = [[A, B, C], [D, B, E], [D, B, E], [D, B, E]]
        model = fit_markov(world(*sessions), MarkovConfig(order=2, discount=0.5))
        assert model.recommend(playing(B), 1).items.tolist() == [E]
        assert model.recommend(playing(A, B), 1).items.tolist() == [C]

    def test_an_unknown_context_falls_back_to_the_shorter_one(self) -> None:
        model = fit_markov(world([A, B, C], [D, E]), MarkovConfig(order=2, discount=0.1))
        assert scored(model, playing(B)).keys() == scored(model, playing(E, B)).keys() - {D, E}
        assert model.recommend(playing(E, B), 1).items.tolist() == [C]

    def test_what_was_played_near_is_reached_where_nothing_follows(self) -> None:
        model = fit_markov(world([A, B, C]), MarkovConfig(window=2, decay=0.5, backward=1.0))
        assert scored(model, playing(C)) == pytest.approx({B: 2 / 3, A: 1 / 3})

    def test_no_pair_crosses_the_end_of_a_session(self) -> None:
        model = fit_markov(world([A, B], [C, D]), MarkovConfig())
        assert set(scored(model, playing(B))) == {A}

    def test_no_pair_crosses_from_one_listener_to_the_next_where_each_numbers_sessions_anew(self) -> None:
        one_by_one = world([A, B], [C, D], [E, A])
        anew = replace(_order(one_by_one), sessions=np.ones(6, np.int64))
        config = MarkovConfig(order=2)
        wanted, found = (fit_markov(each, config) for each in (one_by_one, replace(one_by_one, sequences=anew)))
        assert found.near.toarray().tolist() == wanted.near.toarray().tolist()
        assert [each.keys.tolist() for each in found.contexts] == [each.keys.tolist() for each in wanted.contexts]

    def test_scores_sum_to_one(self) -> None:
        model = fit_markov(world([A, B, C, A, B], [B, C, D, E], [C, A]), MarkovConfig())
        assert sum(scored(model, playing(A, B, C)).values()) == pytest.approx(1.0)

    def test_without_a_session_the_current_track_is_the_context(self) -> None:
        model = fit_markov(world([A, B], [A, B]), MarkovConfig())
        assert model.recommend(Taste.unknown(TrackPosition(A)), 1).items.tolist() == [B]


class TestVsKnn(ModelContract):
    def fit(self, interactions: Interactions) -> VsKnn:
        return fit_vsknn(interactions, VsKnnConfig(heard=0.0))

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}

    def test_neighbours_weigh_by_the_place_of_what_they_share(self) -> None:
        model = fit_vsknn(world([A, C], [B, D]), VsKnnConfig(rarity=0.0, fading=0.1))
        assert scored(model, playing(A, B)) == pytest.approx({A: 0.45, B: 1.0, C: 0.5 * 0.9, D: 1.0})

    def test_a_rare_track_weighs_more(self) -> None:
        model = fit_vsknn(world([A, B, C], [A, B, D], [B, E]), VsKnnConfig(rarity=1.0))
        found = scored(model, playing(A))
        assert found[B] == pytest.approx(2 * np.log(4 / 3))
        assert found[C] == found[D] == pytest.approx(np.log(4))

    def test_only_the_latest_sessions_of_the_sample_count(self) -> None:
        model = fit_vsknn(world([A, B], [A, C], [A, D]), VsKnnConfig(sample=2))
        assert set(scored(model, playing(A))) == {A, C, D}

    def test_only_the_most_similar_neighbours_count(self) -> None:
        model = fit_vsknn(world([A, B, C], [B, D]), VsKnnConfig(neighbours=1))
        assert set(scored(model, playing(A, B))) == {A, B, C}

    def test_what_was_heard_keeps_its_share(self) -> None:
        whole, less = (fit_vsknn(world([A, B], [C, D]), VsKnnConfig(heard=heard)) for heard in (1.0, 0.25))
        assert scored(less, playing(A))[A] == pytest.approx(scored(whole, playing(A))[A] / 4)


class TestStan(ModelContract):
    def fit(self, interactions: Interactions) -> Stan:
        return fit_stan(interactions, StanConfig(heard=0.0))

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}

    def test_nearer_and_later_plays_of_a_neighbour_score_higher(self) -> None:
        model = fit_stan(world([A, B, C, D]), StanConfig(reach=2.0, backward=0.5))
        found = scored(model, playing(B))
        assert found[C] / found[B] == pytest.approx(np.exp(-1 / 2))
        assert found[D] / found[B] == pytest.approx(np.exp(-1))
        assert found[A] / found[C] == pytest.approx(0.5)

    def test_older_sessions_weigh_less(self) -> None:
        model = fit_stan(world([A, B], [A, C], [A, D]), StanConfig(age_scale=1.0))
        found = scored(model, playing(A))
        assert found[B] / found[D] == pytest.approx(np.exp(-1))

    def test_the_last_tracks_weigh_most_and_short_sessions_more(self) -> None:
        model = fit_stan(world([A, C, C, C], [B, D]), StanConfig(recency=1.0, age_scale=1e9, reach=1e9))
        found = scored(model, playing(A, B))
        assert found[C] / found[D] == pytest.approx(3 * np.exp(-1) / np.sqrt(2), rel=1e-6)


class TestActR(ModelContract):
    def fit(self, interactions: Interactions) -> ActR:
        return fit_actr(interactions, ActRConfig())

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return set(taste.tracks.tolist())

    def test_activation_is_a_share_of_the_powers_of_age(self) -> None:
        taste = Taste(
            np.array([A, B]), np.array([2.0, 1.0]), None, Recent(np.array([A, B, A]), np.array([900.0, 400, 100]), 0)
        )
        model = ActR(ActRConfig(forgetting=0.5, soonest_s=1.0, spreading=0.0), 5)
        powers = {A: 1 / 30 + 1 / 10, B: 1 / 20}
        assert scored(model, taste) == pytest.approx(
            {track: each / sum(powers.values()) for track, each in powers.items()}
        )

    def test_what_followed_the_current_track_before_comes_to_mind(self) -> None:
        order = np.array([A, B, C, D, A])
        taste = Taste(np.arange(4), np.array([2.0, 1, 1, 1]), TrackPosition(A), Recent.in_order(order, 1))
        found = scored(ActR(ActRConfig(base=0.0, reach=2, fading=0.5), 5), taste)
        assert found == pytest.approx({B: 4 * 2 / 3, C: 4 / 3})

    def test_a_current_track_that_was_not_heard_before_brings_nothing_to_mind(self) -> None:
        order = np.array([D, E, A])
        taste = Taste(np.array([D, E, A]), np.ones(3), TrackPosition(C), Recent.in_order(order, 0))
        assert scored(ActR(ActRConfig(base=0.0), 5), taste) == {}

    def test_a_track_of_the_session_is_held_back(self) -> None:
        taste = playing(A, B)
        before, after = (scored(ActR(ActRConfig(spreading=0.0, heard=heard), 5), taste) for heard in (1.0, 0.1))
        assert before == pytest.approx(after)  # all of them are of the session
        whole = Taste(taste.tracks, taste.weights, taste.current, Recent(taste.recent.tracks, taste.recent.ago_s, 1))
        assert scored(ActR(ActRConfig(spreading=0.0, heard=0.1), 5), whole)[B] == pytest.approx(0.1 / 1.1)

    def test_weights_stand_in_where_the_order_is_unknown(self) -> None:
        assert scored(ActR(ActRConfig(), 5), Taste(np.array([D, B]), np.array([3.0, 1.0]))) == {D: 0.75, B: 0.25}


def test_rows_are_joined_in_order_and_cut_where_asked() -> None:
    starts = np.array([0, 2, 2, 5])
    places, whose = rows_joined(starts, np.array([2, 1, 0]))
    assert (places.tolist(), whose.tolist()) == ([2, 3, 4, 0, 1], [0, 0, 0, 2, 2])
    assert rows_joined(starts, np.array([2, 0]), 1)[0].tolist() == [2, 0]


def test_the_index_holds_the_latest_session_first_and_each_track_once_a_session() -> None:
    index = SessionIndex.of(_order(world([A, B], [C], [B, A, B])), 5)
    assert len(index) == 2  # a session of one play says nothing
    assert index.session_tracks.tolist() == [B, A, B, A, B]
    sessions, whose, places = index.with_tracks(np.array([B]), 10)
    assert (sessions.tolist(), whose.tolist(), places.tolist()) == ([0, 1], [0, 0], [2, 1])


def test_a_repeated_track_is_where_it_was_played_latest() -> None:
    tracks, ago = each_once(np.array([B, A, B, C]))
    assert (tracks.tolist(), ago.tolist()) == ([B, A, C], [0, 1, 3])


@pytest.mark.parametrize("fit", [fit_markov, fit_vsknn, fit_stan])
def test_plays_without_an_order_are_refused(fit: Callable[[Interactions], Model]) -> None:
    nothing = csr_array(np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match="no order of plays"):
        fit(Interactions(nothing, nothing, np.zeros(2)))


@pytest.mark.parametrize("fit", [fit_markov, fit_vsknn, fit_stan])
def test_a_world_of_one_session_has_no_neighbours_to_fail_on(fit: Callable[[Interactions], Model]) -> None:
    assert len(fit(world([A])).recommend(playing(A), 5)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MarkovConfig(order=-1),
        lambda: MarkovConfig(discount=1.0),
        lambda: MarkovConfig(memory=0.0),
        lambda: VsKnnConfig(neighbours=0),
        lambda: VsKnnConfig(fading=2.0),
        lambda: StanConfig(sample=0),
        lambda: StanConfig(reach=0.0),
        lambda: StanConfig(backward=1.5),
        lambda: ActRConfig(base=0.0, spreading=0.0),
        lambda: ActRConfig(soonest_s=0.0),
        lambda: ActRConfig(heard=-1.0),
    ],
)
def test_settings_out_of_range_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        wrong()


def test_parts_of_an_index_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = fit_stan(world([A, B], [B, C]))
    torn = {**model.index.arrays(), "ages_s": np.zeros(1)}
    model.save(tmp_path)
    write_arrays(tmp_path / "arrays.npz", torn)
    with pytest.raises(ModelBroken, match="do not fit"):
        Stan.load(tmp_path)


def _order(interactions: Interactions) -> Sequences:
    assert interactions.sequences is not None
    return interactions.sequences
