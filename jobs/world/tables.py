"""What a world tells, as tables: plays in the columns of raw.plays, what was shown in those of raw.impressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.world.audience import COUNTRIES, DEVICES, Audience, audience
from jobs.world.catalog import Catalog, catalog, track_ids
from jobs.world.config import Ints, WorldConfig
from jobs.world.listening import ENDED_BY, STYLES, Plays, mean_session_plays, plays_of
from jobs.world.shelves import SLOTS, SOURCES, Shelves, shelves_of

LISTENERS_AT_ONCE = 4_096  # part of what a seed means: other parts draw other numbers
SOURCE, SHELF, POLICY = "world", "for-you", "world-mixture"


@dataclass(frozen=True)
class World:
    """The truth that plays are drawn from."""

    config: WorldConfig
    music: Catalog
    people: Audience


class WorldTables(NamedTuple):
    """What some thousands of listeners played and were shown."""

    plays: pa.Table
    impressions: pa.Table


def world(config: WorldConfig) -> World:
    """The music and the people, before anything is played."""
    music = catalog(config)
    return World(config, music, audience(config, music, mean_session_plays()))


def told_tables(made: World) -> Iterator[WorldTables]:
    """All of it, by listener and time."""
    names = _Names(track_ids(made.config.tracks), pa.array(made.people.ids))
    for start in range(0, made.config.listeners, LISTENERS_AT_ONCE):
        rows = slice(start, min(start + LISTENERS_AT_ONCE, made.config.listeners))
        own = plays_of(made.config, made.music, made.people, rows)
        shelves = shelves_of(made.config, made.music, made.people, rows, own)
        shown = _joined(names.listeners.take(pa.array(shelves.listener)), shelves.number, "-shelf-")
        yield WorldTables(_plays(own, shelves, shown, made, names), _impressions(shelves, shown, names))


class _Names(NamedTuple):
    """By position."""

    tracks: pa.Array
    listeners: pa.Array


def _plays(own: Plays, shelves: Shelves, shown: pa.Array, made: World, names: _Names) -> pa.Table:
    """What listeners came to by themselves and what they played of shelves `shown`, by listener and time."""
    answer, slot = np.nonzero(shelves.tried)
    listener = np.concatenate([own.listener, shelves.listener[answer]])
    started_ms = np.concatenate([own.started_ms, shelves.started_ms[shelves.tried]])
    track = np.concatenate([own.track, shelves.track[shelves.tried]])
    style = np.concatenate([own.style, np.full(len(slot), len(STYLES))])
    device = np.concatenate([own.device, made.people.devices[shelves.listener[answer], 0]])
    own_ids = _joined(names.listeners.take(pa.array(own.listener)), own.number)
    impression_id = shown.take(pa.array(answer))
    told = pa.table(
        {
            "play_id": pa.concat_arrays([own_ids, _joined(impression_id, slot)]),
            "listener_id": names.listeners.take(pa.array(listener)),
            "source_track_id": names.tracks.take(pa.array(track)),
            "started_ms": pa.array(started_ms),
            "source": pa.repeat(pa.scalar(SOURCE), len(track)),
            "played_ms": pa.array(np.concatenate([own.played_ms, shelves.played_ms[shelves.tried]])),
            "track_ms": pa.array(made.music.track_ms[track]),
            "context": _named(style, (*STYLES, f"shelf:{SHELF}")),
            "impression_id": pa.concat_arrays([pa.nulls(len(own.track), pa.string()), impression_id]),
            "slot": pa.concat_arrays([pa.nulls(len(own.track), pa.int32()), pa.array(slot.astype(np.int32))]),
            "ended_by": _named(np.concatenate([own.ended_by, shelves.ended_by[shelves.tried]]), ENDED_BY),
            "device": _named(device, DEVICES),
            "country": _named(made.people.country[listener], tuple(country.code for country in COUNTRIES)),
        }
    )
    return told.take(pa.array(np.lexsort((started_ms, listener))))


def _impressions(shelves: Shelves, shown: pa.Array, names: _Names) -> pa.Table:
    """A row a slot of the shelves, whose impression ids are `shown`."""
    answer = pa.array(np.repeat(np.arange(len(shelves.listener)), SLOTS))
    slots = len(answer)
    return pa.table(
        {
            "impression_id": shown.take(answer),
            "listener_id": names.listeners.take(pa.array(shelves.listener)).take(answer),
            "shelf": pa.repeat(pa.scalar(SHELF), slots),
            "slot": pa.array(np.tile(np.arange(SLOTS, dtype=np.int32), len(shelves.listener))),
            "track_id": names.tracks.take(pa.array(shelves.track.ravel())),
            "source": _named(shelves.source.ravel(), SOURCES),
            "model_version": pa.repeat(pa.scalar(POLICY), slots),
            "propensity": pa.array(shelves.propensity.ravel()),
            "received_ms": pa.array(shelves.shown_ms).take(answer),
        }
    )


def _joined(ids: pa.Array, numbers: Ints, by: str = "-") -> pa.Array:
    return pc.binary_join_element_wise(ids, pa.array(numbers).cast(pa.string()), by)


def _named(positions: Ints, names: tuple[str, ...]) -> pa.Array:
    return pa.array(names).take(pa.array(positions))
