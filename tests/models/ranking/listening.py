"""A small history whose next tracks can be known: albums heard in order, by listeners with favourites."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from models.als import AlsConfig
from models.base import Interactions, Recent, Sequences, Taste, TrackPosition
from models.evaluation.splits import recent_of
from models.ranking.two_stage import TwoStageConfig

ALBUMS, EACH = 4, 10
TRACKS = ALBUMS * EACH
LISTENERS, SESSIONS, LENGTH = 40, 6, 5
CONFIG = TwoStageConfig(als=AlsConfig(factors=8, iterations=3), moments=400, trees=12, leaves=8, recent_share=0.5)


def listening(seed: int = 3) -> Interactions:
    """Each session is an album from some place on; of the two that a listener likes, one is heard more."""
    random = np.random.default_rng(seed)
    tracks, sessions, started = [], [], []
    for listener in range(LISTENERS):
        liked = [listener % ALBUMS, (listener // ALBUMS + 1) % ALBUMS]
        for session in range(SESSIONS):
            album = liked[0] if random.random() < 2 / 3 else liked[1]
            first = int(random.integers(0, EACH - 1))
            places = (first + np.arange(LENGTH)) % EACH
            tracks.append(album * EACH + places)
            sessions.append(np.full(LENGTH, listener * SESSIONS + session))
            started.append(86_400.0 * (session * 10 + listener / LISTENERS) + 240.0 * np.arange(LENGTH))
    return of_plays(np.concatenate(tracks), np.concatenate(sessions), np.concatenate(started))


def of_plays(tracks: np.ndarray, sessions: np.ndarray, started_s: np.ndarray) -> Interactions:
    """Interactions of all plays, each of weight 1; listener after listener."""
    listeners = np.repeat(np.arange(LISTENERS), SESSIONS * LENGTH)
    ones = np.ones(len(tracks), np.float32)
    weights = csr_array(coo_array((ones, (listeners, tracks)), shape=(LISTENERS, TRACKS)))
    follows = sessions[1:] == sessions[:-1]
    steps = (tracks[:-1][follows], tracks[1:][follows])
    transitions = csr_array(coo_array((ones[: len(steps[0])], steps), shape=(TRACKS, TRACKS)))
    starts = np.searchsorted(listeners, np.arange(LISTENERS + 1))
    popularity = np.bincount(tracks, minlength=TRACKS).astype(np.float64)
    return Interactions(weights, transitions, popularity, Sequences(starts, tracks, sessions, started_s))


def taste_of(interactions: Interactions, listener: int, session: int = LENGTH) -> Taste:
    """The listener at the start of their last play."""
    sequences = interactions.sequences
    assert sequences is not None
    start, stop = int(sequences.starts[listener]), int(sequences.starts[listener + 1])
    recent: Recent = recent_of(sequences, start, stop, session)
    each, times = np.unique(sequences.tracks[start:stop], return_counts=True)
    return Taste(each, times.astype(np.float64), TrackPosition(int(recent.tracks[-1])), recent)
