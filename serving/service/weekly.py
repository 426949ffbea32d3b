"""Weekly discovery: the list of a week, from the taste as it was when the week began, so that it holds until the next.

What is played meanwhile changes nothing, what is judged or excluded goes at once, and another model makes another list.
"""

from __future__ import annotations

import zlib

import numpy as np

from models.base import cited_places
from models.ranking.mixes import weekly_discovery
from serving.service.asking import Artists, Asked, noise
from serving.service.published import Snapshot
from serving.service.shelves import CITED, NOTHING, Picks

POOL = 300
_MONDAY = 3  # 1970-01-01 was a Thursday


def week_began(day: int) -> int:
    """The Monday of the week of this day; both count days since 1970-01-01."""
    return day - (day + _MONDAY) % 7


def week_seed(listener_id: str, monday: int) -> int:
    """What makes one listener's week differ from another's and from the next."""
    return zlib.crc32(f"{listener_id}/{monday}".encode())


def weekly(snapshot: Snapshot, asked: Asked, seed: int, artists: Artists) -> Picks:
    """The week's list for a listener known as of its Monday."""
    als, taste = snapshot.artifact.als, asked.taste
    vector = als.fold_in(taste)
    if not vector.any():
        return NOTHING
    pool = als.index.best(vector, POOL, np.union1d(asked.known.unwanted, asked.known.touched)).items
    scores = als.vectors[pool].astype(np.float64) @ vector
    chosen = weekly_discovery(scores, artists(pool), noise(seed, pool))
    chosen = chosen[~np.isin(pool[chosen], asked.barred)][: asked.count]
    items = pool[chosen]
    cites = als.explain(taste, items, asked.known.plays, CITED).places
    return Picks(items, scores[chosen], (als.name,) * len(items), cited_places(cites))
