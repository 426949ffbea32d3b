"""Daily mixes of one listener: the parts of a taste, each with what is near to it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.base import Positions, cited_places
from models.ranking.mixes import daily_mixes
from serving.service.listening import Weighed
from serving.service.published import Snapshot
from serving.service.shelves import CITED, Picks

SHELF = "daily-mix"


class Mixed(NamedTuple):
    """Places in the taste that a mix is made of, the heaviest first, and what is in it."""

    places: Positions
    picks: Picks


def mixed(snapshot: Snapshot, known: Weighed, length: int) -> list[Mixed]:
    """The mixes, the heaviest part of the taste first. Scores and citations are those of the whole taste.

    An own track is scored by its weight and cites its latest play; a new one by ALS.
    """
    barred = np.union1d(known.unwanted, np.setdiff1d(known.touched, known.taste.tracks))
    found = daily_mixes(snapshot.artifact.als, known.taste, barred, length)
    return [Mixed(mix.places, _picks(snapshot, known, mix.items)) for mix in found]


def _picks(snapshot: Snapshot, known: Weighed, items: Positions) -> Picks:
    als, repeat, taste = snapshot.artifact.als, snapshot.artifact.repeat, known.taste
    own = np.isin(items, taste.tracks)
    scores = np.where(own, repeat.scores(taste, items), als.scores(taste, items))
    places = np.where(
        own[:, None],
        repeat.explain(taste, items, known.plays, CITED).places,
        als.explain(taste, items, known.plays, CITED).places,
    )
    sources = tuple(repeat.name if heard else als.name for heard in own.tolist())
    return Picks(items, scores, sources, cited_places(places))
