"""Who gets recommended: how lists share out attention over popular and rare tracks, and over artists.

A recommender that shows tracks as often as they are played gives each tenth of the plays a tenth of its lists; one with
popularity bias gives the first tenth more (Abdollahpouri et al. 2019, "The Unfairness of Popularity Bias").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import NOBODY, Floats, Positions
from models.evaluation.metrics import gini

PARTS = 10
LEADING_SHARE = 0.01


def by_tenths(lists: Positions, popularity: Floats) -> Floats:
    """The share of recommendations that goes to each tenth of all plays, that of the most played tracks first."""
    order = np.argsort(-popularity, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(popularity[order])[:-1]])  # a track is where its first play is
    part = np.empty(len(order), np.int64)
    part[order] = np.minimum(before / max(popularity.sum(), 1e-12) * PARTS, PARTS - 1).astype(np.int64)
    shown = lists[lists >= 0]
    return np.bincount(part[shown], minlength=PARTS) / max(len(shown), 1)


@dataclass(frozen=True)
class ArtistExposure:
    """Over the artists of a catalog: how many are shown at all, how unequally, and what the leading ones get.

    `gini` is 0 where all are shown alike; `leading` is the share of recommendations for the hundredth of the artists
    that are shown most, `leading_plays` the share of plays of the hundredth that is played most. `unknown` is the share
    of recommendations whose artist nobody knows; the rest is about the others.
    """

    artists: int
    shown: int
    gini: float
    leading: float
    leading_plays: float
    unknown: float


def artist_exposure(lists: Positions, popularity: Floats, artists: Positions) -> ArtistExposure | None:
    """Of lists [cases, k] over tracks whose artist, by number, is `artists` [tracks], `NOBODY` where it is unknown.

    None where no artist is known.
    """
    known = artists != NOBODY
    if not known.any():
        return None
    numbers = np.unique(artists[known], return_inverse=True)[1]
    artist_of = np.full(len(artists), NOBODY, np.int64)
    artist_of[known] = numbers
    count = int(numbers.max()) + 1
    shown = artist_of[lists[lists >= 0]]
    times = np.bincount(shown[shown >= 0], minlength=count).astype(np.float64)
    plays = np.bincount(numbers, popularity[known], count).astype(np.float64)
    return ArtistExposure(
        artists=count,
        shown=int((times > 0).sum()),
        gini=gini(times) if times.any() else 0.0,
        leading=_leading(times),
        leading_plays=_leading(plays),
        unknown=float((shown < 0).mean()) if len(shown) else 0.0,
    )


def _leading(amounts: Floats) -> float:
    leaders = max(round(LEADING_SHARE * len(amounts)), 1)
    return float(np.sort(amounts)[-leaders:].sum() / max(amounts.sum(), 1e-12))
