"""The first stage: each source proposes its best, and who proposed a track is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.base import Positions
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence, Own, Said
from models.ranking.sparse import Named, among, starts_of_runs

SOURCES = ("repeat", "transitions", "sessions", "als", "near", "popularity")  # a track's is that which ranks it highest
REPEAT, TRANSITIONS, SESSIONS, ALS, NEAR, POPULARITY = range(len(SOURCES))

Proposals = tuple[Positions, Positions, Positions]  # tracks, who proposes each, and its rank there

_RANK_BITS, _SOURCE_BITS = 30, 3  # of a packed key
_OF_OWN = np.full(len(Own), REPEAT, np.int64)
_OF_SESSION = np.full(len(Said), SESSIONS, np.int64)
_OF_SESSION[[Said.FOLLOWS, Said.FOLLOWS_BOTH]] = TRANSITIONS
_OF_SESSION[Said.NEAR] = NEAR


@dataclass(frozen=True)
class Depth:
    """How many tracks each source may propose."""

    repeat: int = 60
    transitions: int = 80
    sessions: int = 80
    als: int = 60
    near: int = 40
    popularity: int = 20

    @cached_property
    def of_session(self) -> Positions:
        """What each kind of `Said` may propose."""
        depths = np.zeros(len(Said), np.int64)
        depths[[Said.FOLLOWS, Said.FOLLOWS_BOTH]] = self.transitions, self.transitions // 2
        depths[[Said.SKIPS, Said.PRECEDES]] = self.transitions, self.transitions // 4
        depths[[Said.NEIGHBOURS, Said.NEAR]] = self.sessions, self.near
        return depths

    @cached_property
    def of_own(self) -> Positions:
        """What each kind of `Own` may propose."""
        depths = np.zeros(len(Own), np.int64)
        depths[[Own.ACTIVATION, Own.WEIGHT, Own.FOLLOWS]] = self.repeat, self.repeat // 2, self.repeat // 2
        return depths


@dataclass(frozen=True)
class Candidates:
    """`items` ascending, each once; `sources` [items] index `SOURCES`."""

    items: Positions
    sources: Positions

    def __len__(self) -> int:
        return len(self.items)

    def joined(self, others: Candidates) -> Candidates:
        """These and the others, which are none of these."""
        items, sources = np.append(self.items, others.items), np.append(self.sources, others.sources)
        order = np.argsort(items)
        return Candidates(items[order], sources[order])


def enough_candidates(corpus: Corpus, evidence: Evidence, depth: Depth, barred: Positions, count: int) -> Candidates:
    """As `candidates`; while they are fewer than `count` the sources go on, each with the best of what is left.

    So they find what pages of a cursor find one after the other, and a track keeps the source that it has there.
    """
    found = candidates(corpus, evidence, depth, barred)
    while len(found) < count:
        more = candidates(corpus, evidence, depth, np.union1d(barred, found.items))
        if not len(more):
            break
        found = found.joined(more)
    return found


def candidates(corpus: Corpus, evidence: Evidence, depth: Depth, barred: Positions) -> Candidates:
    """What all sources propose together, none of `barred`, which ascend."""
    proposals = [
        _of_named(evidence.session.named, _OF_SESSION, depth.of_session, barred),
        _in_order(POPULARITY, _popular(corpus, depth.popularity, barred)),
    ]
    if not among(evidence.heard, barred).all():
        proposals.append(_of_named(evidence.own, _OF_OWN, depth.of_own, barred))
    if evidence.vector.any():
        proposals.append(_in_order(ALS, corpus.als.index.best(evidence.vector, depth.als, barred).items))
    tracks, sources, ranks = (np.concatenate(parts) for parts in zip(*proposals, strict=True))
    keys = (tracks << _RANK_BITS | ranks) << _SOURCE_BITS | sources
    keys.sort()  # by track, and of a track the source that ranks it highest first
    tracks = keys >> (_RANK_BITS + _SOURCE_BITS)
    first = starts_of_runs(tracks)
    return Candidates(tracks[first], keys[first] & ((1 << _SOURCE_BITS) - 1))


def _of_named(named: Named, sources: Positions, depths: Positions, barred: Positions) -> Proposals:
    items, of, ranks = named.best(depths, barred)
    return items, sources[of], ranks


def _in_order(source: int, items: Positions) -> Proposals:
    return items, np.full(len(items), source, np.int64), np.arange(len(items))


def _popular(corpus: Corpus, depth: int, barred: Positions) -> Positions:
    popular = corpus.popular[: depth + len(barred)]
    return popular[~among(popular, barred)]
