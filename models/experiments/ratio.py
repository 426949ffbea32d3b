"""Whether arms have the sizes that were asked for. Where they have not, what the experiment says cannot be trusted.

Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments" (KDD 2019), list what causes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import gammaln

from models.base import Floats, Positions

ALPHA = 0.001  # an alarm stops an experiment: one false alarm in a thousand experiments
FEWEST_EXPECTED = 5  # listeners in any arm: of fewer, sizes say nothing either way
CONCENTRATION = 1_000.0  # of the mixture's Dirichlet: even arms that are off by about 1.6 points are looked for


class Ratio(StrEnum):
    """What the sizes of the arms say."""

    SOUND = "sound"
    MISMATCH = "mismatch"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class RatioCheck:
    """Counts of arms beside what was wanted of them, [arms]; `p_value` of the sizes if the shares were kept."""

    counts: Positions
    wanted: Floats
    p_value: float
    alpha: float

    @property
    def verdict(self) -> Ratio:
        if self.p_value < self.alpha:
            return Ratio.MISMATCH
        return Ratio.TOO_FEW if self.wanted.min() < FEWEST_EXPECTED else Ratio.SOUND

    @property
    def told(self) -> str:
        """The verdict in a sentence."""
        found = " / ".join(f"{count:,}" for count in self.counts)
        wanted = " / ".join(f"{size:,.0f}" for size in self.wanted)
        sizes = f"{found} listeners where {wanted} were expected (p = {self.p_value:.2g})"
        return {
            Ratio.SOUND: f"The arms have the sizes that were asked for: {sizes}.",
            Ratio.MISMATCH: f"Sample ratio mismatch: {sizes}. Do not read this experiment; find who is missing first.",
            Ratio.TOO_FEW: f"Too few listeners to tell: {sizes}.",
        }[self.verdict]


def sequential(looks: Positions, shares: Floats, alpha: float = ALPHA) -> RatioCheck:
    """The test that may be looked at every day, and stopped at any: of counts so far [looks, arms], oldest first.

    The chance that its alarm ever sounds in an experiment with the right shares is at most `alpha`. Raises ValueError.
    """
    _checked(looks, shares)
    if (np.diff(looks, axis=0) < 0).any():
        raise ValueError("counts that fall from one look to the next; wanted counts so far, oldest first")
    most = float(log_evidence(looks, shares).max())
    return RatioCheck(looks[-1], shares * looks[-1].sum(), float(np.exp(-max(0.0, most))), alpha)


def log_evidence(looks: Positions, shares: Floats, concentration: float = CONCENTRATION) -> Floats:
    """The log of how much likelier a Dirichlet mixture around the shares makes the counts than the shares do [looks].

    Under the right shares its exponential is a martingale that starts at 1, so it exceeds 1 / alpha with a chance of at
    most alpha, ever: Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data" (NeurIPS 2022).
    """
    prior = concentration * shares
    mixture = gammaln(concentration) - gammaln(concentration + looks.sum(axis=1))
    mixture += (gammaln(prior + looks) - gammaln(prior)).sum(axis=1)
    return np.asarray(mixture - looks @ np.log(shares), np.float64)


def _checked(looks: Positions, shares: Floats) -> None:
    if looks.ndim != 2 or not len(looks) or looks.shape[1] != len(shares) or looks.min() < 0:
        raise ValueError(f"counts of shape {looks.shape} for {len(shares)} arms; wanted whole numbers [looks, arms]")
    if shares.min() <= 0 or not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"shares of {shares.tolist()}; wanted a sum of 1, none 0")
