"""The synthetic world with its truth, for the notebooks that compare what is measured with what is so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.world.shelves import worth
from jobs.world import World, WorldConfig, told_tables, world
from models.base import Floats, Positions
from models.evaluation.splits import SessionPlays
from models.ranking.counting import Plays
from models.ranking.logged import Shown
from warehouse.rules.plays import counts_as_play
from warehouse.rules.quantity import SECOND_MS
from warehouse.rules.sessions import opens_session


@dataclass(frozen=True)
class SeededWorld:
    """The truth, the counted plays, and what was shown: listeners and tracks are places in the truth's arrays."""

    truth: World
    plays: SessionPlays
    shown: Shown

    def worth(self, listeners: Positions) -> Floats:
        """The chance that each listener plays each track through, once they look at it [listeners, tracks]."""
        heard = np.zeros((len(self.truth.people.ids), len(self.truth.music.artist)), bool)
        heard[self.plays.listeners, self.plays.tracks] = True
        liking = self.truth.people.vectors[listeners] @ self.truth.music.vectors.T
        return worth(liking, heard[listeners])

    def in_order(self) -> Plays:
        """The plays as the two stages read them."""
        plays = self.plays
        return Plays(plays.listeners, plays.tracks, plays.sessions, plays.started / SECOND_MS)


def seeded_world(config: WorldConfig) -> SeededWorld:
    """The world of that configuration."""
    truth = world(config)
    tables = list(told_tables(truth))
    told = pa.concat_tables(one.plays for one in tables)
    listeners, tracks = _listeners(truth, told["listener_id"]), _tracks(told["source_track_id"])
    started, played, lengths = (told[name].to_numpy() for name in ("started_ms", "played_ms", "track_ms"))
    counted = counts_as_play(played, lengths)
    plays = SessionPlays(listeners, tracks, np.zeros(len(tracks), np.int64), started).where(counted)
    in_sessions = SessionPlays(plays.listeners, plays.tracks, _sessions(plays, played[counted]), plays.started)
    return SeededWorld(truth, in_sessions, _shown(truth, pa.concat_tables(one.impressions for one in tables), told, counted))


def _shown(truth: World, slots: pa.Table, told: pa.Table, counted: Floats) -> Shown:
    ids = pc.binary_join_element_wise(slots["impression_id"], slots["slot"].cast(pa.string()), "-")
    heard = told["play_id"].filter(pa.array(counted))
    answers = pc.rank(slots["impression_id"], tiebreaker="dense") if len(slots) else pa.array([], pa.uint64())
    return Shown(
        answers.to_numpy().astype(np.int64),
        _listeners(truth, slots["listener_id"]),
        _tracks(slots["track_id"]),
        slots["slot"].to_numpy().astype(np.int64),
        slots["received_ms"].to_numpy() / SECOND_MS,
        pc.is_in(ids, value_set=heard).to_numpy(zero_copy_only=False).astype(np.int64),
    )


def _listeners(truth: World, told: pa.ChunkedArray) -> Positions:
    ids = np.array(truth.people.ids)
    order = np.argsort(ids)
    return order[np.searchsorted(ids[order], told.to_numpy())]


def _tracks(told: pa.ChunkedArray) -> Positions:
    return np.array([int(one.removeprefix("world:")) for one in told.to_pylist()], np.int64)


def _sessions(plays: SessionPlays, played_ms: Positions) -> Positions:
    """The number of each play's session, over plays by listener and time."""
    silence_ms = plays.started[1:] - (plays.started + played_ms)[:-1]
    opens = (plays.listeners[1:] != plays.listeners[:-1]) | opens_session(silence_ms)
    return np.concatenate([[0], np.cumsum(opens)])
