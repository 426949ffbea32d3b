"""Learners over sequences under the contract, and what only they promise."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from models.base import NOBODY, Interactions, ModelBroken, Recent, Sequences, Taste, TrackPosition
from models.blend import Blend, BlendConfig, Member, fit_blend
from models.evaluation.datasets import in_order
from models.files import write_arrays
from models.item2vec import Item2vec, Item2vecConfig
from models.item2vec_training import beside, fit_item2vec
from models.learners import LEARNERS
from models.sasrec import Sasrec, SasrecConfig, encoded, latest, shapes
from models.sasrec_training import Network, Windows, fit_sasrec
from models.slist import Slist, SlistConfig, fit_slist
from tests.models.contract import LISTENERS, TRACKS, ModelContract, checkerboard, taste_of

TINY = SasrecConfig(
    length=6,
    dimensions=8,
    blocks=1,
    heads=2,
    dropout=0.0,
    epochs=40,
    batch=24,
    learning_rate=0.02,
    low_pass=0.3,
    negatives=0,
    weight_decay=0.0,
)
TINY_SET = dataclasses.asdict(TINY)
SMALL = Item2vecConfig(dimensions=8, window=3, negatives=8, exponent=0.75, frequent=0.0, epochs=40, batch=256)


ORDERED = in_order([np.array([5, 1, 1, 3]), np.array([], np.int64), np.array([2]), np.array([4, 0, 2])], 6).sequences


def rounds() -> Interactions:
    """The checkerboard, each listener going round and round the tracks of their colour, two positions at a time."""
    laps = [(listener + 2 * np.arange(10)) % TRACKS for listener in range(LISTENERS)]
    return dataclasses.replace(checkerboard(), sequences=in_order(laps, TRACKS).sequences)


@cache
def transformer(config: SasrecConfig = TINY) -> Sasrec:
    return fit_sasrec(rounds(), config)


def nested(weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """Weights by name, as Flax holds them."""
    tree: dict[str, Any] = {}
    for name, array in weights.items():
        *above, last = name.split(".")
        inner = tree
        for step in above:
            inner = inner.setdefault(step, {})
        inner[last] = array
    return tree


class TestSasrec(ModelContract):
    @pytest.fixture
    def interactions(self) -> Interactions:
        return rounds()

    @pytest.fixture
    def model(self) -> Sasrec:
        return transformer()

    def fit(self, interactions: Interactions) -> Sasrec:
        return fit_sasrec(interactions, TINY)

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return {(int(taste.tracks[-1]) + 2) % TRACKS}

    @pytest.mark.parametrize("low_pass", [0.0, 0.3])
    def test_numpy_answers_what_flax_does(self, low_pass: float) -> None:
        config = dataclasses.replace(TINY, blocks=2, low_pass=low_pass)
        random = np.random.default_rng(3)
        weights = {
            name: random.normal(0, 0.5, shape[1:]).astype(np.float32) for name, shape in shapes(config, TRACKS).items()
        }
        played = latest([np.arange(plays) % TRACKS for plays in (1, 4, 6, 9)], config.length)
        flax = jax.jit(Network(config, TRACKS).apply)({"params": nested(weights)}, played)
        there = played != NOBODY
        np.testing.assert_allclose(encoded(played, weights, config)[there], flax[there], atol=1e-5)

    def test_only_the_latest_plays_are_read_and_in_their_order(self, model: Sasrec) -> None:
        plays = np.array([0, 2, 4, 6, 8, 10, 0])
        orders = (plays, plays[1:], plays[::-1])
        tastes = [Taste(np.unique(plays), np.ones(6), None, Recent.in_order(order, 0)) for order in orders]
        scores = model.score_many(tastes)
        np.testing.assert_array_equal(scores[0], scores[1])
        assert not np.allclose(scores[0], scores[2])

    def test_a_taste_without_recent_plays_says_nothing(self, model: Sasrec) -> None:
        assert len(model.recommend(Taste(np.array([3]), np.array([2.0])), 5)) == 0

    def test_members_of_other_seeds_answer_with_the_mean_of_their_scores(self) -> None:
        one, two = (transformer(dataclasses.replace(TINY, seed=seed)) for seed in (3, 4))
        both = transformer(dataclasses.replace(TINY, seed=3, members=2))
        tastes = [Taste(np.array([2]), np.ones(1), None, Recent.in_order(np.array([2]), 1))]
        wanted = (one.score_many(tastes) + two.score_many(tastes)) / 2
        np.testing.assert_allclose(both.score_many(tastes), wanted, atol=1e-6)

    def test_sampled_negatives_lead_to_the_same_answer(self) -> None:
        model = transformer(dataclasses.replace(TINY, negatives=8))
        taste = Taste(np.array([0, 2]), np.ones(2), TrackPosition(2), Recent.in_order(np.array([0, 2]), 2))
        assert model.recommend(taste, 1).items.tolist() == [4]

    def test_weights_of_another_shape_are_refused(self, model: Sasrec, tmp_path: Path) -> None:
        model.save(tmp_path)
        write_arrays(tmp_path / "arrays.npz", {**model.weights, "bias": np.zeros((1, TRACKS + 1), np.float32)})
        with pytest.raises(ModelBroken, match="wanted"):
            Sasrec.load(tmp_path)

    def test_the_weights_have_the_shapes_that_loading_expects(self, model: Sasrec) -> None:
        assert {name: array.shape for name, array in model.weights.items()} == shapes(TINY, TRACKS)


def test_every_play_but_the_first_is_a_target_after_what_came_before_it() -> None:
    assert ORDERED is not None
    told = set()
    for seed in range(5):
        played, wanted = Windows(ORDERED, 2).drawn(np.random.default_rng(seed))
        told |= {(*row, *after) for row, after in zip(played.tolist(), wanted.tolist(), strict=True)}
        assert {1, 3, 0, 2} == set(wanted.ravel().tolist()) - {NOBODY}
    assert {(5, 1, 1, 1), (4, 0, 0, 2)} <= told <= {(NOBODY, 5, NOBODY, 1), (5, 1, 1, 1), (1, 1, 1, 3), (4, 0, 0, 2)}


class TestSlist(ModelContract):
    def fit(self, interactions: Interactions) -> Slist:
        return fit_slist(interactions, SlistConfig(0.2, 1.0, fading=0.5, answer_fading=0.3))

    @pytest.fixture
    def interactions(self) -> Interactions:
        return rounds()

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return {(int(taste.tracks[-1]) + 2) % TRACKS}

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_the_map_is_that_of_past_and_future_written_out(self, share: float) -> None:
        config = SlistConfig(share=share, regularisation=2.0, fading=0.7)
        sequences = [np.array([0, 1, 2, 0]), np.array([2, 1, 3]), np.array([3])]
        interactions = in_order(sequences, 4)
        past, future = written_out(sequences, config.fading)
        heard = np.minimum(interactions.weights.toarray(), 1.0)
        system = share * heard.T @ heard + (1 - share) * past.T @ past + 2.0 * np.eye(4)
        told = share * heard.T @ heard + (1 - share) * past.T @ future
        free, inverse = np.linalg.solve(system, told), np.linalg.inv(system)
        wanted = free - inverse * (np.diag(free) / np.diag(inverse))
        np.testing.assert_allclose(fit_slist(interactions, config).weights, wanted, atol=1e-5)

    def test_only_the_most_popular_tracks_are_in_the_map_and_others_score_nothing(self) -> None:
        interactions = in_order([np.array([4, 1, 4]), np.array([1, 4, 0]), np.array([3])], 5)
        model = fit_slist(interactions, SlistConfig(largest=2))
        assert model.kept.tolist() == [1, 4]
        scores = model.score_many([Taste(np.array([0, 1]), np.ones(2), None, Recent.in_order(np.array([1, 0]), 2))])[0]
        assert np.flatnonzero(scores).tolist() == [4]

    def test_a_map_of_another_size_is_refused(self, model: Slist, tmp_path: Path) -> None:
        model.save(tmp_path)
        kept, tracks = model.kept[1:], np.array([TRACKS])
        write_arrays(tmp_path / "arrays.npz", {"kept": kept, "weights": model.weights, "tracks": tracks})
        with pytest.raises(ModelBroken, match="rows and columns"):
            Slist.load(tmp_path)


def written_out(sequences: list[np.ndarray], fading: float) -> tuple[np.ndarray, np.ndarray]:
    """The faded past and future of each moment between two plays [moments, 4]."""
    moments = [(one, at) for one in sequences for at in range(1, len(one))]
    past, future = np.zeros((2, len(moments), 4))
    for row, (one, at) in enumerate(moments):
        for place, track in enumerate(one):
            side = past if place < at else future
            side[row, track] += fading ** (at - 1 - place if place < at else place - at)
    return past, future


class TestBlendOfSequences(ModelContract):
    """By standard scores, which linear maps and transformers need."""

    CONFIG = BlendConfig(
        (
            Member(
                "slist", {"share": 0.0, "regularisation": 1.0, "answer_fading": 0.3}, "standard", log=0.0, share=0.4
            ),
            Member("sasrec", TINY_SET, "standard", log=0.0, share=0.6),
        )
    )

    @pytest.fixture
    def interactions(self) -> Interactions:
        return rounds()

    def fit(self, interactions: Interactions) -> Blend:
        return fit_blend(interactions, self.CONFIG)

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return {(int(taste.tracks[-1]) + 2) % TRACKS}

    def test_scores_are_the_weighted_sum_of_standard_scores(self, model: Blend, interactions: Interactions) -> None:
        taste = taste_of(3, interactions)
        everything = np.arange(TRACKS)
        told = [member.scores(taste, everything) for member in model.members]
        wanted = sum(w * (one - one.mean()) / one.std() for w, one in zip((0.4, 0.6), told, strict=True))
        np.testing.assert_allclose(model.score_many([taste])[0], wanted, atol=1e-5)

    def test_a_member_without_an_opinion_adds_nothing(self, model: Blend) -> None:
        unordered = Taste(np.array([2]), np.ones(1))
        told = model.members[0].scores(unordered, np.arange(TRACKS))
        wanted = 0.4 * (told - told.mean()) / told.std()
        np.testing.assert_allclose(model.score_many([unordered])[0], wanted, atol=1e-5)

    def test_the_logarithm_of_a_standard_score_is_refused(self) -> None:
        with pytest.raises(ValueError, match="wanted log 0"):
            Member("slist", scale="standard", log=1.0)


class TestItem2vec(ModelContract):
    def fit(self, interactions: Interactions) -> Item2vec:
        return fit_item2vec(interactions, SMALL)

    def known_answer(self, taste: Taste, _listener: int) -> set[int]:
        return {track for track in range(TRACKS) if track % 2 == taste.tracks[0] % 2}

    def test_similar_tracks_have_the_same_colour_and_leave_out_the_track_itself(self, model: Item2vec) -> None:
        assert set(model.similar(TrackPosition(4), 5).items.tolist()) == {0, 2, 6, 8, 10}

    def test_a_track_that_was_never_beside_another_resembles_none_and_is_like_none(self) -> None:
        alone = in_order([np.array([0, 1, 0, 1]), np.array([2])], 4)
        model = fit_item2vec(alone, SMALL)
        assert not model.vectors[2:].any()
        assert len(model.similar(TrackPosition(2), 3)) == 0
        assert model.similar(TrackPosition(0), 3).items.tolist() == [1]

    def test_where_no_order_is_known_the_weights_speak(self, model: Item2vec) -> None:
        found = model.recommend(Taste(np.array([1, 4]), np.array([0.1, 5.0])), 6)
        assert set(found.items.tolist()) == {0, 2, 4, 6, 8, 10}

    def test_vectors_of_other_dimensions_are_refused(self, model: Item2vec, tmp_path: Path) -> None:
        model.save(tmp_path)
        write_arrays(tmp_path / "arrays.npz", {"vectors": model.vectors[:, :3]})
        with pytest.raises(ModelBroken, match="8"):
            Item2vec.load(tmp_path)


def test_pairs_are_of_one_session_and_a_window_apart_at_most() -> None:
    sequences = Sequences(np.array([0, 4, 6]), np.arange(6), np.array([0, 0, 0, 1, 0, 0]), np.arange(6.0))
    earlier, later = beside(sequences, np.ones(6, bool), 2)
    assert sorted(zip(earlier.tolist(), later.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2), (4, 5)]


@pytest.mark.parametrize("name", ["sasrec", "item2vec", "slist"])
def test_interactions_without_order_are_refused(name: str) -> None:
    learner = LEARNERS[name]
    with pytest.raises(ValueError, match="sequences"):
        learner.fitted(dataclasses.replace(checkerboard(), sequences=None), learner.settings())


def test_histories_of_one_play_teach_a_transformer_nothing_and_are_refused() -> None:
    with pytest.raises(ValueError, match="two plays"):
        fit_sasrec(in_order([np.array([0]), np.array([1])], 2), TINY)


@pytest.mark.parametrize("wrong", [{"dimensions": 9}, {"dropout": 1.0}, {"length": 0}, {"learning_rate": 0.0}])
def test_impossible_settings_of_the_transformer_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        dataclasses.replace(TINY, **wrong)  # type: ignore[arg-type]  # each of its own type


@pytest.mark.parametrize("wrong", [{"window": 0}, {"fading": 0.0}, {"exponent": float("nan")}, {"frequent": -1.0}])
def test_impossible_settings_of_item2vec_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        dataclasses.replace(SMALL, **wrong)  # type: ignore[arg-type]  # each of its own type


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"fading": 1.0}, {"regularisation": 0.0}, {"reach": 0}])
def test_impossible_settings_of_slist_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        SlistConfig(**wrong)  # type: ignore[arg-type]  # each of its own type
