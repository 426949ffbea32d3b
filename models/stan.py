"""Session neighbours, weighed by sequence and time: STAN.

Garg et al. 2019, "Sequence and Time Aware Neighborhood for Session-based Recommendations". With s the session so far,
p(i) how many plays ago its track i was played, N the neighbours of s, and |q - q_n| how many plays lie between a track
of n and the one that n shares with s latest,

    similarity(s, n) = exp(-age(n) / age_scale) / sqrt(|n|) * sum over shared tracks i of  exp(-p(i) / recency)
    score(j) = idf(j)^rarity * sum over n in N, over plays of j in n of  similarity(s, n) * exp(-|q - q_n| / reach)

Beyond the paper: a play before the shared track counts by `backward` of that, for what came after it is likelier to
come next, and rare tracks may weigh more (`rarity`, as in VS-kNN). The age is that at the end of the training data,
which for all neighbours differs from the age at the moment of asking by the same factor.
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
class StanConfig:
    """`recency` and `reach` are in plays, `age_scale` is a share of the time from the oldest session to the latest.

    `neighbours` of the `sample` latest sessions; the last `remembered` plays of the session so far are looked at. A
    track of it keeps the share `heard` of its score.
    """

    neighbours: int = ranged(1000, 50, 3000, log=True)
    sample: int = 5000
    remembered: int = ranged(20, 1, 100, log=True)
    recency: float = ranged(4.0, 0.5, 50.0, log=True)
    age_scale: float = ranged(1.0, 0.05, 20.0, log=True)
    reach: float = ranged(4.0, 0.5, 50.0, log=True)
    backward: float = ranged(0.7, 0.0, 1.0)
    rarity: float = ranged(0.0, 0.0, 1.5)
    heard: float = ranged(1.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.sample < 1 or self.remembered < 1:
            found = f"{self.neighbours} neighbours, a sample of {self.sample}, {self.remembered} remembered"
            raise ValueError(f"stan with {found}; wanted 1 or more of each")
        if not (self.recency > 0 and self.age_scale > 0 and self.reach > 0):
            found = f"recency {self.recency}, age_scale {self.age_scale}, reach {self.reach}"
            raise ValueError(f"stan with {found}; wanted all above 0")
        if not (0 <= self.backward <= 1 and 0 <= self.heard <= 1 and self.rarity >= 0):
            found = f"backward {self.backward}, heard {self.heard}, rarity {self.rarity}"
            raise ValueError(f"stan with {found}; wanted 0 or more, backward and heard at most 1")


@dataclass(frozen=True)
class Stan(SessionNeighbours):
    """It keeps the training sessions."""

    config: StanConfig
    name: ClassVar[str] = "stan"
    settings: ClassVar[type[StanConfig]] = StanConfig

    @cached_property
    def scale(self) -> Floats:
        """What a session's similarity is multiplied with, whoever asks [sessions]."""
        span = self.index.ages_s.max(initial=0.0) or 1.0
        return np.exp(-self.index.ages_s / (self.config.age_scale * span)) / np.sqrt(self.index.lengths)

    def reached(self, taste: Taste) -> tuple[Positions, Floats]:
        config = self.config
        tracks, ago = each_once(latest_first(taste, config.remembered))
        weights = np.exp(-ago / config.recency)
        found = Neighbours.nearest(self.index, tracks, weights, self.scale, config.sample, config.neighbours)
        held, whose, place = self.index.inside(found.sessions)
        later = place - found.met_at[whose]
        near = np.exp(-np.abs(later) / config.reach) * np.where(later < 0, config.backward, 1.0)
        scores = summed(held, found.similarity[whose] * near, self.tracks) * self.rarity
        scores[tracks] *= config.heard
        return above_zero(scores)


def fit_stan(interactions: Interactions, config: StanConfig = StanConfig()) -> Stan:
    """Index the sessions. Raises ValueError where the order of plays is not known."""
    return Stan(config, SessionIndex.of(told_order(interactions, Stan.name), interactions.tracks))
