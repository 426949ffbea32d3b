"""What each source says at one moment: of the session that goes on, and of the listener's own plays.

The moment is the start of the last play; nothing but the taste and the corpus is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Self

import numpy as np

from models.base import NOBODY, Floats, Positions, Taste
from models.ranking.corpus import Corpus
from models.ranking.sparse import Lists, Named, Term, starts_of_runs

SESSION = 20  # plays of the session that are read, the latest
LATEST = 5  # plays whose followers and likes are read
FADING = (0.8 ** np.arange(LATEST)).tolist()  # what each of them counts, the last one first
FOLLOWERS_FADING = (0.7 ** np.arange(LATEST)).tolist()
NEIGHBOURS = 100  # sessions that vote
MATCHED = 15  # plays of the session that neighbours are looked for by
_MATCH_FADING = np.exp(-np.arange(MATCHED) / 3.0).tolist()
_BEFORE, _AFTER = 5, 15  # plays of a neighbour before and after the match that get votes
_DISTANCE = np.arange(-_BEFORE, _AFTER + 1)
_VOTES = np.exp(-np.abs(_DISTANCE) / 5.0) * np.where(_DISTANCE > 0, 1.0, 0.6)
DECAY = 0.5  # the d of base-level activation
AT_LEAST_S = 60.0  # an age below a minute counts as a minute


class Said(IntEnum):
    """What is said of a track by the session that goes on: the sources of `OfSession.named`."""

    FOLLOWS = 0
    FOLLOWS_BOTH = 1
    FOLLOWS_EARLIER = 2
    SKIPS = 3
    PRECEDES = 4
    NEAR = 5
    NEAR_CURRENT = 6
    NEIGHBOURS = 7
    TIMES = 8


@dataclass(frozen=True)
class OfSession:
    """What the session alone speaks for. Two tastes with the same session have the same.

    `direction` [factors] is that of its latest plays, the older the less.
    """

    plays: Positions
    named: Named
    direction: Floats

    @property
    def current(self) -> int | None:
        """The track that was played last."""
        return int(self.plays[-1]) if len(self.plays) else None

    @classmethod
    def read(cls, corpus: Corpus, sessions: Sequence[Positions]) -> list[Self]:
        """Of the plays of each session, oldest first."""
        terms = [term for at, plays in enumerate(sessions) for term in _terms(corpus, plays, at * len(Said))]
        named = Named.summed(len(sessions) * len(Said), corpus.tracks, terms)
        return [
            cls(plays, part, _direction(corpus, plays))
            for plays, part in zip(sessions, named.split(len(Said)), strict=True)
        ]


def _terms(corpus: Corpus, plays: Positions, first: int) -> Iterator[Term]:
    if not len(plays):
        return
    latest = plays[::-1][:LATEST].tolist()
    current = latest[0]
    yield Term(first + Said.FOLLOWS, *corpus.follows.row(current))
    if len(latest) > 1:
        yield Term(first + Said.FOLLOWS_BOTH, *corpus.after_both(latest[1], current))
    for track, fades in zip(latest[1:], FOLLOWERS_FADING, strict=False):
        yield Term(first + Said.FOLLOWS_EARLIER, *corpus.follows.row(track), fades)
    for track, fades in zip(latest, FADING, strict=False):
        yield Term(first + Said.SKIPS, *corpus.skips.row(track), fades)
        yield Term(first + Said.NEAR, *corpus.near.row(track), fades)
    yield Term(first + Said.PRECEDES, *corpus.precedes.row(current))
    yield Term(first + Said.NEAR_CURRENT, *corpus.near.row(current))
    yield Term(first + Said.NEIGHBOURS, *alike_sessions(corpus, plays[-MATCHED:]))
    yield Term(first + Said.TIMES, plays, np.ones(len(plays)))


def _direction(corpus: Corpus, plays: Positions) -> Floats:
    latest = plays[::-1][:LATEST]
    return np.array(FADING[: len(latest)]) @ corpus.directions[latest]


def session_of(taste: Taste) -> Positions:
    """The plays of the session so far; the current track alone where no session is told."""
    plays = taste.recent.in_session[-SESSION:]
    if not len(plays) and taste.current is not None:
        return np.array([taste.current], np.int64)
    return plays


def alike_sessions(corpus: Corpus, plays: Positions) -> tuple[Positions, Floats]:
    """Plays of the sessions most like these plays, each worth its session's likeness, less the farther from the match.

    A session is alike by the sum of the plays that it shares, the older the less, over the root of its length.
    """
    ago: dict[int, int] = {}
    for place, track in enumerate(plays[::-1].tolist()):
        ago.setdefault(track, place)
    tracks = sorted(ago)
    rows = [corpus.heard_in.row(track) for track in tracks]
    named = np.concatenate([sessions for sessions, _ in rows])
    if not len(named):
        return np.empty(0, np.int64), np.empty(0, np.float64)
    likeness = np.repeat([_MATCH_FADING[ago[track]] for track in tracks], [len(sessions) for sessions, _ in rows])
    order = named.argsort(kind="stable")
    named = named[order]
    first = starts_of_runs(named)
    sessions = named[first].astype(np.int64)
    alike = np.add.reduceat(likeness[order], first) / np.sqrt(corpus.session_lengths[sessions])
    matched = np.maximum.reduceat(np.concatenate([places for _, places in rows])[order], first)
    if len(sessions) > NEIGHBOURS:
        best = (-alike).argsort(kind="stable")[:NEIGHBOURS]
        sessions, alike, matched = sessions[best], alike[best], matched[best]
    return _votes(corpus.sessions, sessions, alike, matched)


def _votes(rows: Lists, sessions: Positions, alike: Floats, matched: Floats) -> tuple[Positions, Floats]:
    """Of the plays around the match, which alone count for anything."""
    match = rows.starts[sessions] + matched.astype(np.int64)
    first = np.maximum(rows.starts[sessions], match - _BEFORE)
    lengths = np.minimum(rows.starts[sessions + 1], match + _AFTER + 1) - first
    ends = lengths.cumsum()
    places = np.arange(ends[-1]) + (first - (ends - lengths)).repeat(lengths)
    after = places - match.repeat(lengths)
    return rows.items[places], alike.repeat(lengths) * _VOTES[after + _BEFORE]


class Own(IntEnum):
    """What the listener's own plays say of a track: the sources of `Evidence.own`.

    Activation is base-level activation without its logarithm, the sum of age^-1/2 over the plays of a track (ACT-R:
    Anderson and Schooler 1991; for music Reiter-Haas et al. 2021). The followers are what came one and two plays after
    the current track before now, ago the seconds since the last play, the weights those of the taste.
    """

    WEIGHT = 0
    ACTIVATION = 1
    FOLLOWS = 2
    FOLLOWS_LATER = 3
    AGO = 4


@dataclass(frozen=True)
class Evidence:
    """What the session speaks for, the listener's vector of ALS [factors], and what the own plays speak for."""

    taste: Taste
    session: OfSession
    vector: Floats

    @classmethod
    def read(cls, corpus: Corpus, tastes: Sequence[Taste], like: Evidence | None = None) -> list[Self]:
        """Of these tastes; those with one session share what it says, with what they are `like` too."""
        plays = [session_of(taste) for taste in tastes]
        known = {like.session.plays.tobytes(): like.session} if like else {}
        fresh = {name: one for one in plays if (name := one.tobytes()) not in known}
        known.update(zip(fresh, OfSession.read(corpus, list(fresh.values())), strict=True))
        return [
            cls(taste, known[one.tobytes()], corpus.als.fold_in(taste))
            for taste, one in zip(tastes, plays, strict=True)
        ]

    @property
    def speaks(self) -> bool:
        """Whether ALS or the session names anything: not where nobody who taught the model played these tracks."""
        return bool(self.vector.any() or self.session.named.totals[: Said.TIMES].any())

    @cached_property
    def heard(self) -> Positions:
        """Every track of the taste and of its plays, ascending."""
        return np.sort(np.concatenate([self.taste.tracks, self.taste.recent.tracks]))

    @cached_property
    def own(self) -> Named:
        """Read at its first use."""
        return Named.summed(len(Own), self.session.named.tracks, list(_own(self.taste, self.session.current)))


def _own(taste: Taste, current: int | None) -> Iterator[Term]:
    yield Term(Own.WEIGHT, taste.tracks, taste.weights)
    plays, ago_s = taste.recent.tracks, np.maximum(taste.recent.ago_s, 0.0) + AT_LEAST_S
    if not len(plays):
        return
    at = np.flatnonzero(plays[:-1] == (NOBODY if current is None else current))
    later = at[at + 2 < len(plays)]
    each, last = np.unique(plays[::-1], return_index=True)
    yield Term(Own.ACTIVATION, plays, ago_s**-DECAY)
    yield Term(Own.FOLLOWS, plays[at + 1], np.ones(len(at)))
    yield Term(Own.FOLLOWS_LATER, plays[later + 2], np.ones(len(later)))
    yield Term(Own.AGO, each, ago_s[::-1][last])
