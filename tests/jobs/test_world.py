"""The synthetic world: the same for the same seed, and with the habits that docs/world.md tells of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.world import WorldConfig, WorldRefused, generate, told_tables, world
from jobs.world.catalog import track_table
from warehouse.rules.identity import isrc_of, mbid_of
from warehouse.rules.quantity import HOUR_MS
from warehouse.rules.sessions import opens_session
from warehouse.tables import RAW_PLAYS, RAW_TRACKS

SMALL = WorldConfig(listeners=400, tracks=1_000, plays=40_000, days=56)


@pytest.fixture(scope="module")
def plays() -> pa.Table:
    return plays_of(SMALL)


def plays_of(config: WorldConfig) -> pa.Table:
    return pa.concat_tables(told.plays for told in told_tables(world(config)))


def column(plays: pa.Table, name: str) -> np.ndarray:
    return plays[name].to_numpy(zero_copy_only=False)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    config = replace(SMALL, listeners=50, plays=2_000)
    generate(config, tmp_path / "one")
    generate(config, tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["impressions.parquet", "plays.parquet", "tracks.parquet", "truth.npz"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_another_seed_gives_other_plays(plays: pa.Table) -> None:
    other = plays_of(replace(SMALL, seed=2))
    assert not other.equals(plays)


def test_plays_are_about_as_many_as_asked_for_and_each_has_its_own_id(plays: pa.Table) -> None:
    assert 0.8 * SMALL.plays < plays.num_rows < 1.2 * SMALL.plays
    assert len(set(plays["play_id"].to_pylist())) == plays.num_rows


def test_no_play_begins_before_the_world_or_ends_after_it(plays: pa.Table) -> None:
    started, played = column(plays, "started_ms"), column(plays, "played_ms")
    assert started.min() >= SMALL.first_ms
    assert (started + played).max() <= SMALL.end_ms
    assert played.min() >= 0
    assert (played <= column(plays, "track_ms")).all()


def test_columns_are_those_of_the_raw_tables(plays: pa.Table) -> None:
    declared = RAW_PLAYS.schema
    assert all(field.type == declared.field(field.name).type for field in plays.schema)
    tracks = track_table(SMALL, world(SMALL).music)
    assert tracks.schema.names == [name for name in RAW_TRACKS.schema.names if name != "import_id"]


def test_a_listener_plays_one_track_at_a_time(plays: pa.Table) -> None:
    listener, started = column(plays, "listener_id"), column(plays, "started_ms")
    ended = started + column(plays, "played_ms")
    same = listener[1:] == listener[:-1]
    assert (started[1:] >= ended[:-1])[same].all()


def test_sessions_have_several_plays_and_silence_between_them(plays: pa.Table) -> None:
    listener, started = column(plays, "listener_id"), column(plays, "started_ms")
    silence = started[1:] - (started + column(plays, "played_ms"))[:-1]
    opens = opens_session(silence) | (listener[1:] != listener[:-1])
    assert 5 < plays.num_rows / (1 + opens.sum()) < 12


def test_about_a_fifth_is_skipped_and_more_than_half_was_heard_before(plays: pa.Table) -> None:
    skips = Counter(plays["ended_by"].to_pylist())["skip"] / plays.num_rows
    heard = {*zip(plays["listener_id"].to_pylist(), plays["source_track_id"].to_pylist(), strict=True)}
    assert 0.15 < skips < 0.25
    assert 0.5 < 1 - len(heard) / plays.num_rows < 0.75


def test_what_lies_further_from_a_taste_is_skipped_more(plays: pa.Table) -> None:
    made = world(SMALL)
    position = {name: at for at, name in enumerate(made.people.ids)}
    listeners = np.array([position[name] for name in plays["listener_id"].to_pylist()])
    tracks = np.array([int(name.removeprefix("world:")) for name in plays["source_track_id"].to_pylist()])
    liking = np.einsum("pd,pd->p", made.people.vectors[listeners], made.music.vectors[tracks])
    skipped = column(plays, "ended_by") == "skip"
    assert liking[~skipped].mean() > liking[skipped].mean() + 0.05
    assert liking.mean() > np.mean(made.people.vectors @ made.music.vectors.T) + 0.2


def test_evenings_are_louder_than_nights_by_the_clock_of_the_country(plays: pa.Table) -> None:
    for country, offset_h in (("US", -6), ("DE", 1), ("IN", 5.5)):
        there = column(plays, "country") == country
        hour = (column(plays, "started_ms")[there] + offset_h * HOUR_MS) // HOUR_MS % 24
        evening, night = np.isin(hour, (17, 18, 19)).sum(), np.isin(hour, (2, 3, 4)).sum()
        assert evening > 4 * night


def test_albums_are_played_in_their_order(plays: pa.Table) -> None:
    tracks = np.array([int(name.removeprefix("world:")) for name in plays["source_track_id"].to_pylist()])
    listener, album = column(plays, "listener_id"), column(plays, "context") == "album"
    follows = (listener[1:] == listener[:-1]) & album[1:] & album[:-1]
    assert ((tracks[1:] - tracks[:-1])[follows] == 1).mean() > 0.5


def test_more_listen_at_the_end_than_at_the_beginning(plays: pa.Table) -> None:
    week = (column(plays, "started_ms") - SMALL.first_ms) // (7 * 24 * HOUR_MS)
    listener = column(plays, "listener_id")
    assert len(set(listener[week == 7])) > 1.2 * len(set(listener[week == 0]))


def test_names_repeat_and_are_not_all_ascii() -> None:
    tracks = track_table(SMALL, world(SMALL).music).to_pylist()
    names = Counter((track["artist"], track["title"]) for track in tracks)
    assert max(names.values()) > 1
    assert any(not track["artist"].isascii() for track in tracks)


def test_codes_are_well_formed_and_shared_by_reissues_alone() -> None:
    music = world(SMALL).music
    tracks = track_table(SMALL, music).to_pylist()
    for code, read in (("isrc", isrc_of), ("mbid", mbid_of)):
        told = [(int(same), track[code]) for same, track in zip(music.same_as, tracks, strict=True) if track[code]]
        assert all(read(text) == text for _, text in told)
        assert len({text for _, text in told}) == len({same for same, _ in told})


def test_the_truth_is_written_by_position(tmp_path: Path) -> None:
    made = generate(replace(SMALL, listeners=20, plays=500), tmp_path)
    with np.load(tmp_path / "truth.npz") as truth:
        assert truth["listener_ids"].tolist() == list(made.people.ids)
        assert np.array_equal(truth["listener_vectors"], made.people.vectors)
        assert truth["track_vectors"].shape == (SMALL.tracks, SMALL.dimensions)
    assert set(pq.read_table(tmp_path / "plays.parquet")["listener_id"].to_pylist()) <= set(made.people.ids)


def test_a_world_without_listeners_is_refused() -> None:
    with pytest.raises(WorldRefused, match="found 0 listeners"):
        WorldConfig(listeners=0)
