"""Variance reduction with what was known before: CUPED, Deng, Xu, Kohavi and Walker (WSDM 2013)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import Floats


@dataclass(frozen=True)
class Adjusted:
    """Values [listeners] less `theta` times the covariate, of the same mean; `kept` is the share of variance left."""

    values: Floats
    theta: float
    kept: float


def cuped(values: Floats, covariate: Floats) -> Adjusted:
    """The values [listeners], of all arms together, adjusted by a covariate that no arm can have changed.

    The same metric before the experiment serves best; who is new has a true 0 there. A covariate that never varies, or
    values that never vary, leave all as it is. Raises ValueError for different lengths or what is not finite.
    """
    if values.shape != covariate.shape or values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            f"values of shape {values.shape} and a covariate of {covariate.shape}; wanted finite ones, alike"
        )
    if not np.isfinite(covariate).all():
        raise ValueError("a covariate that is not finite; wanted what was known of each listener, 0 for who is new")
    if len(values) < 2 or np.ptp(covariate) == 0 or np.ptp(values) == 0:
        return Adjusted(values, 0.0, 1.0)
    apart = covariate - covariate.mean()
    theta = float(apart @ (values - values.mean()) / (apart @ apart))
    adjusted = values - theta * apart
    return Adjusted(adjusted, theta, float(adjusted.var() / values.var()))
