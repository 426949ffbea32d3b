"""Re-ranking: from scores to a list that one would listen to, and that says how likely it was.

Artists are capped, near-duplicates make room (maximal marginal relevance, Carbonell and Goldstein 1998), what must not
be recommended is out, and where a list explores, the chance of what it shows is known (Plackett 1975; Luce 1959).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from models.base import Floats, Positions, Scores
from models.ranking.sparse import among


def allowed(items: Positions, barred: Positions) -> Positions:
    """Places of the items that are not barred, which ascend."""
    return np.flatnonzero(~among(items, barred))


def capped(artists: Sequence[Hashable | None], at_most: int, k: int) -> Positions:
    """Places of the first `k` items with at most so many of one artist; an unknown artist is each their own."""
    seen: Counter[Hashable] = Counter()
    kept: list[int] = []
    for place, artist in enumerate(artists):
        if len(kept) == k:
            break
        if artist is not None:
            seen[artist] += 1
        if artist is None or seen[artist] <= at_most:
            kept.append(place)
    return np.array(kept, np.int64)


def diverse(scores: Floats, directions: Scores, k: int, share: float) -> Positions:
    """Places of `k` items, each the best of (1 - share) * score - share * its largest cosine to those before it.

    `scores` [items] are scaled to 0..1, `directions` [items, factors] have length 1 or 0. At a share of 0 the order is
    that of the scores; ties go to the earlier place. Raises ValueError for a share that is not within 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"diversity with a share of {share}; wanted 0 to 1")
    span = float(np.ptp(scores)) if len(scores) else 0.0
    worth = (scores - scores.min()) / span if span else np.zeros(len(scores))
    nearest, left = np.zeros(len(scores)), np.ones(len(scores), bool)
    order: list[int] = []
    for _ in range(min(k, len(scores))):
        gains = np.where(left, (1 - share) * worth - share * nearest, -np.inf)
        best = int(gains.argmax())
        order.append(best)
        left[best] = False
        nearest = np.maximum(nearest, directions @ directions[best])
    return np.array(order, np.int64)


class Explored(NamedTuple):
    """Places in order of slot, and each slot's propensity."""

    places: Positions
    propensities: Floats


def explored(scores: Floats, k: int, temperature: float, random: np.random.Generator) -> Explored:
    """A list drawn from the Plackett-Luce model: slot by slot, each item by exp(score / temperature).

    A slot's propensity is exact, given the slots above it: exp(s / T) over the sum of the same of all items not yet
    shown. Their product is the chance of the whole list; that of the first slot is also its marginal. Drawn with Gumbel
    noise (Yellott 1977), which sorts to the same law. Raises ValueError for a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"exploring at a temperature of {temperature}; wanted above 0")
    logits = scores / temperature
    places = np.argsort(-(logits + random.gumbel(size=len(scores))), kind="stable")
    ordered = logits[places]
    beneath = np.logaddexp.accumulate(ordered[::-1])[::-1]  # of the slot's own item and all that come after it
    return Explored(places[:k], np.maximum(np.exp(ordered - beneath)[:k], np.finfo(np.float64).tiny))
