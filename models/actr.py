"""What a listener comes back to: the activation of memory of ACT-R, over their own plays.

Anderson and Schooler 1991, "Reflections of the environment in memory"; Reiter-Haas et al. 2021, "Predicting Music
Relistening Behavior Using the ACT-R Framework". Of the components that the latter compares, two:

- the base level, B_j = ln sum over plays of j of ago^-forgetting: tracks heard often and lately come to mind;
- spreading activation, from the last tracks of the session so far, through the listener's own history: what they
  played soon after each of these tracks before comes to mind with it.

A softmax makes of the base level exp(B_j) / sum exp(B), a plain share of the powers; the spreading is shared out alike,
and the score is  base * share + spreading * share.  A track that was heard in the session so far keeps the share
`heard` of its powers: the power law alone would have the last track repeated at once. Where no play is told in order,
the weights of the taste are the powers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from models.base import Floats, Interactions, ModelBroken, Positions, Recent, Taste
from models.files import read_config, read_json, write_json
from models.reaching import ReachingModel, latest_first, summed
from models.search_space import ranged


@dataclass(frozen=True)
class ActRConfig:
    """`forgetting` is the power of age, of which the first `soonest_s` seconds count alike.

    `spreading` weighs what came within `reach` plays after the last `remembered` tracks of the session, by `fading` for
    each play between and `memory` for each track back, against the weight `base` of the base level.
    """

    base: float = 1.0
    forgetting: float = ranged(0.5, 0.0, 2.0)
    soonest_s: float = ranged(60.0, 1.0, 86_400.0, log=True)
    heard: float = ranged(0.5, 0.0, 1.0)
    spreading: float = ranged(4.0, 0.1, 50.0, log=True)
    reach: int = ranged(5, 1, 30)
    fading: float = ranged(0.6, 0.2, 1.0)
    remembered: int = ranged(3, 1, 10)
    memory: float = ranged(0.4, 0.1, 1.0)

    def __post_init__(self) -> None:
        if not (self.base >= 0 and self.spreading >= 0 and self.base + self.spreading > 0):
            raise ValueError(f"actr with base {self.base}, spreading {self.spreading}; wanted one above 0, none below")
        if not (self.forgetting >= 0 and self.soonest_s > 0 and self.reach >= 1 and self.remembered >= 1):
            found = f"forgetting {self.forgetting}, soonest_s {self.soonest_s}, reach {self.reach}"
            raise ValueError(f"actr with {found}, remembered {self.remembered}; wanted above 0, forgetting 0 or more")
        if not (0 <= self.heard <= 1 and 0 < self.fading <= 1 and 0 < self.memory <= 1):
            found = f"heard {self.heard}, fading {self.fading}, memory {self.memory}"
            raise ValueError(f"actr with {found}; wanted 0 to 1, fading and memory above 0")


@dataclass(frozen=True)
class ActR(ReachingModel):
    """It learns nothing but the size of the catalog: all it needs is in the taste that it is asked about."""

    config: ActRConfig
    catalog_size: int
    name: ClassVar[str] = "actr"

    @property
    def tracks(self) -> int:
        return self.catalog_size

    def reached(self, taste: Taste) -> tuple[Positions, Floats]:
        if not len(taste.recent.tracks):
            return taste.tracks[np.argsort(taste.tracks)], _shared(taste.weights[np.argsort(taste.tracks)])
        each, places = np.unique(taste.recent.tracks, return_inverse=True)
        base = self._base_level(taste.recent, places)
        spread = self._spreading(taste, places, len(each))
        scores = self.config.base * _shared(base) + self.config.spreading * _shared(spread)
        return each[scores > 0], scores[scores > 0]

    def _base_level(self, recent: Recent, places: Positions) -> Floats:
        """exp(B) by place among the tracks heard [heard], `places` [plays] being those of the plays."""
        ago_s = np.maximum(recent.ago_s, self.config.soonest_s)
        powers = summed(places, ago_s**-self.config.forgetting, int(places.max()) + 1)
        powers[places[len(places) - recent.session :]] *= self.config.heard
        return powers

    def _spreading(self, taste: Taste, places: Positions, heard: int) -> Floats:
        """How often each of the tracks heard [heard] came soon after the last tracks, nearer ones counting more."""
        reached, played = np.zeros(heard), taste.recent.tracks
        for back, track in enumerate(latest_first(taste, self.config.remembered).tolist()):
            earlier = played if not taste.recent.session else played[: len(played) - 1 - back]
            met = np.flatnonzero(earlier == track)
            for distance in range(1, self.config.reach + 1):
                after = met + distance + back
                weight = self.config.memory**back * self.config.fading ** (distance - 1)
                np.add.at(reached, places[after[after < len(places)]], weight)
        return reached

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", {"tracks": self.catalog_size, **dataclasses.asdict(self.config)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        document = read_json(folder / "config.json")
        tracks = document.pop("tracks", None)
        if not isinstance(tracks, int):
            raise ModelBroken(f"reading {folder}: found tracks {tracks!r}, wanted a whole number")
        return cls(read_config(ActRConfig, document, folder / "config.json"), tracks)


def fit_actr(interactions: Interactions, config: ActRConfig = ActRConfig()) -> ActR:
    """For the catalog of these interactions."""
    return ActR(config, interactions.tracks)


def _shared(values: Floats) -> Floats:
    """Each as a share of all; zeros where all are zero."""
    total = values.sum()
    return values / total if total > 0 else values
