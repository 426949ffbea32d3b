"""A synthetic world of listeners and music, seeded, with the truth behind it: see docs/world.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.world.audience import COUNTRIES, DEVICES, Audience, audience
from jobs.world.catalog import Catalog, catalog, track_ids, track_table
from jobs.world.config import Ints, WorldConfig, WorldRefused
from jobs.world.listening import ENDED_BY, STYLES, Plays, mean_session_plays, plays_of

__all__ = ["World", "WorldConfig", "WorldRefused", "generate", "play_tables", "world"]

LISTENERS_AT_ONCE = 4_096  # part of what a seed means: other parts draw other numbers
SOURCE = "world"
PLAYS_FILE, TRACKS_FILE, TRUTH_FILE = "plays.parquet", "tracks.parquet", "truth.npz"


@dataclass(frozen=True)
class World:
    """The truth that plays are drawn from."""

    config: WorldConfig
    music: Catalog
    people: Audience


def world(config: WorldConfig) -> World:
    """The music and the people, before anything is played."""
    music = catalog(config)
    return World(config, music, audience(config, music, mean_session_plays()))


def play_tables(made: World) -> Iterator[pa.Table]:
    """The plays in the columns of raw.plays, by listener and time, some thousands of listeners a table."""
    tracks, listeners = track_ids(made.config.tracks), pa.array(made.people.ids)
    for start in range(0, made.config.listeners, LISTENERS_AT_ONCE):
        rows = slice(start, min(start + LISTENERS_AT_ONCE, made.config.listeners))
        yield _table(plays_of(made.config, made.music, made.people, rows), made, tracks, listeners)


def generate(config: WorldConfig, folder: Path) -> World:
    """Write plays.parquet, tracks.parquet and truth.npz into the folder, each whole or not at all."""
    made = world(config)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"{PLAYS_FILE}.part"
    tables = play_tables(made)
    first = next(tables)
    with pq.ParquetWriter(scratch, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
    pq.write_table(track_table(config, made.music), folder / TRACKS_FILE, compression="zstd")
    _write_truth(made, folder / TRUTH_FILE)
    scratch.replace(folder / PLAYS_FILE)  # last: where the plays are, the rest is
    return made


def _table(told: Plays, made: World, tracks: pa.Array, listeners: pa.Array) -> pa.Table:
    listener_id = listeners.take(pa.array(told.listener))
    return pa.table(
        {
            "play_id": pc.binary_join_element_wise(listener_id, pa.array(told.number).cast(pa.string()), "-"),
            "listener_id": listener_id,
            "source_track_id": tracks.take(pa.array(told.track)),
            "started_ms": pa.array(told.started_ms),
            "source": pa.repeat(pa.scalar(SOURCE), len(told.track)),
            "played_ms": pa.array(told.played_ms),
            "track_ms": pa.array(made.music.track_ms[told.track]),
            "context": _names(told.style, STYLES),
            "ended_by": _names(told.ended_by, ENDED_BY),
            "device": _names(told.device, DEVICES),
            "country": _names(made.people.country[told.listener], tuple(country.code for country in COUNTRIES)),
        }
    )


def _names(positions: Ints, names: tuple[str, ...]) -> pa.Array:
    return pa.array(names).take(pa.array(positions))


def _write_truth(made: World, path: Path) -> None:
    """Arrays by position: listener `i` is `listener_ids[i]`, track `n` is `world:<n>`."""
    music, people = made.music, made.people
    np.savez(
        path,
        listener_ids=np.array(people.ids),
        listener_vectors=people.vectors,
        listener_country=np.array([COUNTRIES[c].code for c in people.country.tolist()]),
        listener_joined_day=people.joined_day,
        listener_left_day=people.left_day,
        listener_mainstream=people.mainstream,
        listener_constancy=people.constancy,
        track_vectors=music.vectors,
        track_scene=music.scene,
        track_artist=music.artist,
        track_album=music.album,
        track_popularity=music.popularity,
        track_same_as=music.same_as,
        scene_vectors=music.scene_vectors,
        scene_genre=music.genre_of_scene,
    )
