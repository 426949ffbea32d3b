"""Counting plays into a `Corpus`: all of them, or those before a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from models.als import AlsConfig
from models.als_training import fit_als
from models.base import Floats, Interactions, Positions, Sequences, first_of_session
from models.ranking.corpus import Corpus
from models.ranking.sparse import Lists, heaviest

LAGS = range(2, 6)
NEIGHBOURS = 100  # tracks with listeners in common that are kept for each
SESSIONS_A_TRACK = 500  # the latest sessions of a track that neighbours are looked for in
HISTORY = 500  # tracks of one listener that are paired with each other, the heaviest


@dataclass(frozen=True)
class Plays:
    """Plays in order [plays]: row of the listener, track, number of the session, start in seconds."""

    listeners: Positions
    tracks: Positions
    sessions: Positions
    started_s: Floats

    @classmethod
    def of(cls, interactions: Interactions) -> Self:
        """All plays. Raises ValueError where their order is unknown."""
        if interactions.sequences is None:
            raise ValueError("two stages learn from plays in order; found interactions without sequences")
        return cls.in_order(interactions.sequences)

    @classmethod
    def in_order(cls, sequences: Sequences) -> Self:
        """All plays of these."""
        listeners = sequences.listeners
        return cls(listeners, sequences.tracks, sequences.sessions, sequences.started_s)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Plays:
        """Those that are chosen, in their order."""
        return Plays(self.listeners[chosen], self.tracks[chosen], self.sessions[chosen], self.started_s[chosen])

    def later(self, lag: int) -> Positions:
        """The places of plays that have another, `lag` plays later, in the same session."""
        same = (self.listeners[lag:] == self.listeners[:-lag]) & (self.sessions[lag:] == self.sessions[:-lag])
        return np.flatnonzero(same)


def fit_corpus(plays: Plays, weights: csr_array[Any, tuple[int, int]], als: AlsConfig) -> Corpus:
    """Count these plays, and fit ALS to the weights [listeners, tracks] that they have."""
    tracks = int(weights.shape[1])
    popularity = np.bincount(plays.tracks, minlength=tracks).astype(np.float64)
    before, after = plays.tracks[plays.later(1)], plays.tracks[plays.later(1) + 1]
    ones, square = np.ones(len(before)), (tracks, tracks)
    keys, pairs = _pairs(plays, tracks)
    sessions = _sessions(plays)
    learned = Interactions(weights, csr_array(coo_array(square, dtype=np.float32)), popularity)
    return Corpus(
        als=fit_als(learned, als),
        shares=popularity / max(popularity.sum(), 1.0),
        follows=Lists.counted(before, after, ones, square),
        precedes=Lists.counted(after, before, ones, square),
        skips=_skips(plays, tracks),
        pairs=pairs,
        keys=keys,
        near=_near(weights),
        sessions=sessions,
        heard_in=_heard_in(plays, sessions, tracks),
    )


def _skips(plays: Plays, tracks: int) -> Lists:
    """What came some plays later, each time worth one over the lag."""
    at = [plays.later(lag) for lag in LAGS]
    rows = np.concatenate([plays.tracks[places] for places in at])
    columns = np.concatenate([plays.tracks[places + lag] for lag, places in zip(LAGS, at, strict=True)])
    values = np.concatenate([np.full(len(places), 1.0 / lag) for lag, places in zip(LAGS, at, strict=True)])
    return Lists.counted(rows, columns, values, (tracks, tracks))


def _pairs(plays: Plays, tracks: int) -> tuple[Positions, Lists]:
    at = plays.later(2)
    keys, rows = np.unique(plays.tracks[at] * tracks + plays.tracks[at + 1], return_inverse=True)
    return keys, Lists.counted(rows, plays.tracks[at + 2], np.ones(len(at)), (len(keys), tracks))


def _near(weights: csr_array[Any, tuple[int, int]]) -> Lists:
    """Cosine between tracks over listeners, each of whom counts by one over the square root of their tracks."""
    heard = heaviest(weights, HISTORY)
    each = np.diff(heard.indptr)
    heard.data = np.repeat(np.maximum(each, 1) ** -0.25, each).astype(np.float32)
    lengths = np.sqrt(np.bincount(heard.indices, heard.data**2, weights.shape[1]))
    heard.data /= lengths[heard.indices].astype(np.float32)
    alike = csr_array(heard.T @ heard)
    alike.setdiag(0.0)
    alike.eliminate_zeros()
    return Lists.of(heaviest(alike, NEIGHBOURS))


def _sessions(plays: Plays) -> Lists:
    """The tracks of each session in order of play."""
    opens = np.flatnonzero(first_of_session(plays.listeners, plays.sessions))
    starts = np.append(opens, len(plays.tracks)).astype(np.int64)
    return Lists(starts, plays.tracks.astype(np.int32), np.ones(len(plays.tracks), np.float32))


def _heard_in(plays: Plays, sessions: Lists, tracks: int) -> Lists:
    session = np.repeat(np.arange(len(sessions)), np.diff(sessions.starts))
    place = np.arange(len(session)) - sessions.starts[session]
    began = plays.started_s[sessions.starts[:-1]][session] if len(session) else plays.started_s
    order = np.lexsort((-place, session, -began, plays.tracks))
    track, named = plays.tracks[order], session[order]
    again = np.append(False, (track[1:] == track[:-1]) & (named[1:] == named[:-1]))[: len(track)]
    order, track = order[~again], track[~again]
    kept = np.arange(len(track)) - np.searchsorted(track, track) < SESSIONS_A_TRACK
    starts = np.searchsorted(track[kept], np.arange(tracks + 1)).astype(np.int64)
    chosen = order[kept]
    return Lists(starts, session[chosen].astype(np.int32), place[chosen].astype(np.float32))
