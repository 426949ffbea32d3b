"""A synthetic world of listeners and music, seeded, with the truth behind it: see docs/world.md."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobs.world.audience import COUNTRIES
from jobs.world.catalog import track_table
from jobs.world.config import WorldConfig, WorldRefused
from jobs.world.tables import World, told_tables, world

__all__ = ["World", "WorldConfig", "WorldRefused", "generate", "told_tables", "world"]

PLAYS_FILE, TRACKS_FILE, IMPRESSIONS_FILE = "plays.parquet", "tracks.parquet", "impressions.parquet"
FILES = (PLAYS_FILE, TRACKS_FILE, IMPRESSIONS_FILE)  # what is imported
TRUTH_FILE = "truth.npz"


def generate(config: WorldConfig, folder: Path) -> World:
    """Write plays.parquet, impressions.parquet, tracks.parquet and truth.npz, each whole or not at all."""
    made = world(config)
    folder.mkdir(parents=True, exist_ok=True)
    names = (PLAYS_FILE, IMPRESSIONS_FILE)
    scratch = [folder / f"{name}.part" for name in names]
    tables = told_tables(made)
    first = next(tables)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(pq.ParquetWriter(path, table.schema, compression="zstd"))
            for path, table in zip(scratch, first, strict=True)
        ]
        for told in chain([first], tables):
            for writer, table in zip(writers, told, strict=True):
                writer.write_table(table)
    pq.write_table(track_table(config, made.music), folder / TRACKS_FILE, compression="zstd")
    _write_truth(made, folder / TRUTH_FILE)
    for path, name in reversed(list(zip(scratch, names, strict=True))):
        path.replace(folder / name)  # the plays last: where they are, the rest is
    return made


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
