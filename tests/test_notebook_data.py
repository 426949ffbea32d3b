"""What notebooks are given: real plays where there are some, else the lake's, and worlds with their truth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.world import WorldConfig
from notebooks.real_data import data_folder, session_plays
from notebooks.seeded_world import seeded_world
from warehouse.rules.quantity import HOUR_MS, SECOND_MS
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_SESSIONS

HALF_AN_HOUR_MS = HOUR_MS // 2


def test_30music_is_taken_where_the_folder_has_it(tmp_path: Path) -> None:
    (tmp_path / "30music").mkdir()
    columns = {"user_id": [4, 4], "song_id": [9, 8], "session_id": [1, 1], "ts": [10, 20], "playtime": [5, 5]}
    pq.write_table(pa.table(columns), tmp_path / "30music" / "plays.parquet")
    plays, source = session_plays({"BACKBEAT_TEST_DATA": str(tmp_path)})
    assert plays.tracks.tolist() == [9, 8]
    assert plays.started.tolist() == [10 * SECOND_MS, 20 * SECOND_MS]
    assert source == "30Music, real plays of 2014: 2 plays by 1 listeners"


def test_without_it_the_lake_is_taken_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {
            "listener_id": listener,
            "session_started_ms": session,
            "play_id": f"{listener}{started}",
            "track_id": track,
            "started_ms": started,
            "ended_ms": started + 1,
            "day": date(1970, 1, 1),
        }
        for listener, session, track, started in (
            ("b", 5, "t1", 5),
            ("a", 1, "t1", 1),
            ("a", 1, "t2", 3),
            ("a", 9, "t1", 9),
        )
    ]
    Lake(str(tmp_path / "lake")).replace(CORE_SESSIONS, pa.Table.from_pylist(rows, CORE_SESSIONS.schema))
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.setenv("BACKBEAT_LAKE", str(tmp_path / "lake"))
    plays, source = session_plays({"BACKBEAT_TEST_DATA": str(tmp_path / "none")})
    assert plays.listeners.tolist() == ["a", "a", "a", "b"]
    assert plays.tracks.tolist() == ["t1", "t2", "t1", "t1"]
    assert plays.sessions.tolist() == [0, 0, 1, 2]
    assert "BACKBEAT_TEST_DATA names no folder with 30Music" in source


def test_a_data_set_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert data_folder("hetrec-lastfm", {"BACKBEAT_TEST_DATA": str(tmp_path)}) is None


def test_listeners_and_tracks_of_a_world_are_places_in_its_truth() -> None:
    made = seeded_world(WorldConfig(listeners=40, tracks=60, plays=2_000, days=20))
    people, music = made.truth.people, made.truth.music
    liking = (people.vectors[made.plays.listeners] * music.vectors[made.plays.tracks]).sum(axis=1)
    anybody = (people.vectors[made.plays.listeners] * music.vectors[made.plays.tracks[::-1]]).sum(axis=1)
    assert liking.mean() > anybody.mean() + 0.1


def test_sessions_of_a_world_are_of_one_listener_and_apart_by_half_an_hour() -> None:
    plays = seeded_world(WorldConfig(listeners=40, tracks=60, plays=2_000, days=20)).plays
    opens = np.flatnonzero(np.diff(plays.sessions)) + 1
    same = plays.listeners[opens] == plays.listeners[opens - 1]
    assert same.any()
    assert (plays.started[opens] - plays.started[opens - 1])[same].min() >= HALF_AN_HOUR_MS
    within = np.flatnonzero(np.diff(plays.sessions) == 0)
    assert (plays.listeners[within] == plays.listeners[within + 1]).all()
