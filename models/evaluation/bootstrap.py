"""How sure a mean, or a difference of means, is: the percentile bootstrap over listeners (Efron 1979), seeded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.base import Floats

RESAMPLES, SEED, LEVEL = 1_000, 11, 0.95
_CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95% interval."""

    mean: float
    low: float
    high: float


def interval(values: Floats, weights: Floats | None = None, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """The mean of `values` [listeners], with listeners drawn again and again.

    Where a listener has many test cases, `values` are sums over them and `weights` their numbers: the mean is over the
    cases, the drawing over listeners, since the cases of one are not independent. Raises ValueError for no listener.
    """
    return intervals(values[None, :], weights, resamples, seed)[0]


def intervals(
    values: Floats, weights: Floats | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Interval]:
    """`interval` of each row of `values` [rows, listeners], all of them over the same draws of listeners."""
    if not values.shape[1]:
        raise ValueError("an interval over no listener; wanted one at least")
    counts = np.ones(values.shape[1]) if weights is None else weights
    means = np.concatenate(
        [(draws @ values.T) / (draws @ counts)[:, None] for draws in _draws(len(counts), resamples, seed)]
    )
    tail = 100 * (1 - LEVEL) / 2
    lows, highs = np.percentile(means, [tail, 100 - tail], axis=0).tolist()
    found = (values.sum(axis=1) / counts.sum()).tolist()
    return [Interval(*bounds) for bounds in zip(found, lows, highs, strict=True)]


def paired(candidate: Floats, baseline: Floats, weights: Floats | None = None) -> Interval:
    """The mean of candidate - baseline [listeners], each listener compared with themself; `weights` as above."""
    if candidate.shape != baseline.shape:
        raise ValueError(f"paired values of {len(candidate)} and {len(baseline)} listeners; wanted the same listeners")
    return interval(candidate - baseline, weights)


def _draws(listeners: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each listener is drawn in each resample [resamples, listeners], a few resamples at a time."""
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // listeners)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    shares = np.full(listeners, 1.0 / listeners)
    for size in sizes:
        yield random.multinomial(listeners, shares, size=size).astype(np.float64)
