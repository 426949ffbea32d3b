"""What another policy would have earned, from the log of the one that ran: IPS, SNIPS, direct method, doubly robust.

A round is a slot that was shown: its reward, the chance that it had of showing its track (propensity), and the chance
that the other policy would have given the same track there (target), both given what is above it in the same answer.
How much more often the other policy would have shown what is above is then part of the weight: per-decision importance
sampling (Precup, Sutton and Singh 2000, "Eligibility Traces for Off-Policy Policy Evaluation"), and for the doubly
robust estimate Jiang and Li 2016, "Doubly Robust Off-policy Value Evaluation for Reinforcement Learning". A round that
is an answer of its own has nothing above it. Rounds of one listener may depend on each other in any way, so intervals
are over listeners (or whatever `units` are).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.base import Floats, Positions
from models.evaluation.bootstrap import LEVEL, Interval
from models.evaluation.bootstrap import interval as bootstrapped


@dataclass(frozen=True)
class Rounds:
    """The log [rounds]: rewards, propensities in (0, 1], targets in [0, 1], and whose each round is.

    `above` [rounds] is the product of targets over propensities of all slots above in the same answer; without it each
    round is an answer of its own. Raises ValueError for what is out of range: a round of unknown propensity has to be
    left out before.
    """

    rewards: Floats
    propensities: Floats
    targets: Floats
    units: Positions
    above: Floats | None = None

    def __post_init__(self) -> None:
        columns = (self.rewards, self.propensities, self.targets, self.units, self.reach)
        shapes = {column.shape for column in columns}
        if len(shapes) != 1 or self.rewards.ndim != 1 or not len(self.rewards):
            raise ValueError(f"a log with columns of shapes {sorted(shapes)}; wanted one length, 1 round or more")
        if not np.isfinite(self.rewards).all():
            raise ValueError("a reward that is not finite; wanted a number for each round")
        for what, chances, least in (("propensity", self.propensities, "above 0"), ("target", self.targets, "0")):
            sound = (chances > 0 if least == "above 0" else chances >= 0) & (chances <= 1)
            if not sound.all():
                raise ValueError(f"a {what} of {chances[~sound][0]}; wanted a chance, {least} to 1")
        if not (np.isfinite(self.reach) & (self.reach >= 0)).all():
            raise ValueError("slots above a round with a weight that is no number from 0 on; wanted one")

    @property
    def reach(self) -> Floats:
        """How much more often the target policy comes to the round, with what is above it [rounds]."""
        return np.ones_like(self.rewards) if self.above is None else self.above

    @property
    def weights(self) -> Floats:
        """How much more often the target policy shows what was shown, from the first slot on [rounds]."""
        return self.reach * self.targets / self.propensities


@dataclass(frozen=True)
class Predicted:
    """What a model of rewards, fitted on other rounds, says of each round [rounds].

    `shown` is of the track that was shown, `target` the mean over the tracks that the target policy might show there.
    """

    shown: Floats
    target: Floats


def expected(rounds: int, of: Positions, chances: Floats, predictions: Floats) -> Floats:
    """The mean prediction under the target policy [rounds], from its choices [choices]: their round, chance and worth.

    Chances of a round are taken as they are to each other, so rounding does not matter. Raises ValueError for a round
    without a choice.
    """
    mass = np.bincount(of, chances, minlength=rounds)
    if not (mass > 0).all():
        raise ValueError(
            f"round {int((mass <= 0).argmax())} without a choice; wanted what the target policy would show"
        )
    return np.asarray(np.bincount(of, chances * predictions, minlength=rounds) / mass, np.float64)


@dataclass(frozen=True)
class Support:
    """Whether the log can speak for the target policy.

    `effective_rounds` is Kish's effective sample size of the weights. `mean_weight` is expected to be 1 where every
    track of the target policy could have been shown: far below, the log has never seen part of what that would do.
    """

    rounds: int
    effective_rounds: float
    mean_weight: float
    largest_weight: float
    clipped: float  # share of rounds
    never_target: float  # share of rounds that the target policy would never show, with what is above them


def clipped_weights(log: Rounds, clip: float | None) -> Floats:
    """Weights at most `clip` [rounds]: less variance, for a value that is too low by what is cut off (rewards >= 0)."""
    return _clipped(log.weights, clip)


def support(log: Rounds, clip: float | None = None) -> Support:
    """How far the log carries, with weights clipped as the estimates have them."""
    weights, raw = clipped_weights(log, clip), log.weights
    squares = float(weights @ weights)
    return Support(
        len(weights),
        float(weights.sum() ** 2 / squares) if squares else 0.0,
        float(raw.mean()),
        float(raw.max()),
        float((raw > weights).mean()),
        float((raw == 0).mean()),
    )


@dataclass(frozen=True)
class Estimate:
    """The target policy's mean reward a round: the sum of `gains` over that of `sizes`, each [units]."""

    gains: Floats
    sizes: Floats

    @property
    def value(self) -> float:
        return float(self.gains.sum() / self.sizes.sum())

    def normal(self) -> Interval:
        """With the 95% interval of the normal approximation, the ratio linearised, over units."""
        units, value = len(self.gains), self.value
        if units < 2:
            return Interval(value, -np.inf, np.inf)
        apart = (self.gains - value * self.sizes) / self.sizes.mean()
        half = float(ndtri((1 + LEVEL) / 2) * apart.std(ddof=1) / np.sqrt(units))
        return Interval(value, value - half, value + half)

    def bootstrap(self, seed: int) -> Interval:
        """With the 95% interval of the percentile bootstrap over units; those of no size are not drawn."""
        some = self.sizes > 0
        return bootstrapped(self.gains[some], self.sizes[some], seed=seed)


def inverse_propensity(log: Rounds, clip: float | None = None) -> Estimate:
    """IPS (Horvitz and Thompson 1952; Strehl et al. 2010): unbiased if weights are not clipped, of high variance."""
    return _estimate(log, clipped_weights(log, clip) * log.rewards, np.ones_like(log.rewards))


def self_normalised(log: Rounds, clip: float | None = None) -> Estimate:
    """SNIPS (Swaminathan and Joachims 2015): weights are made to sum to the rounds.

    Raises ValueError where no round of the log was one that the target policy would show.
    """
    weights = clipped_weights(log, clip)
    if not weights.any():
        raise ValueError("nothing that was logged would be shown by the target policy; wanted one round at least")
    return _estimate(log, weights * log.rewards, weights)


def direct_method(log: Rounds, predicted: Predicted) -> Estimate:
    """DM (Beygelzimer and Langford 2009): what the model of rewards says, as biased as it is.

    What is above a slot is taken as it was logged.
    """
    _checked(log, predicted)
    return _estimate(log, predicted.target, np.ones_like(log.rewards))


def doubly_robust(log: Rounds, predicted: Predicted, clip: float | None = None) -> Estimate:
    """DR (Dudík, Langford and Li 2011): the model's word, put right by what the weighted log says of its errors."""
    _checked(log, predicted)
    foretold = _clipped(log.reach, clip) * predicted.target
    errors = clipped_weights(log, clip) * (log.rewards - predicted.shown)
    return _estimate(log, foretold + errors, np.ones_like(log.rewards))


def _clipped(weights: Floats, clip: float | None) -> Floats:
    if clip is not None and not clip > 0:
        raise ValueError(f"weights clipped at {clip}; wanted more than 0")
    return weights if clip is None else np.minimum(weights, clip)


def _estimate(log: Rounds, gains: Floats, sizes: Floats) -> Estimate:
    units = np.unique(log.units, return_inverse=True)[1]
    return Estimate(_sums(units, gains), _sums(units, sizes))


def _sums(units: Positions, values: Floats) -> Floats:
    return np.bincount(units, values).astype(np.float64)


def _checked(log: Rounds, predicted: Predicted) -> None:
    for said in (predicted.shown, predicted.target):
        if said.shape != log.rewards.shape or not np.isfinite(said).all():
            raise ValueError(
                f"predictions of shape {said.shape} for {len(log.rewards)} rounds; wanted finite ones, as many"
            )
