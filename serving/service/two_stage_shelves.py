"""The shelves of a model in two stages: its best candidates, who proposed each, and the plays that each rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.base import Positions, cited_places
from models.ranking.citing import Removed, Scored, own_of_session
from models.ranking.evidence import Evidence
from models.ranking.sparse import among
from models.ranking.two_stage import TwoStage
from serving.service.asking import Asked
from serving.service.published import Snapshot
from serving.service.shelves import CITED, CURRENT, NOTHING, SHELVES, Picks, Shelf


def discover(model: TwoStage, asked: Asked) -> Picks:
    """The best of what the listener has never touched."""
    barred = np.union1d(asked.barred, asked.known.touched)
    return _picks(model.recommending, asked, barred) if len(asked.taste.tracks) else NOTHING


def upcoming(model: TwoStage, asked: Asked) -> Picks:
    """The best of all but what is playing: what others went on with, and what the listener comes back to."""
    taste = asked.taste
    if taste.current is None and not len(taste.tracks):
        return NOTHING
    return _picks(model, asked, asked.barred if taste.current is None else np.union1d(asked.barred, taste.current))


def _picks(model: TwoStage, asked: Asked, barred: Positions) -> Picks:
    evidence, before_current = model.read(asked.taste, asked.known.before_current)
    if not evidence.speaks and among(evidence.heard, barred).all():
        return NOTHING
    best = model.propose(evidence, asked.pool, barred, asked.count)
    items, scores, chances = asked.chosen(best.items, best.scores)
    place_of = {item: place for place, item in enumerate(best.items.tolist())}
    places = [place_of[item] for item in items.tolist()]
    sources = tuple([best.sources[place] for place in places])
    cites = _cites(model, evidence, before_current, asked, best[np.array(places, np.int64)])
    return Picks(items, scores, sources, cites, chances)


def _cites(
    model: TwoStage, evidence: Evidence, before_current: Evidence, asked: Asked, shown: Scored
) -> tuple[tuple[int, ...], ...]:
    """Plays whose removal, computed again, lowers the item's score. Without the current one the last but one is."""
    known = asked.known
    own = own_of_session(evidence, shown.items, known.plays)
    removals = model.removals(evidence, own, known.plays)
    if known.taste.current is not None:
        removals.insert(0, Removed(CURRENT, before_current, np.arange(len(shown.items))))
    found = model.cite(evidence, shown, known.plays, removals, CITED)
    return cited_places(found.places)


_TWO_STAGE: Mapping[Shelf, Callable[[TwoStage, Asked], Picks]] = {Shelf.DISCOVER: discover, Shelf.NEXT: upcoming}


def picked(snapshot: Snapshot, shelf: Shelf, asked: Asked) -> Picks:
    """The shelf, by the two stages where the model has them and the shelf is theirs."""
    model = snapshot.artifact.two_stage
    if model is None or shelf not in _TWO_STAGE:
        return SHELVES[shelf](snapshot, asked)
    return _TWO_STAGE[shelf](model, asked)
