"""Daily mixes and weekly discovery: a taste in its parts, each a list of its own, and a list that holds for a week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.als import AlsModel
from models.base import Floats, Positions, Scores, Taste
from models.ranking.rerank import capped

MIXES = 6
FEWEST = 3  # tracks of a taste that make a mix
LENGTH = 30
_ROUNDS = 20
WEEKLY, WEEKLY_OF_AN_ARTIST = 30, 2
NUDGE = 0.25  # by how much of the scores' spread a week may move an item


@dataclass(frozen=True)
class Mix:
    """Places in the taste that it is made of, the heaviest first, and its `items`: own tracks and new ones in turn."""

    places: Positions
    items: Positions


def daily_mixes(als: AlsModel, taste: Taste, barred: Positions, length: int = LENGTH) -> list[Mix]:
    """The parts of a taste in the space of ALS, the heaviest first; each mixed with what ALS finds near to it.

    New tracks are in one mix alone, and none of `barred`.
    """
    mixes: list[Mix] = []
    used = np.union1d(barred, taste.tracks)
    for places in clusters(als.vectors[taste.tracks], taste.weights):
        part = Taste(taste.tracks[places], taste.weights[places])
        new = als.recommend(part, length, used).items
        used = np.union1d(used, new)
        own = part.tracks[~np.isin(part.tracks, barred)]
        mixes.append(Mix(places, _in_turn(own, new, length)))
    return mixes


def clusters(vectors: Scores, weights: Floats, at_most: int = MIXES) -> list[Positions]:
    """Places of the vectors by direction: spherical k-means (Dhillon and Modha 2001), each counting by its weight.

    The first centre is the heaviest vector, each further one the farthest from those before: nothing is drawn. Clusters
    of fewer than `FEWEST` are left out; the heaviest comes first, and within it the heaviest place.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    known = np.flatnonzero(lengths > 0)
    count = min(at_most, len(known) // FEWEST)
    if not count:
        return []
    directions = vectors[known] / lengths[known, None]
    heavy = weights[known]
    nearest = _assigned(directions, heavy, count)
    found = [known[nearest == cluster] for cluster in range(count)]
    found = [places[np.argsort(-weights[places], kind="stable")] for places in found if len(places) >= FEWEST]
    return sorted(found, key=lambda places: (-float(weights[places].sum()), int(places[0])))


def _assigned(directions: Scores, weights: Floats, count: int) -> Positions:
    chosen = [int(weights.argmax())]
    while len(chosen) < count:
        chosen.append(int((directions @ directions[chosen].T).max(axis=1).argmin()))
    centres = directions[chosen].astype(np.float64)
    nearest = np.full(len(directions), -1)
    for _ in range(_ROUNDS):
        before, nearest = nearest, (directions @ centres.T).argmax(axis=1)
        if np.array_equal(before, nearest):
            break
        for cluster in np.unique(nearest):
            total = (weights[nearest == cluster, None] * directions[nearest == cluster]).sum(axis=0)
            centres[cluster] = total / max(float(np.linalg.norm(total)), 1e-12)
    return nearest.astype(np.int64)


def _in_turn(own: Positions, new: Positions, length: int) -> Positions:
    """One of the own, one new, and so on; where one side ends, the other goes on."""
    order = np.concatenate([2 * np.arange(len(own)), 2 * np.arange(len(new)) + 1])
    return np.concatenate([own, new])[np.argsort(order, kind="stable")][:length]


def mix_name(artists: Sequence[str | None], weights: Floats) -> str | None:
    """`Ada, Bo and more`: the two artists that weigh most, ties by name; None where no artist is known."""
    heavy: Counter[str] = Counter()
    for artist, weight in zip(artists, weights.tolist(), strict=True):
        if artist:
            heavy[artist] += weight
    names = [artist for artist, _ in sorted(heavy.items(), key=lambda pair: (-pair[1], pair[0]))]
    if not names:
        return None
    return names[0] if len(names) == 1 else f"{', '.join(names[:2])}{' and more' if len(names) > 2 else ''}"


def weekly_discovery(scores: Floats, artists: Sequence[str | None], noise: Floats, k: int = WEEKLY) -> Positions:
    """Places of `k` candidates, two of an artist at most: by score, each moved by the week's `noise` in -1..1."""
    spread = float(np.std(scores)) if len(scores) else 0.0
    order = np.argsort(-(scores + NUDGE * spread * noise), kind="stable")
    kept = capped([artists[place] for place in order], WEEKLY_OF_AN_ARTIST, k)
    return order[kept]
