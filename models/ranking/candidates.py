"""The first stage: each source proposes its best, and who proposed a track is remembered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.base import Positions
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence
from models.ranking.sparse import among

SOURCES = ("repeat", "transitions", "sessions", "als", "near", "popularity")  # a track's is that which ranks it highest
REPEAT, TRANSITIONS, SESSIONS, ALS, NEAR, POPULARITY = range(len(SOURCES))


@dataclass(frozen=True)
class Depth:
    """How many tracks each source may propose."""

    repeat: int = 60
    transitions: int = 80
    sessions: int = 80
    als: int = 60
    near: int = 40
    popularity: int = 20


@dataclass(frozen=True)
class Candidates:
    """`items` ascending, each once; `sources` [items] index `SOURCES`."""

    items: Positions
    sources: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.items)


def candidates(corpus: Corpus, evidence: Evidence, depth: Depth, barred: Positions) -> Candidates:
    """What all sources propose together, none of `barred`, which ascend."""
    proposed = [
        (source, items[~among(items, barred)] if source == POPULARITY else items)
        for source, items in _proposals(corpus, evidence, depth, barred)
    ]
    tracks = np.concatenate([items for _, items in proposed])
    sources = np.repeat(np.array([source for source, _ in proposed], np.int8), [len(items) for _, items in proposed])
    ranks = np.concatenate([np.arange(len(items)) for _, items in proposed])
    order = np.lexsort((sources, ranks, tracks))
    tracks = tracks[order]
    first = np.append(True, tracks[1:] != tracks[:-1])[: len(tracks)]
    return Candidates(tracks[first], sources[order][first])


def _proposals(corpus: Corpus, evidence: Evidence, depth: Depth, barred: Positions) -> list[tuple[int, Positions]]:
    session, own = evidence.session, evidence.own
    liked = (
        corpus.als.index.best(evidence.vector, depth.als, barred).items if len(evidence.taste.tracks) else barred[:0]
    )
    return [
        (REPEAT, own.activation.best(depth.repeat, barred)),
        (REPEAT, own.weights.best(depth.repeat // 2, barred)),
        (REPEAT, own.follows.best(depth.repeat // 2, barred)),
        (TRANSITIONS, session.follows.best(depth.transitions, barred)),
        (TRANSITIONS, session.follows_both.best(depth.transitions // 2, barred)),
        (SESSIONS, session.skips.best(depth.transitions, barred)),
        (SESSIONS, session.precedes.best(depth.transitions // 4, barred)),
        (SESSIONS, session.neighbours.best(depth.sessions, barred)),
        (NEAR, session.near.best(depth.near, barred)),
        (ALS, liked),
        (POPULARITY, corpus.popular[: depth.popularity + len(barred)]),
    ]
