"""A card's names and its sample of tastes, from tables as the lake has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from jobs.model_card import model_card, names_of, sampled_tastes
from models.artifact import MANIFEST
from models.base import Catalog, TrackId
from models.registry import Registry
from tests.jobs.tables import rows_of
from tests.models.test_artifact import artifact
from warehouse.rules.decay import UNIT
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_CATALOG, FEATURES_MATRIX


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


def test_a_version_after_one_of_another_format_has_a_card(tmp_path: Path) -> None:
    lake, registry = Lake(str(tmp_path / "lake")), Registry(tmp_path / "models")
    for table in (CORE_CATALOG, FEATURES_MATRIX):
        lake.append(table, rows_of(table, []))
    before = registry.publish(artifact())
    version = registry.publish(replace(artifact(), as_of=date(2026, 2, 1)))
    (registry.folder(before) / MANIFEST).write_text('{"format": 1}')
    assert version in model_card(lake, registry, version)
