"""Always-valid inference for a difference of means: the answer may be looked at every day, and stopped at any.

The confidence sequence is the normal mixture (Robbins 1970) with estimated variances, as the asymptotic confidence
sequence of Waudby-Smith et al., "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of
Statistics, 2024). It is the mixture test (mSPRT) of Johari, Koomen, Pekelis and Walsh, "Always Valid Inference"
(Operations Research, 2022), with the mixture's width chosen as in Howard et al., "Time-uniform, nonparametric,
nonasymptotic confidence sequences" (Annals of Statistics, 2021): narrowest at the size planned, sound at every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import lambertw

from models.base import Floats, Positions

ALPHA = 0.05
BURN_IN = 100  # listeners in the smaller arm before anything is said: the sequence rests on a central limit

ROUNDING = 1e-12  # means nearer than this, relative, are equal


@dataclass(frozen=True)
class Moments:
    """Of the values of one arm so far, at each look [looks]: how many listeners, their mean and sample variance."""

    count: Positions
    mean: Floats
    variance: Floats

    def __post_init__(self) -> None:
        if not self.count.shape == self.mean.shape == self.variance.shape or self.count.ndim != 1:
            raise ValueError(f"moments of shapes {self.count.shape}, {self.mean.shape}, {self.variance.shape}")
        if (np.diff(self.count) < 0).any():
            raise ValueError("an arm that shrinks from one look to the next; wanted all values so far at each")

    @classmethod
    def of(cls, values: Floats, sizes: Positions) -> Self:
        """Of the first `sizes` [looks] of the values [listeners], in the order in which listeners came.

        Raises ValueError for values that are no finite numbers, and for sizes beyond them.
        """
        if not np.isfinite(values).all() or len(sizes) == 0 or sizes.max() > len(values) or sizes.min() < 0:
            raise ValueError(f"{len(values)} values, looked at after {sizes.tolist()[-3:]}; wanted finite ones, enough")
        centre = float(values.mean()) if len(values) else 0.0  # sums of squares lose nothing around the mean
        sums = np.concatenate([[0.0], np.cumsum(values - centre)])[sizes]
        squares = np.concatenate([[0.0], np.cumsum((values - centre) ** 2)])[sizes]
        mean = sums / np.maximum(sizes, 1)
        variance = np.maximum(squares - sizes * mean**2, 0.0) / np.maximum(sizes - 1, 1)
        return cls(sizes, mean + centre, variance)


@dataclass(frozen=True)
class ConfidenceSequence:
    """Treatment less control at each look [looks]: with a chance of 1 - alpha every interval holds the truth at once.

    `p_value` is the least so far: it never rises, and falls to alpha at the first look whose interval leaves out 0.
    """

    difference: Floats
    low: Floats
    high: Floats
    p_value: Floats
    alpha: float

    @property
    def decided_at(self) -> int | None:
        """The first look at which the arms differ; None where they never did."""
        differs = self.p_value <= self.alpha
        return int(differs.argmax()) if differs.any() else None


def confidence_sequence(
    control: Moments, treatment: Moments, planned: int, alpha: float = ALPHA, burn_in: int = BURN_IN
) -> ConfidenceSequence:
    """The difference of means, to be looked at at any time.

    `planned` is how many listeners both arms should have at the end, chosen before the start: intervals are narrowest
    there. Each listener counts once, with a value that is final. Raises ValueError for what is out of range.
    """
    if planned < 1 or not 0 < alpha < 1 or control.count.shape != treatment.count.shape:
        raise ValueError(
            f"{planned} listeners planned at alpha {alpha}; wanted 1 or more, 0 to 1, and looks at both arms"
        )
    ready = np.minimum(control.count, treatment.count) >= max(burn_in, 2)
    share = np.where(ready, control.count + treatment.count, planned) / planned
    error2 = control.variance / np.maximum(control.count, 1) + treatment.variance / np.maximum(treatment.count, 1)
    difference = treatment.mean - control.mean
    same = np.abs(difference) <= ROUNDING * np.maximum(np.abs(control.mean), np.abs(treatment.mean))
    width = spread_at_plan(alpha) * share  # the mixture's variance over that of the difference
    half = np.sqrt(error2 * (1 + 1 / width) * (np.log1p(width) - 2 * np.log(alpha)))
    half = np.where(ready, half, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        z2 = np.where(same, 0.0, difference**2 / error2)  # arms of no variance that differ: beyond doubt
    log_evidence = np.where(ready, z2 * width / (1 + width) / 2 - np.log1p(width) / 2, 0.0)
    p_value = np.minimum.accumulate(np.exp(-np.maximum(log_evidence, 0.0)))
    return ConfidenceSequence(difference, difference - half, difference + half, p_value, alpha)


def spread_at_plan(alpha: float) -> float:
    """The mixture's variance, over that of the difference, that makes the interval narrowest: Howard et al. 2021."""
    return float(-lambertw(-(alpha**2) / np.e, -1).real - 1)
