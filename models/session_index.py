"""Which sessions of the training data hold a track, the latest first, and what they hold: for session neighbours.

Jannach and Ludewig 2017, "When Recurrent Neural Networks meet the Neighborhood for Session-Based Recommendation": an
inverted index, and a sample of the latest sessions, make neighbours cheap enough to be found at the time of asking.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.base import Floats, ModelBroken, Positions, Sequences
from models.files import read_arrays
from models.reaching import rows_joined

_ARRAYS = frozenset({"ages_s", "places", "session_starts", "session_tracks", "sessions", "track_starts"})


@dataclass(frozen=True)
class SessionIndex:
    """Sessions are numbered from the latest to the oldest, so that a lower number is the more recent.

    Session s holds `session_tracks[session_starts[s]:session_starts[s + 1]]` in order of playing, and began `ages_s[s]`
    seconds (or, where times are unknown, places in the order) before the latest of them. Track t is in
    `sessions[track_starts[t]:track_starts[t + 1]]`, ascending, each once; `places` say where each had it last.
    """

    session_starts: Positions
    session_tracks: Positions
    ages_s: Floats
    track_starts: Positions
    sessions: Positions
    places: Positions

    @classmethod
    def of(cls, plays: Sequences, tracks: int) -> Self:
        """The index of these plays, whose sessions of one play are left out: they say nothing of what goes together."""
        opens = np.flatnonzero(plays.opens)
        lengths = np.diff(np.append(opens, len(plays.tracks)))
        opens, lengths = opens[lengths > 1], lengths[lengths > 1]
        latest = np.lexsort((-opens, -plays.started_s[opens]))
        opens, lengths = opens[latest], lengths[latest]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        whose = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(whose)) - starts[whose]
        held = plays.tracks[opens[whose] + place]
        order = np.lexsort((place, whose, held))
        last = np.append((np.diff(held[order]) != 0) | (np.diff(whose[order]) != 0), True)[: len(order)]
        order = order[last]
        track_starts = np.searchsorted(held[order], np.arange(tracks + 1))
        began = plays.started_s[opens]
        return cls(starts, held, began.max(initial=0.0) - began, track_starts, whose[order], place[order])

    def __len__(self) -> int:
        return len(self.ages_s)

    @property
    def tracks(self) -> int:
        return len(self.track_starts) - 1

    @property
    def lengths(self) -> Positions:
        """How many plays each session has [sessions]."""
        return np.diff(self.session_starts)

    @cached_property
    def rarity(self) -> Floats:
        """idf: the logarithm of how many sessions there are to one that holds the track [tracks], above zero."""
        return np.log((len(self) + 1.0) / np.maximum(np.diff(self.track_starts), 1))

    def with_tracks(self, tracks: Positions, most: int) -> tuple[Positions, Positions, Positions]:
        """The latest sessions with each of these tracks, at most so many of each.

        Of each the session, the place in `tracks`, and the place of that track in the session.
        """
        flat, whose = rows_joined(self.track_starts, tracks, most)
        return self.sessions[flat], whose, self.places[flat]

    def inside(self, sessions: Positions) -> tuple[Positions, Positions, Positions]:
        """Every play of these sessions: its track, the place in `sessions`, and its place in the session."""
        flat, whose = rows_joined(self.session_starts, sessions)
        return self.session_tracks[flat], whose, flat - self.session_starts[sessions][whose]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it by name."""
        return {name: getattr(self, name) for name in sorted(_ARRAYS)}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `arrays` as they were saved. Raises `ModelBroken`."""
        arrays = read_arrays(path, _ARRAYS)
        index = cls(**{name: arrays[name] for name in _ARRAYS})
        fits = (
            index.session_starts[-1:].tolist() == [len(index.session_tracks)]
            and len(index.session_starts) == len(index.ages_s) + 1
            and index.track_starts[-1:].tolist() == [len(index.sessions)]
            and len(index.places) == len(index.sessions)
        )
        if not fits or not np.isfinite(index.ages_s).all():
            raise ModelBroken(f"reading {path}: found parts of {len(index)} sessions that do not fit, or no number")
        return index


@dataclass(frozen=True)
class Neighbours:
    """The sessions nearest to the one so far: `sessions` [neighbours], how near, and where the two last met.

    `met` is the place, among the tracks asked with, of the latest one that the neighbour shares with the session so
    far, and `met_at` where in the neighbour that one was played last.
    """

    sessions: Positions
    similarity: Floats
    met: Positions
    met_at: Positions

    @classmethod
    def nearest(
        cls, index: SessionIndex, tracks: Positions, weights: Floats, scale: Floats, sample: int, most: int
    ) -> Self:
        """Of the `sample` latest sessions that share a track, the `most` most similar; of equal ones the more recent.

        The similarity is the sum of the `weights` [tracks] of those of the `tracks` that it holds, times the session's
        `scale` [sessions]. The tracks are told latest first, each once.
        """
        session, whose, place = index.with_tracks(tracks, sample)
        order = np.lexsort((whose, session))
        session, whose, place = session[order], whose[order], place[order]
        opens = np.flatnonzero(np.diff(session, prepend=-1))
        if len(opens) > sample:
            session, whose, opens = session[: opens[sample]], whose[: opens[sample]], opens[:sample]
        similarity = np.add.reduceat(weights[whose], opens) * scale[session[opens]] if len(opens) else np.empty(0)
        at = opens[np.argsort(-similarity, kind="stable")[:most]]
        return cls(session[at], np.sort(similarity)[::-1][:most], whose[at], place[at])


def each_once(session: Positions) -> tuple[Positions, Floats]:
    """The tracks of a session that is told latest first, each where it was played latest, and how many plays ago."""
    tracks, ago = np.unique(session, return_index=True)
    order = np.argsort(ago)
    return tracks[order], ago[order].astype(np.float64)
