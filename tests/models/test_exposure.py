"""Who gets recommended, on lists whose shares are plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.exposure import artist_exposure, by_tenths

TEN = np.full(10, 5.0)


def test_lists_as_often_as_plays_give_each_tenth_its_tenth() -> None:
    assert by_tenths(np.arange(10)[None, :], TEN).tolist() == [0.1] * 10


def test_only_the_most_played_recommended_is_all_in_the_first_tenths() -> None:
    popularity = np.array([50.0, *[5.0] * 10])
    assert by_tenths(np.zeros((3, 1), np.int64), popularity).tolist() == [1.0] + [0.0] * 9


def test_an_artist_who_is_never_shown_counts_among_the_artists() -> None:
    found = artist_exposure(np.array([[0, 1], [1, -1]]), TEN, np.array([4, 4, 7, -1, -1, -1, -1, -1, -1, -1]))
    assert found is not None
    assert (found.artists, found.shown, found.unknown) == (2, 1, 0.0)
    assert found.gini == pytest.approx(0.5)
    assert found.leading == 1.0
    assert found.leading_plays == pytest.approx(2 / 3)


def test_tracks_of_unknown_artists_are_told_apart() -> None:
    found = artist_exposure(np.array([[0, 2]]), TEN, np.array([4] * 2 + [-1] * 8))
    assert found is not None
    assert found.unknown == 0.5


def test_without_any_artist_there_is_nothing_to_say() -> None:
    assert artist_exposure(np.array([[0]]), TEN, np.full(10, -1)) is None
