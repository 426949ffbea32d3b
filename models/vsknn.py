"""Session neighbours whose latest tracks count most: VS-kNN.

Ludewig and Jannach 2018, "Evaluation of session-based recommendation algorithms". With s the session so far, p(i) how
many plays ago its track i was played (0 is the current one) and N the neighbours of s,

    similarity(s, n) = sum over shared tracks i of  (1 - p(i) / |s|)
    score(j)         = idf(j)^rarity * sum over n in N with j of  similarity(s, n) * max(1 - fading p(i_n), 0)

where i_n is the track that s shares with n latest, and idf(j) is the logarithm of sessions by sessions with j. A
track counts as often as a neighbour played it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from models.base import Floats, Interactions, Positions, Taste
from models.reaching import above_zero, latest_first, summed, told_order
from models.search_space import ranged
from models.session_index import Neighbours, SessionIndex, each_once
from models.session_neighbours import SessionNeighbours


@dataclass(frozen=True)
class VsKnnConfig:
    """`neighbours` of the `sample` latest sessions; the last `remembered` plays of the session so far are looked at.

    A track of the session so far keeps the share `heard` of its score.
    """

    neighbours: int = ranged(500, 50, 3000, log=True)
    sample: int = 2500
    remembered: int = ranged(20, 1, 100, log=True)
    rarity: float = ranged(1.0, 0.0, 1.5)
    fading: float = ranged(0.1, 0.0, 0.5)
    heard: float = ranged(1.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.sample < 1 or self.remembered < 1:
            found = f"{self.neighbours} neighbours, a sample of {self.sample}, {self.remembered} remembered"
            raise ValueError(f"vsknn with {found}; wanted 1 or more of each")
        if not (self.rarity >= 0 and 0 <= self.fading <= 1 and 0 <= self.heard <= 1):
            found = f"rarity {self.rarity}, fading {self.fading}, heard {self.heard}"
            raise ValueError(f"vsknn with {found}; wanted 0 or more, fading and heard at most 1")


@dataclass(frozen=True)
class VsKnn(SessionNeighbours):
    """It keeps the training sessions."""

    config: VsKnnConfig
    name: ClassVar[str] = "vsknn"
    settings: ClassVar[type[VsKnnConfig]] = VsKnnConfig

    @cached_property
    def _scale(self) -> Floats:
        return np.ones(len(self.index))

    def reached(self, taste: Taste) -> tuple[Positions, Floats]:
        session = latest_first(taste, self.config.remembered)
        tracks, ago = each_once(session)
        weights = 1.0 - ago / max(len(session), 1)
        found = Neighbours.nearest(self.index, tracks, weights, self._scale, self.config.sample, self.config.neighbours)
        near = found.similarity * np.maximum(1.0 - self.config.fading * ago[found.met], 0.0)
        held, whose, _ = self.index.inside(found.sessions)
        scores = summed(held, near[whose], self.tracks) * self.rarity
        scores[tracks] *= self.config.heard
        return above_zero(scores)


def fit_vsknn(interactions: Interactions, config: VsKnnConfig = VsKnnConfig()) -> VsKnn:
    """Index the sessions. Raises ValueError where the order of plays is not known."""
    return VsKnn(config, SessionIndex.of(told_order(interactions, VsKnn.name), interactions.tracks))
