"""The shelves: which tracks, in which order, from which model, and which plays each one cites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from models.base import Floats, Positions, Taste, TrackPosition, cited_places
from serving.service.asking import Asked
from serving.service.published import Snapshot

CITED = 3
CURRENT = -2  # in place of a place in the taste: the current play, which may not count towards it
_CLOSE = 1e-9  # scores nearer than this, relative, are equal: rounding is not cited


class Shelf(StrEnum):
    """The shelves by the names that callers give."""

    DISCOVER = "discover"
    ON_REPEAT = "on-repeat"
    NEXT = "next"
    POPULAR = "popular"
    WEEKLY = "weekly-discovery"


@dataclass(frozen=True)
class Picks:
    """Tracks by position, best first: `sources` [items] name the model of each.

    `cites` [items] are places in the taste, or `CURRENT`; `propensities` [items] are there where the list was drawn.
    """

    items: Positions
    scores: Floats
    sources: tuple[str, ...]
    cites: tuple[tuple[int, ...], ...]
    propensities: Floats | None = None


# Of a shelf that has nothing to go by, as against one that has shown all there is: what is played most stands in.
NOTHING = Picks(np.empty(0, np.int64), np.empty(0, np.float64), (), ())


def discover(snapshot: Snapshot, asked: Asked) -> Picks:
    """ALS over what the listener has never touched."""
    als, taste = snapshot.artifact.als, asked.taste
    vector = als.fold_in(taste)
    if not vector.any():
        return NOTHING
    found = als.index.best(vector, asked.pool, np.union1d(asked.barred, asked.known.touched))
    items, scores, chances = asked.chosen(found.items, als.vectors[found.items].astype(np.float64) @ vector)
    cites = cited_places(als.explain(taste, items, asked.known.plays, CITED).places)
    spoken_for = (places if score > 0 else () for places, score in zip(cites, scores.tolist(), strict=True))
    return Picks(items, scores, (als.name,) * len(items), tuple(spoken_for), chances)


def on_repeat(snapshot: Snapshot, asked: Asked) -> Picks:
    """The tracks that weigh most in the listener's own taste."""
    repeat = snapshot.artifact.repeat
    if not len(asked.taste.tracks):
        return NOTHING
    found = repeat.recommend(asked.taste, asked.pool, asked.barred)
    items, scores, chances = asked.chosen(found.items, repeat.scores(asked.taste, found.items))
    citations = repeat.explain(asked.taste, items, asked.known.plays, 1)
    return Picks(items, scores, (repeat.name,) * len(items), cited_places(citations.places), chances)


def popular(snapshot: Snapshot, asked: Asked) -> Picks:
    """What everybody plays. It rests on no play of the listener's."""
    popularity = snapshot.artifact.popularity
    pool = popularity.best_but(asked.pool, asked.barred)
    items, scores, chances = asked.chosen(pool, popularity.scores(asked.taste, pool))
    return Picks(items, scores, (popularity.name,) * len(items), ((),) * len(items), chances)


def standing_in(snapshot: Snapshot, asked: Asked) -> Picks:
    """What everybody plays, on a shelf that has nothing to go by: 0 is each score, as nobody's play speaks for it."""
    picks = popular(snapshot, asked)
    return replace(picks, scores=np.zeros(len(picks.items)))


def upcoming(snapshot: Snapshot, asked: Asked) -> Picks:
    """What has followed the current track; then, where that is not enough, ALS over the whole catalog.

    A follower scores its smoothed probability p; the rest share what smoothing leaves, prior / (times + prior), by
    s / (1 + s) of their ALS score s: always less than a follower, and on the same scale.
    """
    taste = asked.taste
    if taste.current is None and not len(taste.tracks):
        return NOTHING
    barred = asked.barred if taste.current is None else np.append(asked.barred, taste.current)
    transitions = snapshot.artifact.transitions
    followers = _followers(snapshot, taste.current)
    followers = followers[~np.isin(followers, barred)]
    scores = transitions.scores(taste, followers)
    best = np.lexsort((followers, -scores))[: asked.pool]
    filled = _als_fill(snapshot, taste, np.union1d(barred, followers), asked.pool - len(best))
    items, kept, chances = asked.chosen(
        np.concatenate([followers[best], filled]),
        np.concatenate([scores[best], _upcoming_scores(snapshot, taste, filled)]),
    )
    names = np.where(np.isin(items, followers), transitions.name, snapshot.artifact.als.name)
    return Picks(items, kept, tuple(names.tolist()), _upcoming_cites(snapshot, asked, items, kept), chances)


def _followers(snapshot: Snapshot, current: TrackPosition | None) -> Positions:
    times = snapshot.artifact.transitions.times
    if current is None:
        return np.empty(0, np.int64)
    return times.indices[times.indptr[current] : times.indptr[current + 1]].astype(np.int64)


def _als_fill(snapshot: Snapshot, taste: Taste, barred: Positions, count: int) -> Positions:
    if count <= 0:
        return np.empty(0, np.int64)
    return snapshot.artifact.als.recommend(taste, count, barred).items


def _upcoming_scores(snapshot: Snapshot, taste: Taste, items: Positions) -> Floats:
    """Each item's score [items] on the shelf of what comes next, whoever brings it."""
    transitions = snapshot.artifact.transitions
    times, current = transitions.times, taste.current
    left = 0.0 if current is None else float(times.data[times.indptr[current] : times.indptr[current + 1]].sum())
    liking = np.maximum(snapshot.artifact.als.scores(taste, items), 0.0)
    rest = transitions.config.prior / (left + transitions.config.prior) * liking / (1.0 + liking)
    follows = np.isin(items, _followers(snapshot, current))
    return np.where(follows, transitions.scores(taste, items), rest)


def _upcoming_cites(snapshot: Snapshot, asked: Asked, items: Positions, scores: Floats) -> tuple[tuple[int, ...], ...]:
    """`CURRENT` where taking the current play back lowers the score; for what ALS brought, also what that rests on.

    Without the current play the one before it is current.
    """
    known = asked.known
    lowers = np.zeros(len(items), bool)
    if known.taste.current is not None:
        without = _upcoming_scores(snapshot, known.before_current, items)
        lowers = without < scores - _CLOSE * np.abs(scores)
    fills = ~np.isin(items, _followers(snapshot, known.taste.current)) & (scores > 0)
    rests_on = iter(cited_places(snapshot.artifact.als.explain(known.taste, items[fills], known.plays, CITED).places))
    cites = []
    for fill, low in zip(fills.tolist(), lowers.tolist(), strict=True):
        own = tuple(place for place in next(rests_on) if place != known.current_place) if fill else ()
        cites.append(((CURRENT, *own) if low else own)[:CITED])
    return tuple(cites)


SHELVES: dict[Shelf, Callable[[Snapshot, Asked], Picks]] = {
    Shelf.DISCOVER: discover,
    Shelf.ON_REPEAT: on_repeat,
    Shelf.NEXT: upcoming,
    Shelf.POPULAR: popular,
}
