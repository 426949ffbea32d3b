"""Models of what is told of tracks: under the contract, and what they say of tracks that nobody has played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.als import AlsModel
from models.als_training import fit_als
from models.base import Interactions, Taste
from models.content import (
    AlsContentConfig,
    Content,
    ContentConfig,
    content_blocks,
    fit_als_content,
    fit_content,
    tf_idf,
    with_unplayed,
)
from models.names import name_pieces
from tests.models.contract import TRACKS, ModelContract, checkerboard, missing

COLOURS = csr_array(np.eye(2, dtype=np.float32)[np.arange(TRACKS) % 2])
SMALL = AlsContentConfig(factors=2, regularisation=0.1, alpha=10.0)
UNPLAYED = 6


def coloured(interactions: Interactions) -> Interactions:
    """Each track is tagged with its colour."""
    return replace(interactions, attributes=(COLOURS,))


def with_a_new_track() -> Interactions:
    """The checkerboard, of which nobody has played one track."""
    weights = checkerboard().weights.toarray()
    weights[:, UNPLAYED] = 0.0
    return replace(coloured(checkerboard()), weights=csr_array(weights), popularity=weights.sum(axis=0, dtype=float))


class TestContent(ModelContract):
    def fit(self, interactions: Interactions) -> Content:
        return fit_content(coloured(interactions))

    def known_answer(self, taste: Taste, listener: int) -> set[int]:
        return {*taste.tracks.tolist(), int(missing(np.array([listener]))[0])}

    def test_a_score_is_the_sum_of_cosines_by_weight(self, model: Content) -> None:
        taste = Taste(np.array([0, 2, 1]), np.array([2.0, 0.5, 1.0]))
        np.testing.assert_allclose(model.scores(taste, np.array([4, 5])), [2.5, 1.0], rtol=1e-6)


class TestAlsContent(ModelContract):
    def fit(self, interactions: Interactions) -> AlsModel:
        return fit_als_content(coloured(interactions), SMALL, threads=1)

    def known_answer(self, taste: Taste, listener: int) -> set[int]:
        return {*taste.tracks.tolist(), int(missing(np.array([listener]))[0])}


def test_a_track_that_nobody_has_played_is_placed_among_those_of_its_tag() -> None:
    model = fit_als_content(with_a_new_track(), SMALL, threads=1)
    even, odd = Taste(np.array([0, 2, 4]), np.ones(3)), Taste(np.array([1, 3, 5]), np.ones(3))
    new = np.array([UNPLAYED])
    assert model.scores(even, new)[0] > 0.5
    assert abs(model.scores(odd, new)[0]) < 0.1
    assert fit_als(with_a_new_track(), SMALL.als, threads=1).scores(even, new)[0] == 0.0


def test_what_was_played_scores_as_before_once_the_unplayed_have_vectors() -> None:
    interactions = with_a_new_track()
    taste, played = Taste(np.array([0, 2, 4]), np.ones(3)), np.delete(np.arange(TRACKS), UNPLAYED)
    mapped, plain = (fit(interactions) for fit in (_mapped, _plain))
    np.testing.assert_array_equal(mapped.scores(taste, played), plain.scores(taste, played))


def test_a_track_of_which_nothing_is_told_keeps_no_vector() -> None:
    tags = COLOURS.toarray()
    tags[UNPLAYED] = 0.0
    model = _mapped(replace(with_a_new_track(), attributes=(csr_array(tags),)))
    assert model.lengths[UNPLAYED] == 0


def test_a_later_block_serves_where_the_first_is_silent() -> None:
    tags = COLOURS.toarray()
    tags[UNPLAYED] = 0.0
    model = _mapped(replace(with_a_new_track(), attributes=(csr_array(tags), COLOURS)))
    assert model.scores(Taste(np.array([0, 2, 4]), np.ones(3)), np.array([UNPLAYED]))[0] > 0.5


def test_the_map_is_the_least_squares_one_and_counts_what_many_play_for_more() -> None:
    features = np.array([[1.0], [1.0], [-1.0], [1.0]])
    vectors = np.array([[1.0], [4.0], [1.0], [0.0]], np.float32)
    found = with_unplayed(AlsModel.from_vectors(vectors, SMALL_ONE), [features], np.array([4, 1, 1, 0]), 1e-9)
    assert found.vectors[3, 0] == pytest.approx((2 * 1 + 1 * 4) / 3)  # means of each side, by the roots of 4 and 1


def test_dense_vectors_are_taken_as_they_are_but_for_their_length() -> None:
    sound = np.array([[3.0, 4.0]] * TRACKS, np.float32)
    block = content_blocks(replace(checkerboard(), attributes=(sound,)), ContentConfig())[0]
    np.testing.assert_allclose(block, [[0.6, 0.8]] * TRACKS)


def test_a_tag_that_every_track_has_says_nothing() -> None:
    weighed = tf_idf(csr_array(np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 0.0]]))).toarray()
    np.testing.assert_allclose(weighed, [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]], atol=1e-12)


def test_few_dimensions_keep_what_most_tracks_share() -> None:
    tags = np.zeros((TRACKS, 4), np.float32)
    tags[np.arange(TRACKS), np.arange(TRACKS) % 2] = 1.0
    tags[0, 2] = tags[1, 3] = 0.1
    blocks = content_blocks(replace(checkerboard(), attributes=(csr_array(tags),)), ContentConfig(dimensions=2))
    cosines = blocks[0] @ blocks[0].T
    assert (cosines[::2, ::2] > 0.99).all()
    assert (np.abs(cosines[::2, 1::2]) < 0.01).all()


def test_no_attributes_and_attributes_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="found no attributes"):
        fit_content(checkerboard())
    with pytest.raises(ValueError, match="12 NaN or infinite"):
        fit_content(replace(checkerboard(), attributes=(np.full((TRACKS, 1), np.nan, np.float32),)))
    with pytest.raises(ValueError, match="attributes of 3 tracks"):
        replace(checkerboard(), attributes=(np.ones((3, 1), np.float32),))


@pytest.mark.parametrize("wrong", [{"dimensions": 0}, {"others": -1.0}, {"others": float("nan")}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted 1 or more dimensions"):
        ContentConfig(**wrong)  # type: ignore[arg-type]  # that is what is tested


def test_names_that_share_a_word_share_pieces_whatever_their_case_and_accents() -> None:
    pieces = name_pieces(["Sigur Rós", "SIGUR ROS", "Rosetta", "", "Muse"], buckets=1 << 20).toarray()
    assert (pieces[0] == pieces[1]).all()
    shared = np.minimum(pieces[0], pieces).sum(axis=1)
    assert shared[2] > 0
    assert shared[3] == shared[4] == 0


SMALL_ONE = AlsContentConfig(factors=1).als


def _mapped(interactions: Interactions) -> AlsModel:
    return fit_als_content(interactions, SMALL, threads=1)


def _plain(interactions: Interactions) -> AlsModel:
    return fit_als(interactions, SMALL.als, threads=1)
