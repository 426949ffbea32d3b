"""A plain model of rewards for the direct method: what a slot earns, and by how much a track differs from its slots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import Floats, Positions

PRIOR_ROUNDS = 20.0  # a track seen as often is believed by half


@dataclass(frozen=True)
class RewardModel:
    """Mean reward of each slot [slots], and of each track what it earns beyond its slots [tracks], shrunk to 0."""

    of_slot: Floats
    of_track: Floats

    def predict(self, tracks: Positions, slots: Positions) -> Floats:
        """The expected reward of each track in each slot [rounds]; slots below all that were seen are as the last."""
        return self.of_slot[np.minimum(slots, len(self.of_slot) - 1)] + self.of_track[tracks]


def fit_rewards(
    tracks: Positions, slots: Positions, rewards: Floats, catalog: int, prior: float = PRIOR_ROUNDS
) -> RewardModel:
    """From rounds [rounds] over a catalog of so many tracks; a slot or a track that none has shown is as the mean.

    Raises ValueError for no round.
    """
    if not len(rewards):
        raise ValueError("a model of rewards from no round; wanted one at least")
    times = np.bincount(slots)
    of_slot = np.where(times > 0, np.bincount(slots, rewards) / np.maximum(times, 1), rewards.mean())
    beyond = np.bincount(tracks, rewards - of_slot[slots], minlength=catalog)
    return RewardModel(of_slot, beyond / (np.bincount(tracks, minlength=catalog) + prior))


@dataclass(frozen=True)
class CrossFitted:
    """Two models, each fitted without the units that it is asked about: no round is predicted from its own reward."""

    halves: tuple[RewardModel, RewardModel]

    def predict(self, tracks: Positions, slots: Positions, units: Positions) -> Floats:
        """The expected reward [rounds], by the model that has not seen the round's unit."""
        even, odd = (half.predict(tracks, slots) for half in self.halves)
        return np.where(units % 2 == 0, even, odd)


def cross_fitted(tracks: Positions, slots: Positions, rewards: Floats, units: Positions, catalog: int) -> CrossFitted:
    """Units of even number are predicted from those of odd number, and the reverse. Raises ValueError for one unit."""
    odd = units % 2 == 1
    if odd.all() or not odd.any():
        raise ValueError(f"rounds of {len(np.unique(units))} units; wanted units of even and of odd number")
    even_model, odd_model = (
        fit_rewards(tracks[chosen], slots[chosen], rewards[chosen], catalog) for chosen in (odd, ~odd)
    )
    return CrossFitted((even_model, odd_model))
