"""What each source says at one moment: of the session that goes on, and of the listener's own plays.

The moment is the start of the last play; nothing but the taste and the corpus is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from models.base import Floats, Positions, Taste
from models.ranking.corpus import Corpus
from models.ranking.sparse import Few, Lists

SESSION = 20  # plays of the session that are read, the latest
LATEST = 5  # plays whose followers and likes are read
FADES, FOLLOWERS_FADE = 0.8, 0.7  # what a play counts beside the one after it
NEIGHBOURS = 100  # sessions that vote
MATCHED = 15  # plays of the session that neighbours are looked for by
_MATCH_FADES_AFTER = 3.0
_BEFORE, _AFTER = 5, 15  # plays of a neighbour before and after the match that get votes
_DISTANCE = np.arange(-_BEFORE, _AFTER + 1)
_VOTES = np.exp(-np.abs(_DISTANCE) / 5.0) * np.where(_DISTANCE > 0, 1.0, 0.6)
DECAY = 0.5  # the d of base-level activation
AT_LEAST_S = 60.0  # an age below a minute counts as a minute


@dataclass(frozen=True)
class OfSession:
    """What the session alone speaks for. Two tastes with the same session have the same."""

    plays: Positions
    follows: Few
    follows_both: Few
    follows_earlier: Few
    skips: Few
    precedes: Few
    near: Few
    near_current: Few
    neighbours: Few
    times: Few
    direction: Floats

    @property
    def current(self) -> int | None:
        """The track that was played last."""
        return int(self.plays[-1]) if len(self.plays) else None

    @classmethod
    def read(cls, corpus: Corpus, plays: Positions) -> Self:
        """Of these plays, oldest first."""
        if not len(plays):
            no = Few.none()
            return cls(plays, no, no, no, no, no, no, no, no, no, np.zeros(corpus.als.config.factors))
        latest = plays[::-1][:LATEST]
        fading = FADES ** np.arange(len(latest))
        current = int(plays[-1])
        return cls(
            plays,
            corpus.follows.row(current),
            corpus.after_both(int(plays[-2]), current) if len(plays) > 1 else Few.none(),
            corpus.follows.weighted(latest[1:], FOLLOWERS_FADE ** np.arange(len(latest) - 1)),
            corpus.skips.weighted(latest, fading),
            corpus.precedes.row(current),
            corpus.near.weighted(latest, fading),
            corpus.near.row(current),
            alike_sessions(corpus, plays[-MATCHED:]),
            Few.summed(plays, np.ones(len(plays))),
            fading @ corpus.directions[latest],
        )


def session_of(taste: Taste) -> Positions:
    """The plays of the session so far; the current track alone where no session is told."""
    plays = taste.recent.in_session[-SESSION:]
    if not len(plays) and taste.current is not None:
        return np.array([taste.current], np.int64)
    return plays


def alike_sessions(corpus: Corpus, plays: Positions) -> Few:
    """Tracks of the sessions most like these plays, each worth its session's likeness, less the farther from the match.

    A session is alike by the sum of the plays that it shares, the older the less, over the root of its length.
    """
    tracks, last = np.unique(plays[::-1], return_index=True)
    weights = np.exp(-last / _MATCH_FADES_AFTER)
    places, lengths = corpus.heard_in.entries(tracks)
    if not len(places):
        return Few.none()
    order = np.argsort(corpus.heard_in.items[places], kind="stable")
    named = corpus.heard_in.items[places][order]
    first = np.flatnonzero(np.concatenate([[True], named[1:] != named[:-1]]))
    sessions = named[first].astype(np.int64)
    alike = np.add.reduceat(np.repeat(weights, lengths)[order], first) / np.sqrt(corpus.session_lengths[sessions])
    matched = np.maximum.reduceat(corpus.heard_in.values[places][order], first)
    if len(sessions) > NEIGHBOURS:
        best = np.argsort(-alike, kind="stable")[:NEIGHBOURS]
        sessions, alike, matched = sessions[best], alike[best], matched[best]
    return _votes(corpus.sessions, sessions, alike, matched)


def _votes(rows: Lists, sessions: Positions, alike: Floats, matched: Floats) -> Few:
    """Of the plays around the match, which alone count for anything."""
    match = rows.starts[sessions] + matched.astype(np.int64)
    first = np.maximum(rows.starts[sessions], match - _BEFORE)
    lengths = np.minimum(rows.starts[sessions + 1], match + _AFTER + 1) - first
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1]) + np.repeat(first - (ends - lengths), lengths)
    after = places - np.repeat(match, lengths)
    return Few.summed(rows.items[places], np.repeat(alike, lengths) * _VOTES[after + _BEFORE])


@dataclass(frozen=True)
class OfOwn:
    """What the listener's own plays speak for.

    `activation` is base-level activation without its logarithm, the sum of age^-1/2 over the plays of a track (ACT-R:
    Anderson and Schooler 1991; for music Reiter-Haas et al. 2021). `follows`, `follows_later` count what came one and
    two plays after the current track before now, `ago` holds seconds since the last play, `weights` are the taste's.
    """

    weights: Few
    activation: Few
    follows: Few
    follows_later: Few
    ago: Few

    @classmethod
    def read(cls, taste: Taste, current: int | None) -> Self:
        """Of the taste and its plays in order."""
        order = np.argsort(taste.tracks, kind="stable")
        weights = Few(taste.tracks[order], taste.weights[order])
        plays, ago = taste.recent.tracks, np.maximum(taste.recent.ago_s, 0.0) + AT_LEAST_S
        if not len(plays):
            return cls(weights, *(Few.none() for _ in range(4)))
        activation = Few.summed(plays, ago**-DECAY)
        place = np.argsort(plays, kind="stable")
        last = place[np.append(np.flatnonzero(np.diff(plays[place])), len(plays) - 1)]
        at = np.flatnonzero(plays[:-1] == current) if current is not None else np.empty(0, np.int64)
        later = at[at + 2 < len(plays)]
        follows = Few.summed(plays[at + 1], np.ones(len(at)))
        follows_later = Few.summed(plays[later + 2], np.ones(len(later)))
        return cls(weights, activation, follows, follows_later, Few(plays[last], ago[last]))


@dataclass(frozen=True)
class Evidence:
    """What the session speaks for, the listener's vector of ALS [factors], and what the own plays speak for."""

    taste: Taste
    session: OfSession
    vector: Floats

    @cached_property
    def own(self) -> OfOwn:
        """Read at its first use."""
        return OfOwn.read(self.taste, self.session.current)

    @classmethod
    def read(cls, corpus: Corpus, taste: Taste, session: OfSession | None = None) -> Self:
        """Of this taste; `session` is taken where it is of the same plays."""
        plays = session_of(taste)
        if session is None or not np.array_equal(session.plays, plays):
            session = OfSession.read(corpus, plays)
        return cls(taste, session, corpus.als.fold_in(taste))
