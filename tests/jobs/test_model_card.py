"""A card's names and its sample of tastes, from tables as the lake has them."""

from __future__ import annotations

import pyarrow as pa

from jobs.model_card import names_of, sampled_tastes
from models.base import Catalog, TrackId
from tests.models.test_artifact import artifact
from warehouse.rules.decay import UNIT


def test_tracks_go_by_title_and_artist_and_those_without_by_their_id() -> None:
    told = pa.table(
        {"track_id": ["b", "a", "x"], "title": ["Two", "One", "Other"], "artist": ["Ann", "Ann", "Bob"]},
    )
    names = names_of(Catalog((TrackId("a"), TrackId("b"), TrackId("c"))), told)
    assert names.tracks == ["One by Ann", "Two by Ann", "c"]
    assert names.artists.tolist() == [0, 0, -1]


def test_tastes_are_those_of_the_tracks_that_the_artifact_knows() -> None:
    matrix = pa.table(
        {
            "listener_id": ["ada", "ada", "ben"],
            "track_id": ["track:3", "somebody else's", "somebody else's"],
            "weight": [2 * UNIT, UNIT, UNIT],
        }
    )
    (taste,) = sampled_tastes(artifact(), matrix)
    assert (taste.tracks.tolist(), taste.weights.tolist()) == ([3], [2.0])
    assert sampled_tastes(artifact(), matrix.slice(0, 0)) == []
