"""The synthetic world with its truth, for the notebooks that compare what is measured with what is so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.world import World, WorldConfig, play_tables, world
from models.base import Positions
from models.evaluation.splits import SessionPlays
from warehouse.rules.plays import counts_as_play
from warehouse.rules.sessions import opens_session


@dataclass(frozen=True)
class SeededWorld:
    """The truth, and the counted plays: listeners and tracks are places in the truth's arrays."""

    truth: World
    plays: SessionPlays


def seeded_world(config: WorldConfig) -> SeededWorld:
    """The world of that configuration."""
    truth = world(config)
    told = pa.concat_tables(play_tables(truth))
    listener = told["listener_id"].to_numpy()
    ids = np.array(truth.people.ids)
    order = np.argsort(ids)
    listeners = order[np.searchsorted(ids[order], listener)]
    tracks = np.array([int(one.removeprefix("world:")) for one in told["source_track_id"].to_pylist()], np.int64)
    started, played, lengths = (told[name].to_numpy() for name in ("started_ms", "played_ms", "track_ms"))
    counted = counts_as_play(played, lengths)
    plays = SessionPlays(listeners, tracks, np.zeros(len(tracks), np.int64), started).where(counted)
    return SeededWorld(
        truth, SessionPlays(plays.listeners, plays.tracks, _sessions(plays, played[counted]), plays.started)
    )


def _sessions(plays: SessionPlays, played_ms: Positions) -> Positions:
    """The number of each play's session, over plays by listener and time."""
    silence_ms = plays.started[1:] - (plays.started + played_ms)[:-1]
    opens = (plays.listeners[1:] != plays.listeners[:-1]) | opens_session(silence_ms)
    return np.concatenate([[0], np.cumsum(opens)])
