"""Which plays a ranked track rests on: those without which, scored again, it has less.

Each track is asked about the current play, its own latest play, and the plays outside the session that ALS goes by most
for it: what it cites is a function of the taste, the model and the track, whatever else is shown beside it. A session
less a play is read again. A play before the session leaves alone what the session says, and ALS less one play is a
change of rank one, so that all of these are scored in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.base import NOBODY, Citations, Floats, Positions, Scores, Taste, cited
from models.ranking.corpus import Corpus
from models.ranking.evidence import Evidence
from models.ranking.features import ALS_COLUMN, features_less
from models.ranking.sparse import among

NOISE = 1e-6  # a drop below this is rounding, and is not cited; as a share of a score above 1
LIKED = 2  # plays that ALS goes by, beside the current and the track's own


@dataclass(frozen=True)
class Scored:
    """Tracks with the rows that the forest read [items, columns] and their scores."""

    items: Positions
    rows: Scores
    scores: Floats

    def __getitem__(self, chosen: Positions) -> Scored:
        """Those at these places."""
        return Scored(self.items[chosen], self.rows[chosen], self.scores[chosen])


@dataclass(frozen=True)
class Removed:
    """What is said without one play, which goes by `place`; asked about for the items at the places `of`."""

    place: int
    less: Evidence
    of: Positions


def own_of_session(evidence: Evidence, items: Positions, plays: Floats) -> list[tuple[int, Positions]]:
    """Places of the session's tracks among the items, the current one left out, and for which item each is asked."""
    taste, session = evidence.taste, evidence.session.plays
    heard = among(taste.tracks, np.sort(session)) & among(taste.tracks, np.sort(items)) & (plays > 0)
    places = np.flatnonzero(heard & (taste.tracks != (NOBODY if taste.current is None else taste.current)))
    return [(place, np.flatnonzero(items == taste.tracks[place])) for place in places.tolist()]


def cite(
    corpus: Corpus,
    evidence: Evidence,
    shown: Scored,
    plays: Floats,
    removals: Sequence[Removed],
    scores_of: Callable[[Scores], Floats],
    limit: int,
) -> Citations:
    """The plays without which each scores least: of these `removals`, and of plays before the session, found here."""
    places, als = _earlier(corpus, evidence, shown.items, plays)
    earlier = _removals(evidence, places, plays)
    every = [*removals, *(removed for removed, _ in earlier)]
    if not every:
        return Citations.none(len(shown.items), limit)
    rows = [features_less(corpus, evidence, shown.rows[one.of], one.less, shown.items[one.of]) for one in every]
    for part, (removed, slots) in zip(rows[len(removals) :], earlier, strict=True):
        part[:, ALS_COLUMN] = als[removed.of, slots]
    left = np.split(scores_of(np.concatenate(rows)), np.cumsum([len(one.of) for one in every])[:-1])
    told = np.full((len(shown.items), len(removals)), NOBODY, np.int64)
    places = np.concatenate([told, places], axis=1)
    drops = np.full(places.shape, -np.inf)
    columns = [*range(len(removals)), *(len(removals) + slots for _, slots in earlier)]
    for one, column, scores in zip(every, columns, left, strict=True):
        places[one.of, column] = one.place
        drops[one.of, column] = shown.scores[one.of] - (0.0 if says_nothing(one.less.taste) else scores)
    found = cited(drops, limit, NOISE * np.maximum(1.0, np.abs(shown.scores)))
    chosen = np.take_along_axis(places, np.maximum(found.places, 0), axis=1)
    return Citations(np.where(found.places >= 0, chosen, NOBODY), found.drops)


def _earlier(corpus: Corpus, evidence: Evidence, items: Positions, plays: Floats) -> tuple[Positions, Floats]:
    """Places before the session that each item is asked about [items, LIKED + 1], and its score in ALS without each.

    They are what ALS goes by most, and the item's own; `NOBODY` where there is none.
    """
    taste = evidence.taste
    if not len(taste.tracks):
        return np.empty((len(items), 0), np.int64), np.empty((len(items), 0))
    scores, left = corpus.als.scores_without(taste, items, plays)
    asked = (plays > 0) & ~among(taste.tracks, np.sort(evidence.session.plays))
    own = (taste.tracks == items[:, None]) & asked
    liked = cited(np.where(asked & ~own, scores[:, None] - left, -np.inf), LIKED).places
    places = np.column_stack([liked, np.where(own.any(axis=1), own.argmax(axis=1), NOBODY)])
    return places, np.take_along_axis(left, np.maximum(places, 0), axis=1)


def _removals(evidence: Evidence, places: Positions, plays: Floats) -> list[tuple[Removed, Positions]]:
    """One of each place among `places` [items, slots], and in which slot of its items it is; the session stays."""
    removals = []
    for place in np.unique(places[places != NOBODY]).tolist():
        of, slots = np.nonzero(places == place)
        less = replace(evidence, taste=evidence.taste.without(place, float(plays[place])))
        removals.append((Removed(place, less, of), slots))
    return removals


def says_nothing(taste: Taste) -> bool:
    """Whether nothing is known that a score could rest on."""
    return not len(taste.tracks) and not len(taste.recent.tracks) and taste.current is None
