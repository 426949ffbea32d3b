"""Re-ranking: from scores to a list that one would listen to, and that says how likely it was.

Artists are capped, near-duplicates make room (maximal marginal relevance, Carbonell and Goldstein 1998), what must not
be recommended is out, and where a list explores, the chance of what it shows is known (Plackett 1975; Luce 1959).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from models.base import Floats, Positions, Scores
from models.ranking.sparse import among

AT_FIRST, ONE_MORE_EVERY = 2, 25  # tracks of an artist: two of 25, three of 50; one album would fill a list otherwise
_FARTHEST = 1e12  # temperatures below the best score: a double is still fine enough there to hold the lots
Artists = Sequence[Hashable | None]


def allowed(items: Positions, barred: Positions) -> Positions:
    """Places of the items that are not barred, which ascend."""
    return np.flatnonzero(~among(items, barred))


def capped(artists: Artists, at_most: int, k: int, before: Artists = ()) -> Positions:
    """Places of the first `k` items with at most so many of one artist, those of `before` counted.

    An unknown artist is each their own.
    """
    return np.array(_with_room(artists, range(len(artists)), at_most, k, _counts(before)), np.int64)


def allowance(place: int) -> int:
    """How many tracks of one artist a list may have up to this place, which counts from 0."""
    return AT_FIRST + place // ONE_MORE_EVERY


def spread(artists: Artists, k: int, before: Artists = ()) -> Positions:
    """Places of `k` items: in each slot the first that is left of whose artist the `allowance` has room.

    Slots go on after those of `before`, which count: parts of a list, each spread after the ones before it, are the
    list spread as a whole. Where no artist has room it is the first that is left, so that no list is short for it.
    """
    seen, left, kept = _counts(before), list(range(len(artists))), list[int]()
    while left and len(kept) < k:
        slot = len(before) + len(kept)
        slots = min(ONE_MORE_EVERY - slot % ONE_MORE_EVERY, k - len(kept))  # with the same allowance
        chosen = _with_room(artists, left, allowance(slot), slots, seen)
        left = _but(left, chosen)
        others = left[: slots - len(chosen)]
        left = left[len(others) :]
        seen += _counts([artists[place] for place in others])
        kept += chosen + others
    return np.array(kept, np.int64)


def _counts(artists: Artists) -> Counter[Hashable]:
    return Counter(artist for artist in artists if artist is not None)


def _with_room(artists: Artists, places: Iterable[int], at_most: int, k: int, seen: Counter[Hashable]) -> list[int]:
    """The first `k` of the places whose artist was seen less often than `at_most`; they are counted into `seen`."""
    kept: list[int] = []
    for place in places:
        if len(kept) == k:
            break
        artist = artists[place]
        if artist is not None:
            if seen[artist] >= at_most:
                continue
            seen[artist] += 1
        kept.append(place)
    return kept


def _but(places: list[int], chosen: list[int]) -> list[int]:
    gone = set(chosen)
    return [place for place in places if place not in gone]


def unit_length(vectors: Scores) -> Scores:
    """The vectors [items, factors] at length 1; 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-9))


def diverse(scores: Floats, directions: Scores, k: int, share: float, before: Scores | None = None) -> Positions:
    """Places of `k` items, each the best of (1 - share) * score - share * its largest cosine to those before it.

    `scores` [items] are scaled to 0..1, `directions` [items, factors] have length 1 or 0, as have those of `before`
    [shown, factors], which came first. At a share of 0 the order is that of the scores; ties go to the earlier place.
    Raises ValueError for a share that is not within 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"diversity with a share of {share}; wanted 0 to 1")
    span = float(np.ptp(scores)) if len(scores) else 0.0
    gains = (1 - share) * ((scores - scores.min()) / span if span else np.zeros(len(scores)))
    nearest = np.zeros(len(scores)) if before is None else (directions @ before.T).max(axis=1, initial=0.0)
    alike = directions @ directions.T
    order: list[int] = []
    for _ in range(min(k, len(scores))):
        best = int((gains - share * nearest).argmax())
        order.append(best)
        gains[best] = -np.inf
        np.maximum(nearest, alike[best], out=nearest)
    return np.array(order, np.int64)


class Explored(NamedTuple):
    """Places in order of slot, and each slot's propensity."""

    places: Positions
    propensities: Floats


def explored(scores: Floats, k: int, temperature: float, random: np.random.Generator) -> Explored:
    """A list drawn from the Plackett-Luce model: slot by slot, each item by exp(score / temperature).

    A slot's propensity is exact, given the slots above it: exp(s / T) over the sum of the same of all items not yet
    shown. Their product is the chance of the whole list; that of the first slot is also its marginal. Drawn with Gumbel
    noise (Yellott 1977), which sorts to the same law. What is farther than `_FARTHEST` below the best counts as just so
    far: a chance is above 0 and at most 1 for any scores. Raises ValueError for a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"exploring at a temperature of {temperature}; wanted above 0")
    behind = (scores.max(initial=-np.inf) - scores) / temperature  # from the best, so that large scores drown no lots
    logits = -np.minimum(behind, _FARTHEST)
    places = np.argsort(-(logits + random.gumbel(size=len(scores))), kind="stable")
    ordered = logits[places]
    beneath = np.logaddexp.accumulate(ordered[::-1])[::-1]  # of the slot's own item and all that come after it
    return Explored(places[:k], np.maximum(np.exp(ordered - beneath)[:k], np.finfo(np.float64).tiny))
