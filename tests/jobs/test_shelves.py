"""What the synthetic world shows its people: by the policy that docs/world.md states, answered as planted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.world import World, WorldConfig, told_tables, world
from jobs.world.listening import plays_of
from jobs.world.shelves import LOOKED_AT, MIXTURE, SHOWN_DAYS, SLOTS, SOURCES, Shelves, shelves_of, worth
from warehouse.rules.quantity import DAY_MS
from warehouse.tables import RAW_IMPRESSIONS

CONFIG = WorldConfig(listeners=1_500, tracks=1_500, plays=60_000, days=84)
EVERYBODY = slice(0, CONFIG.listeners)


@pytest.fixture(scope="module")
def made() -> World:
    return world(CONFIG)


@pytest.fixture(scope="module")
def shelves(made: World) -> Shelves:
    own = plays_of(CONFIG, made.music, made.people, EVERYBODY)
    return shelves_of(CONFIG, made.music, made.people, EVERYBODY, own)


@pytest.fixture(scope="module")
def tables(made: World) -> tuple[pa.Table, pa.Table]:
    [(plays, impressions)] = told_tables(made)
    return plays, impressions


def test_the_table_has_the_columns_of_raw_impressions(tables: tuple[pa.Table, pa.Table]) -> None:
    declared = RAW_IMPRESSIONS.schema
    assert all(field.type == declared.field(field.name).type for field in tables[1].schema)
    assert {field.name for field in declared if not field.nullable} - set(tables[1].schema.names) == {"day"}


def test_shelves_are_shown_in_the_last_weeks_to_some(shelves: Shelves) -> None:
    assert shelves.shown_ms.min() >= CONFIG.end_ms - SHOWN_DAYS * DAY_MS
    assert shelves.shown_ms.max() < CONFIG.end_ms
    assert 0.3 < len(np.unique(shelves.listener)) / CONFIG.listeners < 0.8


def test_no_shelf_shows_a_track_twice_or_a_reissue(made: World, shelves: Shelves) -> None:
    ordered = np.sort(shelves.track, axis=1)
    assert (np.diff(ordered, axis=1) > 0).all()
    assert (made.music.same_as[shelves.track] == shelves.track).all()


def test_propensities_are_the_chances_that_tracks_are_shown_with(made: World, shelves: Shelves) -> None:
    """Each track's slots, weighed by one over their propensity, are on average one an answer of the first slot."""
    originals = np.flatnonzero(made.music.same_as == np.arange(CONFIG.tracks))
    first = shelves.track[:, 0]
    weighed = np.bincount(first, 1 / shelves.propensity[:, 0], CONFIG.tracks)[originals] / len(first)
    assert abs(weighed.mean() - 1) < 0.03
    assert (shelves.propensity > 0).all()
    assert (shelves.propensity < 1).all()


def test_sources_fill_slots_as_often_as_is_stated(shelves: Shelves) -> None:
    shares = np.bincount(shelves.source.ravel(), minlength=len(SOURCES)) / shelves.source.size
    np.testing.assert_allclose(shares, MIXTURE, atol=0.05)  # a track that is there already is drawn again


def test_each_slot_is_touched_less_than_the_one_above_as_planted(shelves: Shelves) -> None:
    touched = shelves.tried.mean(axis=0)
    expected = touched.sum() * LOOKED_AT ** np.arange(SLOTS) / (LOOKED_AT ** np.arange(SLOTS)).sum()
    np.testing.assert_allclose(touched, expected, atol=0.03)


def test_what_is_worth_more_is_played_through_more(made: World, shelves: Shelves) -> None:
    liking = np.einsum("asd,ad->as", made.music.vectors[shelves.track], made.people.vectors[shelves.listener])
    through = shelves.tried & (shelves.played_ms == made.music.track_ms[shelves.track])
    expected = worth(liking, np.zeros(liking.shape, bool)) * LOOKED_AT ** np.arange(SLOTS)
    strange = liking < np.median(liking)
    assert abs(through[strange].mean() - expected[strange].mean()) < 0.02
    assert through[~strange].mean() > 2 * through[strange].mean()


def test_plays_of_a_shelf_name_the_slot_that_showed_their_track(tables: tuple[pa.Table, pa.Table]) -> None:
    plays, impressions = tables
    keys = ["impression_id", "slot"]
    shown = impressions.select([*keys, "track_id", "received_ms", "listener_id"])
    named = plays.filter(pc.is_valid(plays["impression_id"]))
    joined = named.join(shown, keys, right_suffix=" shown")
    assert named.num_rows > 1_000
    assert joined["track_id"].equals(joined["source_track_id"])
    assert joined["listener_id"].equals(joined["listener_id shown"])
    apart = pc.subtract(joined["started_ms"], joined["received_ms"])
    assert pc.min(apart).as_py() > 0
